"""A screen: the perturbed cells of an AnnData, checked, with the control cells that they are compared with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import integer
from scgnn_tools._columns import column_of, whole_column
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import as_text, printable
from scgnn_tools.data import Expression, open_expression
from scgnn_tools.data.conditions import Condition, condition_name, find_control, gene_of, genes_of, parse_conditions
from scgnn_tools.data.order import content_keys, largest_first, sorted_by
from scgnn_tools.genes import detect_organism, gene_names
from scgnn_tools.genes.match import spelled_as
from scgnn_tools.perturbation.usable import dosed, of_one_control, strata_of, usable, warn_of_guides

if TYPE_CHECKING:
    from anndata import AnnData

CONTROL = -1


@dataclass(frozen=True)
class Screen:
    """Perturbed and control cells.

    Attributes
    ----------
    expression
        Log-normalised, CSR float32 (n_cells, n_genes).
    genes
        Names of its columns, object (n_genes,).
    conditions
        Perturbed genes of each condition, sorted.
    condition
        Position of each cell's condition, -1 for a control cell, int64 (n_cells,).
    stratum
        Code of each cell's batch and cell type, int64 (n_cells,); each has control cells.
    batch, cell_type
        Of each cell, object (n_cells,); "" without.
    params
        What was found and chosen.
    wanted
        Conditions that are asked for beside them.
    """

    expression: sp.csr_array
    genes: np.ndarray
    conditions: list[Condition]
    condition: np.ndarray
    stratum: np.ndarray
    batch: np.ndarray
    cell_type: np.ndarray
    params: dict[str, Any]
    wanted: tuple[Condition, ...] = ()

    @cached_property
    def called(self) -> np.ndarray:
        """The genes, those that are perturbed as the conditions spell them: JAK2 where the data hold its Ensembl id."""
        return _called(self.genes, self.conditions, self.wanted)

    @property
    def alone(self) -> dict[str, np.ndarray]:
        """Rows of the cells in which one gene alone was perturbed, by that gene."""
        return {c[0]: np.flatnonzero(self.condition == k) for k, c in enumerate(self.conditions) if len(c) == 1}

    @cached_property
    def squares(self) -> sp.csr_array:
        """Their squares."""
        return sp.csr_array(
            (self.expression.data**2, self.expression.indices, self.expression.indptr), self.expression.shape
        )

    @cached_property
    def expressed(self) -> sp.csr_array:
        """Whether a cell expresses a gene, 1 or 0."""
        x = self.expression
        return sp.csr_array(((x.data > 0).astype(np.float32), x.indices, x.indptr), x.shape)

    @property
    def names(self) -> list[str]:
        """Names of the conditions, "A+B"."""
        return [condition_name(c) for c in self.conditions]


def screen(
    adata: "AnnData",
    perturbation_key: str,
    *,
    control: str = "auto",
    batch_key: str | None = None,
    cell_type_key: str | None = None,
    dose_key: str | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    n_genes: int | None = None,
) -> Screen:
    """Read the cells, after all checks of what was done to them.

    Counts are scaled to the median total of the cells and log1p'd, log values are taken as they are.
    """
    n_genes = integer("n_genes", n_genes, least=2, or_none=True)
    values = column_of(adata.obs, perturbation_key, "perturbation_key")
    text = values.astype(object).where(values.notna(), "").to_numpy()
    if not any(map(len, map(str, text))):
        msg = f"obs[{printable(perturbation_key)!r}] says nothing of any of the {len(text):,} cells. Pass another perturbation_key=."
        raise InputValueError(msg)
    found = find_control(text, control)
    parsed = parse_conditions(text, control=found)
    if dose_key is not None:
        parsed = dosed(adata, dose_key, parsed)
    n_unknown = sum(c is None for c in parsed)
    parsed = of_one_control(parsed, found, perturbation_key)
    batch, cell_type = (
        _column(adata, key, name) for key, name in ((batch_key, "batch_key"), (cell_type_key, "cell_type_key"))
    )
    cells, dropped = usable(parsed, batch, cell_type, perturbation_key, n_unknown)
    conditions = sorted({parsed[i] for i in cells} - {()})  # type: ignore[type-var, arg-type]
    warn_of_guides(conditions, perturbation_key)
    code = {c: i for i, c in enumerate(conditions)} | {(): CONTROL}
    opened = open_expression(adata, layer=layer)
    names = _unique_names(opened, gene_key)
    strata = strata_of(batch[cells], cell_type[cells])
    condition = np.array([code[parsed[i]] for i in cells], dtype=np.int64)  # type: ignore[index]
    expression, scaled_to = _read(opened, cells)
    # neither the order of the object nor the names of batches decide a half or a draw
    order = sorted_by(content_keys(expression), condition, np.unique(strata, return_inverse=True)[1])
    expression, cells, condition = sp.csr_array(expression[order]), cells[order], condition[order]
    stratum = pd.factorize(strata[order])[0].astype(np.int64)
    if n_genes is not None and n_genes < len(names):
        columns = _most_variable(expression[condition == CONTROL], names, conditions, n_genes)
        expression, names = sp.csr_array(expression[:, columns]), names[columns]
    params = {
        "control": found,
        "matrix": opened.name,
        "matrix_holds": opened.kind.kind,
        "scaled_to": scaled_to,
        "n_controls": int((condition == CONTROL).sum()),
        "n_cells_left_out": int(adata.n_obs - len(cells)),
        "left_out": dropped,
    }
    return Screen(expression, names, conditions, condition, stratum, batch[cells], cell_type[cells], params)  # type: ignore[arg-type]


def _column(adata: "AnnData", key: str | None, name: str) -> np.ndarray:
    if key is None:
        return np.full(adata.n_obs, "", dtype=object)
    return as_text(whole_column(adata.obs, key, name))


def _unique_names(opened: Expression, gene_key: str | None) -> np.ndarray:
    names = as_text(gene_names(opened.var, gene_key=gene_key))
    unique, counts = np.unique(names, return_counts=True)
    if len(unique) < len(names):
        msg = (
            f"{int((counts > 1).sum())} gene names stand more than once ({printable(unique[counts > 1][0])}, …); each wants its own. "
            "Call adata.var_names_make_unique(), or pass gene_key= with a column of unique names."
        )
        raise InputValueError(msg)
    return names


def _called(names: np.ndarray, *conditions: Iterable[Condition]) -> np.ndarray:
    perturbed = ({g for c in some for g in genes_of(c)} for some in conditions)
    return spelled_as(names, *perturbed, organism=detect_organism(names))


def _read(opened: Expression, cells: np.ndarray) -> tuple[sp.csr_array, float]:
    """Return the log values of some cells and what counts were scaled to; 0 for log values."""
    wanted = np.zeros(opened.n_obs, dtype=bool)
    wanted[cells] = True
    if opened.kind.kind != "counts":
        return _stacked(opened.lognorm_rows(), wanted), 0.0
    rows = _stacked(opened.rows(), wanted)
    totals = np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel()
    full = totals[totals > 0]
    if not len(full):
        msg = f"{opened.name} holds no counts in the cells with a condition. Pass layer= for another matrix."
        raise InputValueError(msg)
    target = float(np.median(full))
    factor = target / np.where(totals > 0, totals, 1)
    data = np.log1p(rows.data * np.repeat(factor, np.diff(rows.indptr)))
    return sp.csr_array((data.astype(np.float32), rows.indices, rows.indptr), shape=rows.shape), target


def _stacked(blocks: Iterator[tuple[int, sp.csr_array]], wanted: np.ndarray) -> sp.csr_array:
    some = [block[np.flatnonzero(wanted[start : start + block.shape[0]])] for start, block in blocks]
    return sp.csr_array(sp.vstack(some, format="csr"))


def _most_variable(controls: sp.csr_array, names: np.ndarray, conditions: list[Condition], n: int) -> np.ndarray:
    """Return the genes that vary most among control cells, and those perturbed: no perturbed cell is looked at."""
    mean = np.asarray(controls.mean(axis=0)).ravel()
    spread = np.asarray(controls.multiply(controls).mean(axis=0)).ravel() - mean**2
    chosen = set(largest_first(spread, names)[:n].tolist())
    perturbed = {gene_of(g) for c in conditions for g in c}
    return np.array(sorted(chosen | {i for i, g in enumerate(_called(names, conditions)) if g in perturbed}))
