"""Tokens of cells, stored packed: no padding, no Python object a cell."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Tokens:
    """The tokens of many cells, one after the other.

    Attributes
    ----------
    ids
        Position of each token in the vocabulary, int32, shape (n_tokens,).
    values
        Value of each token, float32, shape (n_tokens,), or None where a model takes the order alone.
    offsets
        Where each cell begins, int64, shape (n_cells + 1,).
    groups
        Group of each cell, int64, shape (n_cells,), for models whose graphs differ by group; None without.

    Examples
    --------
    >>> model = sgt.fm.load("cgc-mini")
    >>> tokens = model.tokenize(adata)
    >>> tokens.n_cells
    206
    """

    ids: np.ndarray
    values: np.ndarray | None
    offsets: np.ndarray
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        broken = (
            self.offsets[0] != 0
            or self.offsets[-1] != len(self.ids)
            or (self.values is not None and len(self.values) != len(self.ids))
        )
        if broken:
            msg = f"offsets run from {self.offsets[0]} to {self.offsets[-1]} over {len(self.ids)} ids: tokens do not fit together."
            raise ValueError(msg)

    @classmethod
    def from_csr(cls, rows: sp.csr_array) -> "Tokens":
        """Return one token for every stored value, in the order of the columns."""
        return cls(rows.indices.astype(np.int32), rows.data.astype(np.float32), rows.indptr.astype(np.int64))

    @classmethod
    def with_cell_token(
        cls, cell: np.ndarray, ids: np.ndarray, values: np.ndarray, n_cells: int, cls_id: int, cls_value: float
    ) -> "Tokens":
        """Put the cell token before the tokens of each cell that has any; ``cell`` is sorted."""
        genes = np.bincount(cell, minlength=n_cells)
        offsets = np.concatenate([[0], np.cumsum(genes + (genes > 0))])
        out_ids = np.full(offsets[-1], cls_id, dtype=np.int32)
        out_values = np.full(offsets[-1], cls_value, dtype=np.float32)
        is_gene = np.ones(offsets[-1], dtype=bool)
        is_gene[offsets[:-1][genes > 0]] = False
        out_ids[is_gene], out_values[is_gene] = ids, values
        return cls(out_ids, out_values, offsets)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each cell, int64, shape (n_cells,)."""
        return np.diff(self.offsets)

    def select(self, cells: np.ndarray) -> "Tokens":
        """Return the tokens of these cells, in this order."""
        lengths = self.lengths[cells]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # position of each kept token: its cell's old beginning plus its rank within the cell
        at = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths) + np.repeat(self.offsets[cells], lengths)
        groups = None if self.groups is None else self.groups[cells]
        return Tokens(self.ids[at], None if self.values is None else self.values[at], offsets, groups)

    def to_csr(self, n_vocabulary: int) -> sp.csr_array:
        """Return the tokens as a matrix, CSR float32 (n_cells, n_vocabulary); without values every token is 1."""
        values = np.ones(len(self.ids), dtype=np.float32) if self.values is None else self.values
        return sp.csr_array((values, self.ids, self.offsets), shape=(self.n_cells, n_vocabulary))
