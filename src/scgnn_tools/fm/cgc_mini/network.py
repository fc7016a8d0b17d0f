"""Messages from gene to gene, then from every gene to the cell node; linear but for one cut."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.data import Tokens, open_expression
from scgnn_tools.data.rows import keep_by_content
from scgnn_tools.fm import saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm.cgc_mini.fitting import telling_vectors
from scgnn_tools.fm.cgc_mini.kernel import add_genes
from scgnn_tools.fm.linear import LinearMap

if TYPE_CHECKING:
    from anndata import AnnData

BITS = 64
"""Fixed directions: one for each bit of a random integer a gene."""
ADAPTED = 50
LEAST_CELLS, MOST_CELLS = 100, 20_000
"""Cells that an adaptation needs, and that it looks at."""


@dataclass(frozen=True)
class CGCMiniSettings:
    """What the training chose on labelled cells that it left out; the numbers are in the weights' ``config.json``."""

    step: float
    """Share of its neighbours' mean message that a gene takes up; the bundled weights chose 0, no messages between genes."""
    power: float
    whitening: float
    weight: float
    """Of the fixed vectors beside the trained ones."""
    counts: float = 1.5
    """Counts that a gene must have in a cell before its fixed vector is added."""
    least: float = 1.0
    """Taken off the log-normalised expression in the same place."""
    seed: int = 0


class CGCMini(LinearMap):
    """A graph of genes and a cell node, without a transformer.

    With ``x`` the log-normalised expression of a cell, ``A`` the co-expression graph (columns add up to 1) and ``s`` the step, a
    gene's state is ``h = x + s x A``. The cell node adds up trained vectors, ``h V``, and beside them fixed random ones for what the
    corpus did not hold: ``w h' R``, where ``h'`` comes from clear expression only (more counts than noise gives) and each row of ``R``
    is a gene's random signs times its rarity in the corpus. All of it is linear but for that cut, so the graph is multiplied into
    ``V`` and ``R`` once, when the model is loaded.

    Parameters
    ----------
    vectors
        ``V``, float (n_vocabulary, dimension); zeros for genes that the corpus lacks.
    rarity
        float (n_vocabulary,).
    graph
        Correlations, CSR (n_vocabulary, n_vocabulary).
    settings
        See :class:`CGCMiniSettings`.
    own
        Vectors that :meth:`adapt` made from a user's cells, float (n_vocabulary, dimension).
    """

    adapts = True

    def __init__(
        self,
        card: ModelCard,
        vocabulary: np.ndarray,
        *,
        vectors: np.ndarray,
        rarity: np.ndarray,
        graph: sp.csr_array,
        settings: CGCMiniSettings,
        config: dict[str, Any],
        own: np.ndarray | None = None,
    ) -> None:
        seen = {"vectors": vectors, "rarity": rarity, "graph": graph}
        super().__init__(card, vocabulary, {k: f"read, {v.shape}" for k, v in seen.items()})
        self.graph, self.settings, self._config = graph, settings, config
        self._stored, self._rarity = vectors, rarity
        self._own = np.zeros((len(vocabulary), 0)) if own is None else own.astype(np.float64)
        self._trained = spread(vectors, graph, settings.step)
        self._fixed = settings.weight * spread(
            signs(len(vocabulary), settings.seed) * rarity[:, None], graph, settings.step
        )

    def cell_vectors(self, tokens: Tokens) -> np.ndarray:
        """Return the vector of each cell, float32 (n_cells, dimension)."""
        tables = (self._trained, self._fixed, self._own)
        out = np.empty((tokens.n_cells, sum(t.shape[1] for t in tables)), dtype=np.float32)
        add_genes(
            tokens.offsets,
            tokens.ids,
            np.asarray(tokens.values),
            tables,
            self.settings.counts,
            self.settings.least,
            out,
        )
        return out

    def linear_parts(self, tokens: Tokens) -> list[tuple[sp.csr_array, np.ndarray]]:
        """Return the values and the vectors of genes whose products, side by side, are the vectors of the cells.

        In double precision and in the order of the columns: a cell's sum depends neither on its batch nor on the order of genes.
        """
        x = tokens.to_csr(len(self.vocabulary)).astype(np.float64)
        from_clear = clear(x, self.settings.counts, self.settings.least)
        return [(x, self._trained), (from_clear, self._fixed), (x, self._own)]

    def gene_table(self) -> np.ndarray:
        """Return the trained vector of each gene, float32 (n_vocabulary, dimension); NaN for genes that the corpus lacks."""
        table = self._trained.astype(np.float32)
        table[~table.any(axis=1)] = np.nan
        return table

    def adapt(
        self,
        adata: "AnnData",
        *,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
    ) -> "CGCMini":
        """Return a model with a third set of vectors, trained on these cells as the first was on the corpus; no labels are used.

        Its vectors are longer by 50 (by a tenth of the number of cells, where that is less); those of other cells can be
        compared with them if the same adapted model makes both. Of more than 20,000 cells it looks at 20,000, which what they hold
        chooses and not their order.

        Raises
        ------
        InputValueError
            With fewer than 100 cells.
        """
        expression = open_expression(adata, layer=layer)
        if expression.n_obs < LEAST_CELLS:
            msg = f"Adaptation needs at least {LEAST_CELLS} cells; there are {expression.n_obs}. Leave out adapt=True."
            raise InputValueError(msg)
        found = self.match(expression, gene_key=gene_key, organism=organism)
        rows = keep_by_content((t.to_csr(len(self.vocabulary)) for _, t in self.chunks(expression, found)), MOST_CELLS)
        dimension = min(ADAPTED, expression.n_obs // 10, int(found.matched.sum()) - 1)
        # plain: on the labelled sets of the corpus, weights by gene or cluster did not help where the cells are the user's own
        own = telling_vectors(rows, dimension=dimension, power=0, whitening=0)
        card = replace(self.card, dimension=self._trained.shape[1] + BITS + dimension)
        return self.changed(card=card, own=own)

    def changed(self, **changes: Any) -> "CGCMini":
        """Return the model with other parts, named as in the constructor: other settings, and the vectors that were trained stay."""
        parts = {
            "card": self.card,
            "vocabulary": self.vocabulary,
            "vectors": self._stored,
            "rarity": self._rarity,
            "graph": self.graph,
            "settings": self.settings,
            "config": self._config,
            "own": self._own,
        }
        return CGCMini(**{**parts, **changes})

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a new folder; with ``overwrite`` over one that a save wrote."""
        trained = np.flatnonzero(self._stored.any(axis=1))
        tensors = {
            "vectors": self._stored[trained].astype(np.float16),
            "trained": trained.astype(np.int32),
            "rarity": self._rarity.astype(np.float16),
            "offsets": self.graph.indptr.astype(np.int32),
            "targets": self.graph.indices.astype(np.int32),
            "correlation": self.graph.data.astype(np.float16),
            "own": self._own.astype(np.float32),
        }
        config = {
            **self._config,
            "model": "cgc-mini",
            "settings": asdict(self.settings),
            "genes": self.vocabulary.tolist(),
        }
        saves.save(folder, tensors, config, overwrite=overwrite)


def spread(vectors: np.ndarray, graph: sp.csr_array, step: float) -> np.ndarray:
    """Return ``(1 + s A) V``, with ``A`` the graph whose columns add up to 1: what a gene's state carries to the cell node."""
    a = sp.csr_array(graph, dtype=np.float64)
    into = np.asarray(a.sum(axis=0)).ravel()
    a = a @ sp.diags_array(1 / np.where(into > 0, into, 1))
    wide = vectors.astype(np.float64)
    return np.asarray(wide + step * (a @ wide))


def signs(n_genes: int, seed: int) -> np.ndarray:
    """Return random signs over the square root of their number, float64 (n_genes, 64); the generator's bits are fixed for good."""
    bits = np.random.PCG64(seed).random_raw(n_genes).astype("<u8")
    return (np.unpackbits(bits.view(np.uint8).reshape(n_genes, -1), axis=1).astype(np.float64) * 2 - 1) / BITS**0.5


def clear(x: sp.csr_array, counts: float, least: float) -> sp.csr_array:
    """Keep of each value what is above ``counts`` molecules, then above ``least``; the smallest value of a cell is one molecule."""
    out = sp.csr_array(x, dtype=np.float64, copy=True)
    filled = np.flatnonzero(np.diff(out.indptr))
    level = np.expm1(out.data)
    one = np.zeros(out.shape[0])
    if len(filled):
        one[filled] = np.minimum.reduceat(level, out.indptr[filled])
    level -= counts * np.repeat(one, np.diff(out.indptr))
    out.data = np.maximum(np.log1p(np.maximum(level, 0)) - least, 0)
    out.eliminate_zeros()
    return out
