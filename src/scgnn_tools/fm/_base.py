"""What every foundation model can do, and the one streaming loop that embeds cells."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools import genes
from scgnn_tools._device import halving
from scgnn_tools._errors import SgtWarning
from scgnn_tools._progress import progress
from scgnn_tools._settings import settings
from scgnn_tools.data import CHUNK, Expression, Tokens, length_batches, open_expression
from scgnn_tools.fm._card import ModelCard

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.genes import GeneMatch


class FoundationModel(ABC):
    """A loaded foundation model.

    A model says how cells become tokens (:meth:`_tokenize_rows`) and how tokens become vectors (:meth:`_cell_vectors`);
    reading, matching of genes, batching and order are the same for all and live here.

    Attributes
    ----------
    card
        What the model is.
    vocabulary
        Its genes, shape (n_vocabulary,).
    report
        What the checkpoint held, by tensor.
    """

    max_tokens = 2**20
    """Budget of a batch, padding included."""

    def __init__(self, card: ModelCard, vocabulary: np.ndarray, report: dict[str, str]) -> None:
        self.card = card
        self.vocabulary = vocabulary
        self.report = report

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.card.name!r}, {len(self.vocabulary):,} genes, dimension {self.card.dimension})"

    @abstractmethod
    def _tokenize_rows(self, rows: sp.csr_array) -> Tokens:
        """Return the tokens of rows whose columns are the vocabulary."""

    @abstractmethod
    def _cell_vectors(self, tokens: Tokens) -> np.ndarray:
        """Return the vector of each cell, float32 (n_cells, dimension)."""

    @abstractmethod
    def gene_table(self) -> np.ndarray:
        """Return the vector of each gene of the vocabulary, float32 (n_vocabulary, dimension)."""

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write the model to a folder as safetensors and JSON; ``fm.load(name, checkpoint=folder)`` reads it."""

    def match(self, expression: Expression, *, gene_key: str | None = None, organism: str | None = None) -> "GeneMatch":
        """Find the genes of a matrix in the vocabulary; refuse or warn if too few are there."""
        names = genes.gene_names(expression.var, gene_key=gene_key)
        found = genes.match(
            names, self.vocabulary, key=self.card.gene_key, organism=organism, vocabulary_organism=self.card.organism
        )
        found.check(self.card.name, stacklevel=3)
        return found

    def tokenize(
        self, adata: "AnnData", *, layer: str | None = None, gene_key: str | None = None, organism: str | None = None
    ) -> Tokens:
        """Return the tokens of all cells, packed: about eight bytes a token."""
        expression = open_expression(adata, layer=layer)
        found = self.match(expression, gene_key=gene_key, organism=organism)
        parts = [tokens for _, tokens in self._chunks(expression, found)]
        offsets = [np.zeros(1, dtype=np.int64)]
        for part in parts:
            offsets.append(part.offsets[1:] + offsets[-1][-1])
        values = None if parts[0].values is None else np.concatenate([p.values for p in parts if p.values is not None])
        return Tokens(np.concatenate([p.ids for p in parts]), values, np.concatenate(offsets))

    def embed_cells(
        self,
        adata: "AnnData",
        *,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Return the vector of each cell, float32 (n_obs, dimension), in the order of the object.

        A cell's vector depends on that cell alone. A cell without a known gene gets zeros and is counted in a warning.
        """
        expression = open_expression(adata, layer=layer)
        found = self.match(expression, gene_key=gene_key, organism=organism)
        return self.embed_expression(expression, found, batch_size=batch_size)[0]

    def embed_expression(
        self, expression: Expression, found: "GeneMatch", *, batch_size: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embed an opened matrix whose genes were matched.

        Returns
        -------
        vectors, empty
            float32 (n_obs, dimension), and the positions of the cells without a known gene, which have zeros.
        """
        out = np.zeros((expression.n_obs, self.card.dimension), dtype=np.float32)
        empty = []
        n_chunks = -(-expression.n_obs // CHUNK)
        for start, tokens in progress(self._chunks(expression, found), total=n_chunks, what="embed", unit="chunk"):
            self._embed_chunk(tokens, out[start : start + tokens.n_cells], batch_size or settings.batch_size)
            empty.append(start + np.flatnonzero(tokens.lengths == 0))
            del tokens  # before the next chunk is read
        positions = np.concatenate(empty)
        if len(positions):
            msg = (
                f"{len(positions):,} of {expression.n_obs:,} cells express no gene that {self.card.name} knows; they get a "
                "zero vector. Take them out with sc.pp.filter_cells(adata, min_counts=1) if you do not want them."
            )
            warnings.warn(msg, SgtWarning, stacklevel=3)
        return out, positions

    def embed_genes(self, adata: "AnnData", *, gene_key: str | None = None, organism: str | None = None) -> np.ndarray:
        """Return the static vector of each gene of the object, float32 (n_vars, dimension); NaN where it is unknown."""
        names = genes.gene_names(adata.var, gene_key=gene_key)
        found = genes.match(
            names, self.vocabulary, key=self.card.gene_key, organism=organism, vocabulary_organism=self.card.organism
        )
        return self.gene_vectors(found)

    def gene_vectors(self, found: "GeneMatch") -> np.ndarray:
        """Return the vector of each matched gene, float32 (n_vars, dimension); NaN rows for those that are lost."""
        out = np.full((len(found.index), self.card.dimension), np.nan, dtype=np.float32)
        out[found.matched] = self.gene_table()[found.index[found.matched]]
        return out

    def _chunks(self, expression: Expression, found: "GeneMatch") -> Iterator[tuple[int, Tokens]]:
        to_vocabulary = found.projection()
        rows = expression.lognorm_rows() if self.card.input == "log1p" else expression.rows()
        for start, block in rows:
            yield start, self._tokens(block, to_vocabulary)
            del block  # before the next one is read

    def _tokens(self, block: sp.csr_array, to_vocabulary: sp.csr_array) -> Tokens:
        known = sp.csr_array(block @ to_vocabulary)
        known.sort_indices()
        return self._tokenize_rows(known)

    def _embed_chunk(self, tokens: Tokens, out: np.ndarray, batch_size: int | None) -> None:
        """Fill ``out`` (n_cells, dimension) batch by batch, with less memory when it runs out."""

        def run(max_tokens: int) -> Any:
            for cells in length_batches(tokens.lengths, max_tokens=max_tokens, max_cells=batch_size):
                if tokens.lengths[cells[0]]:  # sorted by length: a batch that begins with an empty cell is all empty
                    out[cells] = self._cell_vectors(tokens.select(cells))

        _, self.max_tokens = halving(run, self.max_tokens, unit="tokens a batch")
