"""``knn_pca``: the vote of the nearest training cells on PCA."""

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.labels._pca import GenePCA
from scgnn_tools.labels._protocol import Cells


class KnnPCA:
    """Baseline: the classes of the 15 nearest training cells on 50 principal components of 2,000 genes."""

    def __init__(self, n_neighbors: int = 15) -> None:
        self.n_neighbors = n_neighbors

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "KnnPCA":
        """Keep the training cells; nothing is learnt from the validation cells."""
        from sklearn.neighbors import KNeighborsClassifier

        self._pca = GenePCA().fit(train.expression)
        self._knn = KNeighborsClassifier(min(self.n_neighbors, len(train)))
        self._knn.fit(self._pca.transform(train.expression), labels)
        self._n_classes = int(labels.max()) + 1
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return the log of the smoothed share of votes, (n_cells, n_classes)."""
        votes = np.zeros((len(cells), self._n_classes))
        votes[:, self._knn.classes_] = self._knn.predict_proba(self._pca.transform(cells.expression))
        k = self._knn.n_neighbors
        return np.log((votes * k + 0.1) / (k + 0.1 * self._n_classes))
