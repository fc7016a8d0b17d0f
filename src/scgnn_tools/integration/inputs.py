"""What an integration is made from: the batches, checked, and the cells, with their variable genes and principal components."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import integer, key
from scgnn_tools._columns import column_of, whole_column
from scgnn_tools._errors import InputValueError, LabelError, warn
from scgnn_tools._keys import UNKNOWN
from scgnn_tools._log import as_text, printable
from scgnn_tools.data import Expression, open_expression
from scgnn_tools.data.labels import clean_labels
from scgnn_tools.data.order import content_keys, sorted_by
from scgnn_tools.data.variable_genes import moments, variable_genes
from scgnn_tools.genes import gene_names, match
from scgnn_tools.integration._protocol import Batches
from scgnn_tools.integration.streamed_pca import StreamedPCA, chosen_rows

if TYPE_CHECKING:
    from anndata import AnnData

MOST_NUMBERS = 50
"""Distinct numbers of a batch column above which it is taken for a measurement."""

TIES = 3
"""Dimensions of the vectors that cells of equal expression and batch are sorted by."""

CONFOUNDED = 0.99
"""Share of the labels' entropy that the batch explains from which on nothing can tell the two apart."""


@dataclass(frozen=True)
class Column:
    """A column of ``obs`` as codes.

    Attributes
    ----------
    names
        Its values, object (n_values,).
    codes
        Of each cell, -1 for none, int64 (n_cells,).
    """

    names: np.ndarray
    codes: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Cells of each value."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))

    def take(self, cells: np.ndarray) -> "Column":
        """Return the column of these cells, in this order."""
        return Column(self.names, self.codes[cells])

    def as_met(self, order: np.ndarray) -> "Column":
        """Return the column with the values numbered as they are met in this order of the cells, so that their names decide nothing."""
        met = list(dict.fromkeys(self.codes[order][self.codes[order] >= 0].tolist()))
        place = np.full(len(self.names) + 1, -1, dtype=np.int64)  # the last is of -1
        place[met] = np.arange(len(met))
        return Column(self.names[met], place[self.codes])

    def of_cells(self) -> np.ndarray:
        """Return the value of each cell, object; "" for none."""
        return np.append(self.names, "")[self.codes]


def batch_column(adata: "AnnData", batch_key: str) -> Column:
    """Return the batches of the cells; what cannot be a batch is an error."""
    values = whole_column(adata.obs, batch_key, "batch_key")
    shown, n = f"obs[{printable(batch_key)!r}]", adata.n_obs
    names, codes = np.unique(as_text(values), return_inverse=True)
    if len(names) == 1:
        msg = (
            f"{shown} holds one batch, {printable(names[0])!r}: there is nothing to integrate. "
            "For vectors of the cells call sgt.tl.embed(adata)."
        )
        raise InputValueError(msg)
    if len(names) == n:
        msg = f"{shown} is different in each of the {n:,} cells: it names cells, not batches. Pass the column of the sample or donor."
        raise InputValueError(msg)
    if pd.api.types.is_numeric_dtype(values.dtype) and len(names) > MOST_NUMBERS:
        msg = (
            f"{shown} holds {len(names)} different numbers: a measurement, it seems, not a batch. "
            f"If it is one, say so: adata.obs[{printable(batch_key)!r}].astype('category')."
        )
        raise InputValueError(msg)
    sizes = np.bincount(codes)
    if (sizes < 2).any():
        small = [printable(x) for x in names[sizes < 2]]
        msg = (
            f"{shown} has {len(small)} batches of a single cell ({', '.join(small[:5])}); at least two cells are wanted. "
            "Leave them out, or put them with another batch."
        )
        raise InputValueError(msg)
    return Column(names, codes.astype(np.int64))


def label_column(adata: "AnnData", labels_key: str, *, name: str = "labels_key") -> Column:
    """Return the labels of the cells; NaN, blanks, "Unknown" and the like are no label."""
    text = clean_labels(column_of(adata.obs, labels_key, name), unlabeled_category=UNKNOWN)
    known = text != ""
    names, codes = np.unique(text[known], return_inverse=True)
    if len(names) < 2:
        msg = (
            f"obs[{printable(labels_key)!r}] holds {len(names)} labels; at least two are wanted to see whether they stay apart. "
            f"Pass another {name}=, or leave it out."
        )
        raise LabelError(msg)
    out = np.full(adata.n_obs, -1, dtype=np.int64)
    out[known] = codes
    return Column(names, out)


def confounding(batch: Column, labels: Column) -> float:
    """Return the mutual information of batch and label over the labels' entropy, 0 to 1; warn where it is 1 or nearly."""
    from sklearn.metrics import mutual_info_score

    known = labels.codes >= 0
    share = labels.sizes / labels.sizes.sum()
    entropy = -float((share[share > 0] * np.log(share[share > 0])).sum())
    value = float(mutual_info_score(batch.codes[known], labels.codes[known])) / entropy
    if value >= CONFOUNDED:
        msg = (
            f"Each label is in one batch only (I(batch; label)/H(label) = {value:.2f}): no method can tell the effect of the batch from "
            "biology, and what removes one removes the other. Read the result as such."
        )
        warn(msg)
    return value


@dataclass(frozen=True)
class Inputs:
    """Cells to integrate.

    Attributes
    ----------
    cells
        As methods see them; expression only if it was asked for.
    pca
        The principal components of the expression, float32 (n_cells, n_comps).
    space
        How ``pca`` was made, for new cells.
    batch
        The batches, numbered as they are met in ``order``.
    order
        Positions of the cells sorted by what they hold, int64 (n_cells,): methods see them in this order, so that the order of the object
        decides nothing.
    params
        What was chosen.
    """

    cells: Batches
    pca: np.ndarray
    space: StreamedPCA
    batch: Column
    order: np.ndarray
    params: dict[str, Any]


def collect(
    adata: "AnnData",
    batch: Column,
    *,
    use_rep: str | None,
    layer: str | None,
    gene_key: str | None,
    n_comps: int,
    n_top_genes: int,
    expression: bool,
) -> Inputs:
    """Read the cells: twice for the variable genes and their components, a third time if a method wants the expression itself."""
    n_comps, n_top_genes = integer("n_comps", n_comps, least=2), integer("n_top_genes", n_top_genes, least=2)
    given = None if use_rep is None else representation(adata, use_rep)
    opened = open_expression(adata, layer=layer)
    columns = variable_genes(moments(opened, batch.codes), n_top_genes)
    if len(columns) < 2:
        msg = f"{len(columns)} genes of {opened.name} vary within a batch; at least 2 are wanted. Pass layer= for another matrix."
        raise InputValueError(msg)
    names = gene_names(opened.var, gene_key=gene_key)
    columns = columns[
        np.argsort(names[columns].astype(str), kind="stable")
    ]  # the order of the genes decides nothing either
    names = names[columns]
    space = StreamedPCA(names).fit(chosen_rows(opened, columns), n_comps)
    if not space.varies:
        msg = f"All cells of {opened.name} hold the same values; there is nothing to integrate. Pass layer= for another matrix."
        raise InputValueError(msg)
    keys: list[np.ndarray] = []
    pca = space.project(_noted(chosen_rows(opened, columns), keys))
    cells = Batches(pca if given is None else given, batch.codes)
    order = sorted_by(np.concatenate(keys), batch.codes, *cells.vectors.T[:TIES])
    batch = batch.as_met(order)
    cells = replace(cells, batch=batch.codes)
    if expression:
        cells = Batches(cells.vectors, batch.codes, _stack(opened, columns), names, opened.cell_totals())
    params = {
        "matrix": opened.name,
        "matrix_holds": opened.kind.kind,
        "use_rep": use_rep or "",
        "n_comps": pca.shape[1],
        "n_top_genes": len(columns),
    }
    return Inputs(cells, pca, space, batch, order, params)


def _noted(blocks: Iterator[sp.csr_array], keys: list[np.ndarray]) -> Iterator[sp.csr_array]:
    """Yield blocks of cells, and put what these are sorted by into ``keys``."""
    for rows in blocks:
        keys.append(content_keys(rows))
        yield rows


def representation(adata: "AnnData", use_rep: str) -> np.ndarray:
    """Return vectors that the object holds, float32 (n_cells, d)."""
    key(
        "use_rep",
        use_rep,
        adata.obsm,
        "obsm",
        todo="Make it with sgt.tl.embed, or leave it out for principal components.",
    )
    found = adata.obsm[use_rep]
    x = np.asarray(found.todense() if sp.issparse(found) else found)
    if x.ndim != 2 or x.dtype.kind not in "fiu" or not np.isfinite(x).all():
        msg = f"obsm[{printable(use_rep)!r}] is no matrix of finite numbers (shape {x.shape}, dtype {x.dtype}). Pass another use_rep=."
        raise InputValueError(msg)
    return x.astype(np.float32)


def new_cells(adata: "AnnData", genes: np.ndarray, *, layer: str | None, gene_key: str | None) -> "NewCells":
    """Return new cells over the variable genes of a fit; genes that they lack count as not expressed."""
    opened = open_expression(adata, layer=layer)
    at = pd.Series(np.arange(len(genes)), index=genes)
    at = at[~at.index.duplicated()]
    names = as_text(gene_names(opened.var, gene_key=gene_key))
    column = at.reindex(names).to_numpy()
    # ids, ids with a version, or symbols: not those of the fit
    if len(names) and np.isin(at.index, names).mean() < 0.5:
        position = match(names, at.index.to_numpy()).index
        column = np.where(position >= 0, at.to_numpy()[position], np.nan)
    found = np.flatnonzero(np.isfinite(column))
    share = len(np.unique(column[found])) / len(genes)
    if share < 0.5:
        fit, new = (", ".join(map(printable, some[:3])) for some in (genes, names))
        msg = (
            f"The new cells hold {share:.0%} of the {len(genes):,} genes of the fit; at least half are wanted. Those of the fit begin with "
            f"{fit}, those of the new cells with {new}. Pass gene_key= for the names that the fit was made with."
        )
        raise InputValueError(msg)
    if share < 0.9:
        msg = (
            f"The new cells hold {share:.0%} of the {len(genes):,} genes of the fit; the others count as not expressed."
        )
        warn(msg)
    to_fit = sp.csr_array(
        (np.ones(len(found), np.float32), (found, column[found].astype(np.int64))), shape=(len(column), len(genes))
    )
    return NewCells(opened, to_fit)


@dataclass(frozen=True)
class NewCells:
    """Cells to map, not read yet."""

    expression: Expression
    to_fit: sp.csr_array

    def rows(self) -> Any:
        """Yield log-normalised rows over the genes of the fit; counts of columns of one name are added up, not their logarithms."""
        apart = np.bincount(self.to_fit.indices, minlength=1).max() < 2
        for _, block in self.expression.lognorm_rows():
            yield sp.csr_array(block @ self.to_fit) if apart else sp.csr_array((block.expm1() @ self.to_fit).log1p())

    def stacked(self) -> sp.csr_array:
        """Return all of them."""
        return sp.csr_array(sp.vstack(list(self.rows()), format="csr"))


def _stack(opened: Expression, columns: np.ndarray) -> sp.csr_array:
    return sp.csr_array(sp.vstack(list(chosen_rows(opened, columns)), format="csr"))
