"""Which matrix of an AnnData is used, and its rows, raw or log-normalised."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._doors import door
from scgnn_tools._errors import InputScaleError, InputTypeError, InputValueError, MissingKeyError, warn
from scgnn_tools._keys import MATRIX
from scgnn_tools._log import printable
from scgnn_tools._modality import modality, only_anndata
from scgnn_tools.data import rows as _rows
from scgnn_tools.data.batches import CHUNK
from scgnn_tools.data.bounds import check_parent
from scgnn_tools.data.kind import SAME, MatrixKind, describe_matrix, share_log
from scgnn_tools.data.normalize import log_normalize, renormalize
from scgnn_tools.genes.names import is_gene

if TYPE_CHECKING:
    from anndata import AnnData

CHECKED_ROWS = 32
"""Rows of each block that are compared with what the matrix was found to hold."""
CONTENT_ROWS = 2000
"""Rows that are looked at, chosen by their content, where the cells of a first sample do not agree."""
NORMALIZED = "normalized"
"""Noted of an object whose X is what :meth:`Expression.log_normalized` returned."""
WANTED = {"counts": "raw counts", "log1p": "log-normalised values"}


@dataclass(frozen=True)
class Expression:
    """One matrix of an AnnData, not read yet.

    Attributes
    ----------
    name
        Where it is: "layers['counts']", "X" or "raw".
    kind
        What it holds.
    var
        Its genes; those of ``raw`` can be others than those of the object.
    n_obs
        Number of cells.
    normalized
        Whether it was log-normalised here: nothing has to be done again.

    Examples
    --------
    >>> expression = sgt.data.open_expression(adata)
    >>> expression.name, expression.kind.kind, expression.n_obs
    ('X', 'counts', 206)
    """

    name: str
    kind: MatrixKind
    var: pd.DataFrame
    n_obs: int
    _matrix: Any
    _columns: np.ndarray | None = None
    normalized: bool = False

    def only(self, keep: np.ndarray) -> "Expression":
        """Return the same cells over some of the genes; the others count as not measured."""
        columns = np.flatnonzero(keep) if self._columns is None else self._columns[keep]
        return replace(self, var=self.var[keep], _columns=columns)

    def starts(self) -> range:
        """Return the first row of each chunk."""
        return range(0, self.n_obs, CHUNK)

    def block(self, start: int, size: int | None = None) -> sp.csr_array:
        """Return rows from ``start`` on, a chunk of them or ``size``, CSR float32, checked for NaN, infinity and negatives."""
        size = CHUNK if size is None else size
        block = self._of_genes(_rows.take(self._matrix, start, min(start + size, self.n_obs)))
        _rows.check_values(block, self.name, start)
        if block.nnz and block.data.min() < 0:
            msg = (
                f"{self.name} holds {int((block.data < 0).sum())} negative values between cells {start} and "
                f"{start + block.shape[0] - 1}; expression is not negative. Pass layer= for another matrix."
            )
            raise InputValueError(msg)
        self._check_kind(block, start)
        return block

    def rows(self, chunk_size: int = CHUNK) -> Iterator[tuple[int, sp.csr_array]]:
        """Yield (first row, CSR float32 of at most ``chunk_size`` rows), checked for NaN, infinity and negatives."""
        for start in range(0, self.n_obs, chunk_size):
            yield start, self.block(start, chunk_size)  # kept in no variable: one chunk is in memory, not two

    def lognorm_rows(self, chunk_size: int = CHUNK) -> Iterator[tuple[int, sp.csr_array]]:
        """Yield (first row, log1p of counts per 10,000), whatever the matrix holds; a cell without counts stays zero."""
        for start in range(0, self.n_obs, chunk_size):
            yield start, self.to_log(self.block(start, chunk_size))

    def to_log(self, rows: sp.csr_array) -> sp.csr_array:
        """Return rows of this matrix log-normalised, CSR float32."""
        if self.normalized:
            return rows
        return log_normalize(rows) if self.kind.kind == "counts" else renormalize(rows)

    def _of_genes(self, block: sp.csr_array) -> sp.csr_array:
        return block if self._columns is None else _rows.canonical(sp.csr_array(block[:, self._columns]))

    def _check_kind(self, block: sp.csr_array, start: int) -> None:
        """Refuse a block whose cells hold something else than the matrix was found to hold: objects put together from two sources."""
        some = np.unique(np.linspace(0, block.shape[0] - 1, CHECKED_ROWS).astype(np.int64))
        rows = sp.csr_array(block[some])
        if len(some) < CHECKED_ROWS or not rows.nnz:
            return
        log = self.kind.kind == "log1p"
        if not log and self.kind.integer and (rows.data == np.rint(rows.data)).all():
            return
        share = share_log(rows)
        if (share if not log else 1 - share) > SAME:
            msg = (
                f"{self.name} holds two kinds of values: cells {start} to {start + block.shape[0] - 1} look like "
                f"{'counts' if log else 'logarithms'}, the others do not. Bring them to one scale first, or pass layer=."
            )
            raise InputScaleError(msg)

    def log_normalized(self, cells: np.ndarray | None = None) -> sp.csr_array:
        """Return cells log-normalised, CSR float32 (n_cells, n_vars): for training sets, which fit into memory.

        Parameters
        ----------
        cells
            Positions, sorted; the others are read and not normalised. None takes all.
        """
        if cells is None:
            return sp.csr_array(sp.vstack([block for _, block in self.lognorm_rows()], format="csr"))
        ends = np.searchsorted(cells, [*self.starts(), self.n_obs])
        parts = (
            self.to_log(sp.csr_array(self.block(start)[cells[a:b] - start]))
            for start, a, b in zip(self.starts(), ends[:-1], ends[1:], strict=True)
        )
        return sp.csr_array(sp.vstack(list(parts), format="csr"))

    def cell_totals(self) -> np.ndarray | None:
        """Return the counts of each cell, float64, shape (n_obs,); None if the matrix does not hold counts."""
        if self.kind.kind != "counts":
            return None
        return np.concatenate([np.asarray(b.sum(axis=1, dtype=np.float64)).ravel() for _, b in self.rows()])

    def sampled(self) -> sp.csr_array:
        """Return a fixed sample of at most 384 rows, CSR float32."""
        return self._of_genes(_rows.sample(self._matrix, self.n_obs))

    def sampled_totals(self) -> np.ndarray:
        """Return the sum of each gene over at most 384 cells, float64, shape (n_vars,): enough to say what a message says."""
        return np.asarray(self.sampled().sum(axis=0, dtype=np.float64)).ravel()

    def gene_totals(self) -> np.ndarray:
        """Return the sum of each gene over the cells, float64, shape (n_vars,)."""
        total = np.zeros(len(self.var))
        for _, block in self.rows():
            total += np.asarray(block.sum(axis=0, dtype=np.float64)).ravel()
        return total


@door
def open_expression(
    adata: "AnnData",
    *,
    layer: str | None = None,
    accept: Collection[str] = ("counts", "log1p"),
    every_feature: bool = False,
) -> Expression:
    """Choose the matrix to use.

    Parameters
    ----------
    adata
        In memory, a view, backed, or with lazy arrays.
    layer
        "X", "raw" or the name of a layer; None takes the first that fits: ``layers["counts"]``, ``X`` if it holds counts,
        ``raw`` if it holds counts, ``X`` if it is log-normalised, ``raw`` if it is.
    accept
        What the caller can use: "counts", "log1p" or both.
    every_feature
        Keep features that are no genes (antibodies, guides), for callers whose columns are those of the object; else
        ``var["feature_types"]`` leaves them out, with a warning, and they count for no cell's total either.

    Raises
    ------
    InputScaleError
        If no matrix holds what is accepted; the message says what each holds and what to type.
    InputValueError
        If the object is empty or a matrix holds NaN or infinity.
    MissingKeyError
        If there is no such layer.

    Examples
    --------
    >>> expression = sgt.data.open_expression(adata, accept=("counts",))
    >>> total = expression.gene_totals()
    """
    adata = modality(adata)
    if adata.n_obs == 0:
        msg = "The AnnData holds no cells (0 rows). Pass one with at least one cell."
        raise InputValueError(msg)
    check_parent(adata)
    found: list[Expression] = []
    for name in _names(adata, layer):
        try:
            found.append(_describe(adata, name))
        except (InputTypeError, InputValueError):
            if name != "raw" or not any(e.kind.kind in accept for e in found):
                raise
        if found and found[-1].kind.kind == "counts" and "counts" in accept:
            break  # what comes later is not used: it is not looked at
    fitting = [e for e in found if e.kind.kind in accept]
    if not fitting:
        raise InputScaleError(_nothing_fits(adata, found, accept))
    chosen = min(fitting, key=lambda e: e.kind.kind != "counts")  # the first of counts, else the first
    if chosen.kind.kind == "counts" and not chosen.kind.integer:
        msg = f"{chosen.name} holds {chosen.kind}; it is used as counts."
        warn(msg)
    gene = None if every_feature else is_gene(chosen.var)
    if gene is None:
        return chosen
    kinds = ", ".join(map(printable, pd.unique(chosen.var["feature_types"][~gene].astype(str))[:3]))
    msg = f"{int((~gene).sum()):,} of {len(gene):,} features are no genes (var['feature_types']: {kinds}); they are left out."
    warn(msg)
    return chosen.only(gene)


def _names(adata: "AnnData", layer: str | None) -> list[str]:
    if layer is None:
        there = [
            ("layers['counts']", "counts" in adata.layers),
            ("X", adata.X is not None),
            ("raw", adata.raw is not None),
        ]
        return [name for name, exists in there if exists]
    if not isinstance(layer, str):
        msg = f"layer is the name of a layer, 'X', 'raw' or None; got {printable(repr(layer))}."
        raise InputTypeError(msg)
    if (layer == "X" and adata.X is not None) or (layer == "raw" and adata.raw is not None):
        return [layer]
    if layer not in _layers(adata):
        names = (
            [f"'{printable(k)}'" for k in _layers(adata)]
            + ["'X'"] * (adata.X is not None)
            + ["'raw'"] * (adata.raw is not None)
        )
        msg = f"There is no layer {printable(layer)!r}; layer= can be {', '.join(names) or 'nothing: the object has no matrix'}."
        raise MissingKeyError(msg)
    return [f"layers['{layer}']"]


def _layers(adata: "AnnData") -> list[str]:
    """Return the names of the layers; anndata 0.13 lists X among them, as None."""
    return [k for k in adata.layers if k is not None]


def _describe(adata: "AnnData", name: str) -> Expression:
    if name == "raw":
        matrix, var = adata.raw.X, adata.raw.var
    else:
        matrix = adata.X if name == "X" else adata.layers[name[len("layers['") : -len("']")]]
        var = adata.var
    _rows.check_dtype(matrix.dtype)
    matrix = _rows.prepare(matrix, name)
    some = _rows.sample(matrix, adata.n_obs)
    _rows.check_values(some, name)
    kind = describe_matrix(some)
    if kind.agreement < SAME and adata.n_obs > _rows.SAMPLED_ROWS:
        kind = describe_matrix(_rows.sample_by_content(matrix, adata.n_obs, CONTENT_ROWS, CHUNK))
    noted_kind = adata.uns.get(MATRIX) if name == "X" else None
    normalized = noted_kind == NORMALIZED
    if isinstance(noted_kind, str) and noted_kind in (*WANTED, NORMALIZED):
        kind = replace(kind, kind="log1p" if normalized else cast("Literal['counts', 'log1p']", noted_kind))
    return Expression(name=name, kind=kind, var=var, n_obs=adata.n_obs, _matrix=matrix, normalized=normalized)


@door
def noted(adata: "AnnData", kind: Literal["counts", "log1p", "normalized"]) -> "AnnData":
    """Note in an object of ours what its ``X`` holds, so that nothing has to find it out or do it again; returns the object.

    Examples
    --------
    >>> import scanpy as sc
    >>> sc.pp.normalize_total(adata)
    >>> sc.pp.log1p(adata)
    >>> noted = sgt.data.noted(adata, "normalized")
    """
    only_anndata(adata)
    adata.uns[MATRIX] = kind
    return adata


def _nothing_fits(adata: "AnnData", found: list[Expression], accept: Collection[str]) -> str:
    wanted = " or ".join(WANTED[a] for a in ("counts", "log1p") if a in accept) or "none of the known matrices"
    seen = "; ".join(f"{e.name} holds {e.kind}" for e in found) or "the object has no matrix"
    looked = {e.name for e in found}
    arguments = {f"layers['{k}']": k for k in _layers(adata)}
    arguments |= {name: name for name, there in (("X", adata.X), ("raw", adata.raw)) if there is not None}
    fits = [v for n, v in arguments.items() if n not in looked and _describe(adata, n).kind.kind in accept]
    todo = "Put the counts into adata.layers['counts'] or adata.raw, and call again."
    if fits:
        todo = f"Another matrix fits: pass layer='{fits[0]}'."
    return f"{wanted[0].upper()}{wanted[1:]} are wanted; {seen}. {todo}"
