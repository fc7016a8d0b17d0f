"""Which cells are perturbed, which stand for the states, and which genes, out of what a user asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import did_you_mean, listed, sequence, text
from scgnn_tools._columns import groups_column, without_value
from scgnn_tools._errors import GeneMatchError, InputValueError, warn
from scgnn_tools._log import as_text, printable
from scgnn_tools._modality import cells_of
from scgnn_tools.data import open_expression
from scgnn_tools.data.order import by_content, content_keys, sorted_by
from scgnn_tools.data.tokens import Tokens
from scgnn_tools.perturbation.silico.statistics import nearest

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.fm import FoundationModel

ALL = "all"
GOAL = "goal"
"""Ends the name of the column of shifts towards the goal, whatever the goal is called."""


@dataclass(frozen=True)
class Chosen:
    """Cells by what they are for, positions in the object; the same cell may be for several things.

    Attributes
    ----------
    start
        That are perturbed.
    states
        By name of the state.
    """

    start: np.ndarray
    states: dict[str, np.ndarray]


def chosen_cells(
    adata: "AnnData",
    groupby: str | None,
    start: str | None,
    goal: str | None,
    alternatives: Sequence[str],
    max_cells: int,
    draws: np.random.Generator,
    *,
    layer: str | None = None,
) -> Chosen:
    """Return the cells; of more than ``max_cells`` of a kind a random sample, which the order of the object does not decide."""
    if isinstance(alternatives, str):
        msg = f"alternatives is a list of states, such as ('B', 'NK'); got {alternatives!r}."
        raise InputValueError(msg)
    alternatives = sequence("alternatives", alternatives)
    for name, value in (("start", start), ("goal", goal)):
        text(name, value, or_none=True)
    if groupby is None:
        if start is not None or goal is not None or len(alternatives):
            msg = "start=, goal= and alternatives= are values of a column of obs: pass its name as groupby=."
            raise InputValueError(msg)
        return _chosen(adata, np.arange(adata.n_obs), {}, max_cells, draws, layer)
    column = groups_column(adata.obs, groupby, "groupby")
    known = ~without_value(column)
    values = np.where(known, as_text(column), "")
    if goal is None and start is None and not len(alternatives):
        msg = "groupby= names a column of states, and none is asked for. Pass goal=, start= or both, or leave groupby= out."
        raise InputValueError(msg)
    if goal is None and len(alternatives):
        msg = "alternatives= are states beside the goal: pass goal=, too."
        raise InputValueError(msg)
    if goal is not None and goal == start:
        msg = f"goal and start are both {printable(goal)!r}; cells are perturbed away from the start and towards the goal."
        raise InputValueError(msg)
    if goal in alternatives:
        msg = f"{printable(goal)!r} is the goal and among alternatives=, which are other states. Leave it out there."
        raise InputValueError(msg)
    names = [n for n in (start, goal, *alternatives) if n is not None]
    if GOAL in names and goal != GOAL:
        msg = f"A state called {GOAL!r} that is not the goal would share the column shift_{GOAL} with the goal. Rename it in obs."
        raise InputValueError(msg)
    for name in names:
        if not name or name not in values:
            there = sorted(set(values[known]))
            msg = f"{printable(repr(name))} is no value of obs[{printable(groupby)!r}]: {listed(there)}.{did_you_mean(name, there)}"
            raise InputValueError(msg)
    cells = np.arange(adata.n_obs) if start is None else np.flatnonzero(values == start)
    if start is None and goal is not None:
        cells = np.flatnonzero((values != goal) & known)
        if not known.all():
            msg = f"obs[{printable(groupby)!r}] names no state of {int((~known).sum()):,} cells; they are left out."
            warn(msg)
    states = {n: np.flatnonzero(values == n) for n in dict.fromkeys(names)} if goal is not None else {}
    return _chosen(adata, cells, states, max_cells, draws, layer)


def _chosen(
    adata: "AnnData",
    start: np.ndarray,
    states: dict[str, np.ndarray],
    n: int,
    draws: np.random.Generator,
    layer: str | None,
) -> Chosen:
    """Return at most ``n`` cells of each kind, drawn from the cells sorted by what they hold."""
    if not len(start) or len(np.unique(np.concatenate([start, *states.values()]))) < 2:
        msg = f"There are {len(start)} cells to perturb; two cells are wanted at least, states and all: no component lies in one alone."
        raise InputValueError(msg)
    if max(len(start), *map(len, states.values()), 0) > n:
        blocks = open_expression(adata, layer=layer).lognorm_rows()
        keys = np.concatenate([content_keys(rows) for _, rows in blocks])

        def some(cells: np.ndarray) -> np.ndarray:
            return cells if len(cells) <= n else draws.choice(cells[sorted_by(keys[cells])], n, replace=False)

        states = {name: some(cells) for name, cells in states.items()}
        start = some(start)
    return Chosen(start, states)


@dataclass(frozen=True)
class SilicoCells:
    """Some cells as a model sees them.

    Attributes
    ----------
    tokens
        Of the model.
    log
        Log-normalised values over its vocabulary, CSR float64 (n_cells, n_vocabulary).
    """

    tokens: Tokens
    log: sp.csr_array


def read(
    adata: "AnnData", cells: np.ndarray, model: "FoundationModel", layer: str | None, gene_key: str | None
) -> SilicoCells:
    """Read some cells, once each; they come sorted by what they hold, so that the order of the object decides nothing."""
    unique, at = np.unique(cells, return_inverse=True)
    some = cells_of(adata, unique)
    opened = open_expression(some, layer=layer)
    found = model.match(opened, gene_key=gene_key)
    tokens = model.tokenize(some, layer=layer, gene_key=gene_key)
    log = sp.csr_array(opened.log_normalized() @ found.projection()).astype(np.float64)
    if not log.count_nonzero():
        msg = f"{opened.name} holds no counts in the {len(unique):,} cells asked for. Pass layer= for another matrix, or other cells."
        raise InputValueError(msg)
    at = at[by_content(log[at])]
    return SilicoCells(tokens.select(at), sp.csr_array(log[at]))


def chosen_genes(genes: Any, model: "FoundationModel", detected: np.ndarray) -> np.ndarray:
    """Return positions in the vocabulary of the genes that were asked for; "all" are those detected."""
    if isinstance(genes, str) and genes == ALL:
        return np.flatnonzero(detected)
    names = sequence("genes", genes)
    if not names or not all(str(n).strip() for n in names):
        msg = "genes is 'all' or a list of genes; it is empty, or a name is."
        raise InputValueError(msg)
    found = model.match_names(as_text(names), None)
    lacking = [n for n, i in zip(names, found.index, strict=True) if i < 0]
    if lacking:
        spelt = {v.lower(): v for v in as_text(model.vocabulary)}
        meant = next((f" Did you mean {spelt[n]!r}?" for n in map(str.lower, as_text(lacking)) if n in spelt), "")
        name = model.card.name
        msg = f"{len(lacking)} of {len(names)} genes are not in the vocabulary of {name}: {listed(lacking)}.{meant} Leave them out."
        raise GeneMatchError(msg)
    return np.asarray(list(dict.fromkeys(found.index.tolist())), dtype=np.int64)


def like_genes(cells: SilicoCells, genes: np.ndarray, n: int) -> np.ndarray:
    """Return positions of the ``n`` other detected genes that are nearest to each gene in mean expression and detection."""
    seen = np.asarray((cells.log != 0).sum(axis=0)).ravel()
    level = np.asarray(cells.log.sum(axis=0)).ravel()
    own, others = genes[seen[genes] > 0], np.setdiff1d(np.flatnonzero(seen), genes)
    return others[nearest(np.stack([level, seen], axis=1), own, others, n)]
