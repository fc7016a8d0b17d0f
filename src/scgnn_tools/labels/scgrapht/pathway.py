"""Pathways: which nodes tell which, step by step, until the cells are told.

A step is named as in the paper, receiver first: ``CG`` sends what genes know to cells.
"""

from collections.abc import Sequence
from itertools import pairwise

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable

STEPS = ("CC", "CG", "GC", "GG")
NAMED = {"P1": "GG-CG", "P2": "GC-CG", "P3": "CG-CC", "P4": "CC-CC"}
NODES = {"C": "cells", "G": "genes"}


def parse(pathway: str | Sequence[str]) -> tuple[str, ...]:
    """Return the steps of a pathway.

    Parameters
    ----------
    pathway
        "P1" to "P4", steps joined by "-" ("GC-CG"), or a sequence of steps.

    Raises
    ------
    InputValueError
        If a step is unknown, a step does not take what the one before it gives, or the last one does not give cells.
    """
    if isinstance(pathway, str) or not isinstance(pathway, Sequence):
        text = NAMED.get(pathway, printable(pathway)) if isinstance(pathway, str) else printable(pathway)
    else:
        text = "-".join(map(str, pathway))
    steps = tuple(text.split("-"))
    for step in steps:
        if step not in STEPS:
            names = ", ".join(f"{k} ({v})" for k, v in NAMED.items())
            msg = f"pathway={printable(text)!r} has the step {printable(step)!r}; steps are {', '.join(STEPS)}, joined by '-'; or {names}."
            raise InputValueError(msg)
    for before, step in pairwise(steps):
        if step[1] != before[0]:
            msg = (
                f"pathway={text!r} does not fit: {before} gives {NODES[before[0]]}, and {step} takes {NODES[step[1]]}. "
                f"After {before} comes {' or '.join(s for s in STEPS if s[1] == before[0])}."
            )
            raise InputValueError(msg)
    if steps[-1][0] != "C":
        msg = f"pathway={text!r} ends with genes; labels are of cells, so that the last step is CG or CC."
        raise InputValueError(msg)
    return steps


def starts_with_cells(steps: Sequence[str]) -> bool:
    """Tell whether the first step takes cells, which have vectors, and not genes."""
    return steps[0][1] == "C"
