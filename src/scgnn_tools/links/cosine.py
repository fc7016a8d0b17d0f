"""``cosine``: similar gene vectors are taken for a link; zero-shot, without direction."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools.links._protocol import check_pairs, check_vectors, need_fit, needs

if TYPE_CHECKING:
    from anndata import AnnData


class Cosine:
    """Cosine of the two genes' vectors; the labels are not used."""

    def fit(
        self,
        pairs: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "Cosine":
        """Keep the vectors at unit length."""
        needs(embedding, "embedding", "cosine")
        embedding = check_vectors(embedding)
        v = embedding.to_numpy(dtype=float)
        norm = np.linalg.norm(v, axis=1, keepdims=True)
        self._genes = pd.Index(embedding.index)
        self._unit = np.divide(v, norm, out=np.full_like(v, np.nan), where=norm > 0)
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the cosine; NaN where a gene has no vector."""
        need_fit(self, "_genes")
        pairs = check_pairs(pairs, labelled=False)
        a, b = self._genes.get_indexer(pairs["tf"]), self._genes.get_indexer(pairs["target"])
        out = np.full(len(pairs), np.nan)
        known = (a >= 0) & (b >= 0)
        out[known] = np.einsum("nd,nd->n", self._unit[a[known]], self._unit[b[known]])
        return out
