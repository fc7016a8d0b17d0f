"""Which samples are the control and which the knock-out of each experiment."""

import numpy as np

from scgnn_tools._choices import listed
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._log import printable
from scgnn_tools.data.conditions import is_control as names_control

Sides = tuple[np.ndarray, np.ndarray]
"""Rows of the control samples and of the knock-out samples of an experiment."""


def controls(role: np.ndarray, control: str, role_key: str) -> np.ndarray:
    """Return which samples are controls; none, and another spelling of the same word, is an error."""
    names, shown = sorted(set(role)), f"obs[{printable(role_key)!r}]"
    if control not in names:
        msg = f"{shown} never holds {printable(control)!r}; it holds {listed(names)}. Pass control=."
        raise InputValueError(msg)
    alike = [n for n in names if n != control and (names_control(n) or n.strip().lower() == control.strip().lower())]
    if alike:
        msg = (
            f"{shown} holds {printable(control)!r} and {listed(alike)}, which would count as knock-outs. Give controls one name: "
            f"adata.obs[{printable(role_key)!r}] = adata.obs[{printable(role_key)!r}].astype(str).replace({alike[0]!r}, {control!r})."
        )
        raise InputValueError(msg)
    return role == control


def sides(own: np.ndarray, is_control: np.ndarray, name: str, target: np.ndarray) -> Sides:
    """Return the control samples and the knock-out samples of an experiment."""
    base, done = np.flatnonzero(own & is_control), np.flatnonzero(own & ~is_control)
    if not len(base) or not len(done):
        lacks = "control" if not len(base) else "knock-out"
        msg = f"The experiment {printable(name)!r} has no {lacks} sample; each wants both. Leave it out, or see to pair_key= and control=."
        raise InputValueError(msg)
    if len(set(target[done])) > 1:
        msg = (
            f"The experiment {printable(name)!r} has several targets: {listed(sorted(set(target[done])))}. Give each its own; "
            "a control that several share stands once in each."
        )
        raise InputValueError(msg)
    return base, done


def warn_of_roles(rows: list[Sides], names: np.ndarray, role: np.ndarray, role_key: str) -> None:
    """Warn where samples of several roles are averaged as one knock-out."""
    mixed = [name for name, (_, done) in zip(names, rows, strict=True) if len(set(role[done])) > 1]
    if mixed:
        msg = (
            f"{len(mixed):,} of {len(names):,} experiments hold samples of several roles beside their control, which are averaged as "
            f"one; {printable(mixed[0])!r} is one. obs[{printable(role_key)!r}] holds {listed(sorted(set(role)))}. Leave out what is none."
        )
        warn(msg)
