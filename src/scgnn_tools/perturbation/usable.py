"""Which cells of a screen can be used: with a condition that says something, and with control cells to compare them with."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools._choices import listed
from scgnn_tools._columns import column_of
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._log import as_text, printable
from scgnn_tools.data.conditions import Condition, at_dose, condition_name, gene_of_guide, is_control

if TYPE_CHECKING:
    from anndata import AnnData

LEAST_CONTROLS, LEAST_CELLS, LEAST_IN_STRATUM = 20, 10, 4
"""Control cells in all, cells of a condition, and control cells of a batch and cell type, below which nothing is to be learnt."""


def dosed(adata: "AnnData", key: str, parsed: list[Condition | None]) -> list[Condition | None]:
    """Return the conditions at the doses of a column; of control cells nobody asks."""
    values, shown = column_of(adata.obs, key, "dose_key"), f"obs[{printable(key)!r}]"
    doses = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(dtype=np.float64)
    own = np.array([bool(c) for c in parsed])
    bad = own & ~(np.isfinite(doses) & (doses > 0))
    if bad.any():
        seen = listed(dict.fromkeys(as_text(values[bad])))
        msg = (
            f"{shown} is no positive number in {int(bad.sum()):,} perturbed cells ({seen}); dose_key= names a column of doses in one unit. "
            f"Make it one: adata.obs[{printable(key)!r}].astype(float)."
        )
        raise InputValueError(msg)
    return [at_dose(c, d) if c else c for c, d in zip(parsed, doses, strict=True)]


def of_one_control(parsed: list[Condition | None], control: str, key: str) -> list[Condition | None]:
    """Return the conditions without those that are another control than the one asked for: nothing was perturbed there to learn from."""
    others = [c is not None and len(c) == 1 and is_control(c[0]) for c in parsed]
    if not any(others):
        return parsed
    names = listed(sorted({c[0] for c, other in zip(parsed, others, strict=True) if c and other}))
    msg = (
        f"{sum(others):,} cells of obs[{printable(key)!r}] are of another control ({names}) than {printable(control)!r}, and are left out. "
        "Give both one name to use them as control cells."
    )
    warn(msg)
    return [None if other else c for c, other in zip(parsed, others, strict=True)]


def usable(
    parsed: list[Condition | None], batch: np.ndarray, cell_type: np.ndarray, key: str, n_unknown: int
) -> tuple[np.ndarray, list[str]]:
    """Return the cells that can be used, positions, and the names of the conditions that cannot."""
    known = np.array([c is not None for c in parsed])
    is_control = np.array([c == () for c in parsed])
    shown = f"obs[{printable(key)!r}]"
    if is_control.sum() < LEAST_CONTROLS:
        msg = f"{shown} holds {int(is_control.sum())} control cells; a change is measured against at least {LEAST_CONTROLS}."
        raise InputValueError(msg)
    if not (known & ~is_control).any():
        msg = f"{shown} holds control cells only; perturbed cells are wanted too, to learn from."
        raise InputValueError(msg)
    joined = strata_of(batch, cell_type)
    own, counts = np.unique(joined[is_control], return_counts=True)
    comparable = np.isin(joined, own[counts >= LEAST_IN_STRATUM])
    if not (comparable & known & ~is_control).any():
        msg = (
            f"No perturbed cell of {shown} is in a batch and cell type with control cells: the two are confounded. "
            "Leave batch_key= and cell_type_key= out only if they are no batches."
        )
        raise InputValueError(msg)
    keep = known & comparable
    sizes = pd.Series([parsed[i] for i in np.flatnonzero(keep & ~is_control)]).value_counts()
    few = {c for c, n in sizes.items() if n < LEAST_CELLS}
    if len(few) == len(sizes):
        msg = f"No condition of {shown} has {LEAST_CELLS} cells; the largest has {int(sizes.max())}."
        raise InputValueError(msg)
    lonely = known & ~is_control & ~comparable
    if lonely.any():
        msg = f"{int(lonely.sum()):,} cells are of a batch or cell type without control cells, and are left out."
        warn(msg)
    if n_unknown:
        msg = f"{shown} says nothing of {n_unknown:,} cells; they are left out."
        warn(msg)
    if few:
        msg = f"{len(few)} conditions of fewer than {LEAST_CELLS} cells are left out: {listed(sorted(map(condition_name, few)))}."
        warn(msg)
    keep &= np.array([c not in few for c in parsed])
    return np.flatnonzero(keep), sorted(map(condition_name, few))


def strata_of(batch: np.ndarray, cell_type: np.ndarray) -> np.ndarray:
    """Return the batch and cell type of each cell as one text, object (n_cells,)."""
    return np.array([f"{b}\t{c}" for b, c in zip(batch, cell_type, strict=True)], dtype=object)


def warn_of_guides(conditions: list[Condition], key: str) -> None:
    """Warn where several conditions are guides of one gene: one guide would be predicted from another, and no source knows either."""
    genes = pd.Series({g: gene_of_guide(g) for c in conditions for g in c}, dtype=object).dropna()
    twice = genes[genes.duplicated(keep=False)]
    if len(twice):
        msg = (
            f"{len(twice):,} perturbations of obs[{printable(key)!r}] look like guides of {twice.nunique():,} genes "
            f"({listed(twice.index[:3])}, …): guides of one gene are held out one by one, which leaks, "
            "and nothing is known of them by these names. Pass a column of genes."
        )
        warn(msg)
