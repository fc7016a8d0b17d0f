"""The linear map: a cell's vector is the sum of its tokens' values times their genes' loadings."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools.data import Tokens
from scgnn_tools.fm import saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm.linear import LinearMap


class CorpusSVD(LinearMap):
    """Singular vectors of a corpus of cells, applied to any cell.

    With ``x`` the log-normalised expression of a cell over the vocabulary and ``V`` the loadings, the cell's vector is
    ``x V``. A gene that is not measured contributes nothing.

    Parameters
    ----------
    loadings
        ``V``, right singular vectors of the corpus, float32 (n_vocabulary, dimension).
    singular_values
        Divided by the square root of the number of cells, float32 (dimension,).
    """

    def __init__(
        self,
        card: ModelCard,
        vocabulary: np.ndarray,
        loadings: np.ndarray,
        singular_values: np.ndarray,
        config: dict[str, Any],
    ) -> None:
        report = {"loadings": f"read, {loadings.shape}", "singular_values": f"read, {singular_values.shape}"}
        super().__init__(card, vocabulary, report)
        self._loadings = loadings.astype(np.float32)
        self._wide = loadings.astype(np.float64)
        self._singular_values = singular_values.astype(np.float32)
        self._config = config

    def cell_vectors(self, tokens: Tokens) -> np.ndarray:
        """Return the vector of each cell, float32 (n_cells, dimension)."""
        ((x, vectors),) = self.linear_parts(tokens)
        return np.asarray(x @ vectors).astype(np.float32)

    def linear_parts(self, tokens: Tokens) -> list[tuple[sp.csr_array, np.ndarray]]:
        """Return the values and the vectors of genes whose product is the vectors of the cells.

        scipy adds a row's terms in the order of its columns, so a cell's sum does not depend on its batch; in double precision it hardly
        depends on the order of the genes either.
        """
        return [(tokens.to_csr(len(self.vocabulary)).astype(np.float64), self._wide)]

    def gene_table(self) -> np.ndarray:
        """Return the vector of each gene, float32 (n_vocabulary, dimension): its loadings times the singular values.

        The inner product of two genes is their mean product of expression over the corpus, as 50 components hold it.
        """
        return self._loadings * self._singular_values

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a new folder; with ``overwrite`` over one that a save wrote."""
        tensors = {"loadings": self._loadings.astype(np.float16), "singular_values": self._singular_values}
        config = {**self._config, "genes": self.vocabulary.tolist()}
        saves.save(folder, tensors, config, overwrite=overwrite)
