"""What every foundation model can do, and the one streaming loop that embeds cells."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools import genes
from scgnn_tools._device import halving
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._html import boxed
from scgnn_tools._methods import check_options
from scgnn_tools._progress import counter
from scgnn_tools._random import RNG, of_part
from scgnn_tools._settings import settings
from scgnn_tools._threads import ahead
from scgnn_tools.data import Expression, Tokens, length_batches, open_expression
from scgnn_tools.data.columns import to_columns
from scgnn_tools.data.organism import of_one_organism
from scgnn_tools.fm import saves
from scgnn_tools.fm._asked import ASKED, asked_of_model
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.genes.result import WARN
from scgnn_tools.store import digest

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scgnn_tools.genes import GeneMatch

OF_CONTEXT = ("context", "groupby", "weights", "layer", "rng")
"""What networks take more in ``embed_genes``."""


class FoundationModel(ABC):
    """A loaded foundation model, which turns cells and genes into vectors.

    A model says how cells become tokens (:meth:`tokenize_rows`) and how tokens become vectors (:meth:`cell_vectors`).
    This class does the rest, which is the same for all models: it reads the cells, matches the genes, makes batches,
    and keeps the order.

    Parameters
    ----------
    card, vocabulary, report
        The attributes of these names.

    Attributes
    ----------
    card
        What the model is.
    vocabulary
        Its genes, shape (n_vocabulary,).
    report
        What the checkpoint held, by tensor.

    Examples
    --------
    >>> model = sgt.fm.load("cgc-mini")
    >>> model.embed_cells(adata).shape
    (206, 128)
    >>> model.gene_table().shape[1]
    64
    """

    max_tokens = 2**20
    """Budget of a batch, padding included."""

    dtype: Any = "float64"
    """The precision that its vectors are computed in."""

    adapts = False
    """Whether :meth:`adapt` makes vectors from a user's own cells."""

    has_context = False
    """Whether genes have vectors in the context of a cell, beside the fixed ones of :meth:`gene_table`."""

    synonyms: "pd.Series | None" = None
    """More names of the vocabulary's genes than the package's tables hold: name -> gene."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ASKED:
            if name in vars(cls):
                setattr(cls, name, asked_of_model(vars(cls)[name]))

    def __init__(self, card: ModelCard, vocabulary: np.ndarray, report: dict[str, str]) -> None:
        self.card = card
        self.vocabulary = vocabulary
        self.report = report

    @property
    def on_another_device(self) -> bool:
        """Whether the processor has nothing to do while vectors are computed."""
        return False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.card.name!r}, {len(self.vocabulary):,} genes, dimension {self.card.dimension})"

    def _repr_html_(self) -> str:
        facts = {"genes": len(self.vocabulary), "dimension": self.card.dimension, "licence": self.card.licence}
        folded = {"card": self.card.as_dict(), "what the checkpoint held": self.report}
        return boxed(f"{type(self).__name__}: {self.card.title}", facts, {k: v for k, v in folded.items() if v})

    @abstractmethod
    def tokenize_rows(self, rows: sp.csr_array, kind: str, rng: np.random.Generator | None) -> Tokens:
        """Return the tokens of rows of ``kind`` ("counts" or "log1p") whose columns are the vocabulary; none for an empty row."""

    @abstractmethod
    def cell_vectors(self, tokens: Tokens) -> np.ndarray:
        """Return the vector of each cell, float32 (n_cells, dimension)."""

    def lengths(self, tokens: Tokens) -> np.ndarray:
        """Return how many tokens the network sees of each cell, by which batches are sized, int (n_cells,)."""
        return tokens.lengths

    def _announce(self, first: Tokens, n_cells: int, n_chunk: int) -> None:  # noqa: B027 (a linear map is never long)
        """Say what a long run will take, given the tokens of its first ``n_chunk`` cells."""

    @abstractmethod
    def gene_table(self) -> np.ndarray:
        """Return the vector of each gene of the vocabulary, float32 (n_vocabulary, dimension)."""

    @abstractmethod
    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the model to a folder as safetensors and JSON; ``fm.load(name, checkpoint=folder)`` reads it.

        ``overwrite`` replaces a folder that a save wrote.
        """

    def match(self, expression: Expression, *, gene_key: str | None = None, organism: str | None = None) -> "GeneMatch":
        """Find the genes of a matrix in the vocabulary; refuse or warn if too few are there."""
        names = genes.gene_names(expression.var, gene_key=gene_key)
        found = self.match_names(names, organism)
        weights = expression.sampled_totals() if found.matched.mean() < WARN else None
        found.check(self.card.name, weights=weights, var=expression.var)
        return found

    def match_names(self, names: np.ndarray, organism: str | None = None) -> "GeneMatch":
        """Find names of genes in the vocabulary, however few there are; None detects the organism."""
        return genes.match(
            names,
            self.vocabulary,
            key=self.card.gene_key,
            organism=organism,
            vocabulary_organism=self.card.organism,
            synonyms=self.synonyms,
        )

    @asked_of_model
    def tokenize(
        self,
        adata: "AnnData",
        *,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        rng: RNG = None,
    ) -> Tokens:
        """Return the tokens of all cells, packed: about eight bytes a token.

        ``rng`` is for the published random variants of tokenisation, which are off unless the model was loaded with them.
        """
        expression = open_expression(adata, layer=layer)
        found = self.match(expression, gene_key=gene_key, organism=organism)
        parts = [tokens for _, tokens in self.chunks(expression, found, rng)]
        offsets = [np.zeros(1, dtype=np.int64)]
        for part in parts:
            offsets.append(part.offsets[1:] + offsets[-1][-1])
        values = None if parts[0].values is None else np.concatenate([p.values for p in parts if p.values is not None])
        return Tokens(np.concatenate([p.ids for p in parts]), values, np.concatenate(offsets))

    @asked_of_model
    def embed_cells(
        self,
        adata: "AnnData",
        *,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        batch_size: int | None = None,
        rng: RNG = None,
    ) -> np.ndarray:
        """Return the vector of each cell, float32 (n_obs, dimension), in the order of the object.

        A cell's vector depends on that cell alone. A cell without a known gene gets zeros and is counted in a warning.
        """
        expression = open_expression(adata, layer=layer)
        found = self.match(expression, gene_key=gene_key, organism=organism)
        return self.embed_expression(expression, found, batch_size=batch_size, rng=rng)[0]

    def embed_expression(
        self, expression: Expression, found: "GeneMatch", *, batch_size: int | None = None, rng: RNG = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embed an opened matrix whose genes were matched.

        Returns
        -------
        vectors, empty
            float32 (n_obs, dimension), and the positions of the cells without a known gene, which have zeros.
        """
        out = np.zeros((expression.n_obs, self.card.dimension), dtype=np.float32)
        empty = []
        with counter(expression.n_obs, what="embed", unit="cell") as advance:
            chunks = self.chunks(expression, found, rng)
            for start, tokens in ahead(chunks) if self.on_another_device else chunks:
                if start == 0:
                    self._announce(tokens, expression.n_obs, tokens.n_cells)
                here = out[start : start + tokens.n_cells]
                self._embed_chunk(tokens, here, batch_size or settings.batch_size, advance)
                empty.append(start + np.flatnonzero(tokens.lengths == 0))
                del tokens  # before the next chunk is read
        positions = np.concatenate(empty)
        if len(positions):
            msg = (
                f"{len(positions):,} of {expression.n_obs:,} cells express no gene that {self.card.name} knows; they get a "
                "zero vector. Take them out with sc.pp.filter_cells(adata, min_counts=1) if you do not want them."
            )
            warn(msg)
        return out, positions

    @asked_of_model
    def embed_genes(
        self, adata: "AnnData", *, gene_key: str | None = None, organism: str | None = None, **context: Any
    ) -> Any:
        """Return the static vector of each gene of the object, float32 (n_vars, d); NaN where it is unknown.

        Networks take more: see :meth:`scgnn_tools.fm.NetworkModel.embed_genes`.
        """
        check_options(
            f"{type(self).__name__}.embed_genes()", context, ("adata", "gene_key", "organism"), {"networks": OF_CONTEXT}
        )
        if context:
            msg = f"{self.card.name} has no vectors of genes in context; leave out {', '.join(context)}."
            raise InputValueError(msg)
        names = genes.gene_names(adata.var, gene_key=gene_key)
        return self.gene_vectors(self.match_names(names, organism))

    def gene_vectors(self, found: "GeneMatch") -> np.ndarray:
        """Return the vector of each matched gene, float32 (n_vars, d); NaN rows for those that are lost."""
        table = self.gene_table()
        out = np.full((len(found.index), table.shape[1]), np.nan, dtype=np.float32)
        out[found.matched] = table[found.index[found.matched]]
        return out

    def chunks(self, expression: Expression, found: "GeneMatch", rng: RNG = None) -> Iterator[tuple[int, Tokens]]:
        """Yield the tokens of an opened matrix whose genes were matched, a few thousand cells at a time, with the first cell's position."""
        expression, found = of_one_organism(expression, found)
        to_tokens = self.tokenizer(expression, found)
        for start in expression.starts():
            yield (
                start,
                to_tokens(expression.block(start), of_part(rng, start)),
            )  # kept in no variable: one chunk, not two

    def tokenizer(
        self, expression: Expression, found: "GeneMatch"
    ) -> Callable[[sp.csr_array, np.random.Generator | None], Tokens]:
        """Return what makes tokens of checked rows of a matrix whose genes were matched."""
        logged = self.card.input == "log1p"
        kind = "log1p" if logged else expression.kind.kind
        added = logged and len(found.duplicates()) > 0  # counts of one gene add up, their logarithms do not

        def tokens(rows: sp.csr_array, draws: np.random.Generator | None) -> Tokens:
            known = expression.to_log(rows) if logged else rows
            del rows
            if added:
                known = sp.csr_array((np.expm1(known.data), known.indices, known.indptr), shape=known.shape)
            known = to_columns(known, found.index, len(found.vocabulary))
            if added:
                np.log1p(known.data, out=known.data)
            return self.tokenize_rows(known, kind, draws)

        return tokens

    @asked_of_model
    def adapt(
        self, adata: "AnnData", *, layer: str | None = None, gene_key: str | None = None, organism: str | None = None
    ) -> "FoundationModel":
        """Return a model with more vectors, made from these cells without labels, where the model has that (:attr:`adapts`).

        Raises
        ------
        InputValueError
            If it has not.
        """
        msg = (
            f"adapt=True is for cgc-mini; the model is {self.card.name}. Networks are trained further on your cells with "
            "sgt.models.FineTuner(model, adata, task='masked')."
        )
        raise InputValueError(msg)

    def fingerprint(self) -> str:
        """Return one sha256 of all that decides a vector: weights, tables and options, as they are now."""
        with TemporaryDirectory() as folder:
            self.save(Path(folder) / "model")
            seal = json.loads((Path(folder) / "model" / saves.CONFIG).read_text(encoding="utf-8"))[saves.SEAL]
        options = {k: v for k, v in vars(self).items() if isinstance(v, str | int | float | bool) and k != "max_tokens"}
        return digest(seal, options)

    def embed_tokens(
        self, tokens: Tokens, *, batch_size: int | None = None, advance: Callable[[int], None] = lambda n: None
    ) -> np.ndarray:
        """Return the vector of each cell of a chunk, float32 (n_cells, dimension); zeros for a cell without tokens."""
        out = np.zeros((tokens.n_cells, self.card.dimension), dtype=np.float32)
        self._embed_chunk(tokens, out, batch_size or settings.batch_size, advance)
        return out

    def _embed_chunk(
        self, tokens: Tokens, out: np.ndarray, batch_size: int | None, advance: Callable[[int], None]
    ) -> None:
        """Fill ``out`` (n_cells, dimension) batch by batch, with smaller batches when memory runs out."""
        lengths = self.lengths(tokens)
        done = tokens.lengths == 0
        advance(int(done.sum()))

        def run(max_tokens: int) -> None:
            waiting = np.flatnonzero(~done)  # after memory ran out: what is left
            for batch in length_batches(lengths[waiting], max_tokens=max_tokens, max_cells=batch_size):
                cells = waiting[batch]
                out[cells] = self.cell_vectors(tokens.select(cells))
                done[cells] = True
                advance(len(cells))

        _, self.max_tokens = halving(run, self.max_tokens, unit="tokens a batch")
