"""``knn_pca`` and ``knn_rep``: the vote of the nearest training cells, on PCA or on the vectors of a foundation model."""

from typing import Self

import numpy as np

from scgnn_tools._choices import integer
from scgnn_tools._random import RNG
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.pca import OnEmbedding, OnPCA
from scgnn_tools.labels.saving import State


class KnnRep(OnEmbedding):
    """Baseline: the classes of the 15 nearest training cells in the embedding."""

    def __init__(self, n_neighbors: int = 15) -> None:
        self.n_neighbors = integer("n_neighbors", n_neighbors)

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "KnnRep":
        """Keep the training cells; nothing is learnt from the validation cells."""
        self._look_at(train)
        return self._remember(self._vectors(train), labels)

    def _remember(self, vectors: np.ndarray, labels: np.ndarray) -> Self:
        from sklearn.neighbors import KNeighborsClassifier

        self._kept, self._labels, self._n_classes = vectors, labels, int(labels.max()) + 1
        self._knn = KNeighborsClassifier(min(self.n_neighbors, len(vectors))).fit(vectors, labels)
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return the log of the smoothed share of votes, (n_cells, n_classes)."""
        votes = np.zeros((len(cells), self._n_classes))
        votes[:, self._knn.classes_] = self._knn.predict_proba(self._vectors(cells))
        k = self._knn.n_neighbors
        return np.log((votes * k + 0.1) / (k + 0.1 * self._n_classes))

    def state(self) -> State:
        """Return the arrays that :meth:`restore` needs: the training cells among them."""
        return self._look_state() | {"vectors": self._kept, "labels": self._labels}

    def restore(self, arrays: State) -> Self:
        """Become the model that :meth:`state` was asked of."""
        self._look_restore(arrays)
        return self._remember(arrays["vectors"], arrays["labels"])


class KnnPCA(OnPCA, KnnRep):
    """Baseline: the classes of the 15 nearest training cells on 50 principal components of 2,000 genes."""
