"""Is a cell unlike everything the reference holds?

Two signs, each compared with held-out labelled cells: the correlation of the cell's expression with the nearest class mean,
over the genes that tell the classes apart, and the cosine distance of its vector to the nearest training cells. Another
laboratory shifts both a little for every cell, so a cell is unknown only if the correlation is far below what the held-out
cells have, or if it is below and the distance far above.
"""

import numpy as np
import scipy.sparse as sp

from scgnn_tools.labels._protocol import Cells

N_GENES, N_NEIGHBORS = 500, 10
FAR_BELOW, FAR_ABOVE = 0.8, 2.0


class Novelty:
    """Rejection of cells that are unlike the reference."""

    def fit(self, train: Cells, labels: np.ndarray, held_out: Cells) -> "Novelty":
        """Learn class means and neighbours from training cells, and what is usual from held-out ones."""
        from sklearn.neighbors import NearestNeighbors

        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        means = np.asarray(train.expression.T @ one_hot).T / one_hot.sum(axis=0)[:, None]  # (n_classes, n_genes)
        self._genes = np.sort(np.argsort(-means.var(axis=0), kind="stable")[:N_GENES])
        self._means = means[:, self._genes]
        self._neighbors = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(train)), metric="cosine")
        self._neighbors.fit(train.embedding)
        usual = held_out if len(held_out) else train
        self._low = float(np.quantile(self.correlation(usual), 0.01))
        self._high = float(np.quantile(self.distance(usual), 0.99))
        return self

    def unknown(self, cells: Cells) -> np.ndarray:
        """Return whether each cell is unlike the reference, bool (n_cells,)."""
        correlation, distance = self.correlation(cells), self.distance(cells)
        far_below = correlation < FAR_BELOW * self._low
        return far_below | ((correlation < self._low) & (distance > FAR_ABOVE * self._high))

    def correlation(self, cells: Cells) -> np.ndarray:
        """Return the highest Pearson correlation with a class mean, (n_cells,); 0 for a cell without expression."""
        x = sp.csr_array(cells.expression[:, self._genes])
        centred = self._means - self._means.mean(axis=1, keepdims=True)
        total = np.asarray(x.sum(axis=1)).ravel()
        square = np.asarray(x.multiply(x).sum(axis=1)).ravel()
        spread = np.sqrt(np.maximum(square - total**2 / x.shape[1], 0)) + 1e-9
        norm = np.linalg.norm(centred, axis=1) + 1e-9
        return (np.asarray(x @ centred.T) / spread[:, None] / norm).max(axis=1)

    def distance(self, cells: Cells) -> np.ndarray:
        """Return the mean cosine distance to the nearest training cells, (n_cells,)."""
        return self._neighbors.kneighbors(cells.embedding)[0].mean(axis=1)
