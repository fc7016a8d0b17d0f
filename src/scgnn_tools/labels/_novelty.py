"""Is a cell unlike everything the reference holds?

Two signs, each compared with held-out labelled cells: the correlation of the cell's expression with the nearest class mean,
over the genes that tell the classes apart, and the cosine distance of its vector to the nearest training cells. Another
laboratory shifts both a little for every cell, so a cell is unknown only if the correlation is far below what the held-out
cells have, or if it is below and the distance far above.
"""

import numpy as np
import scipy.sparse as sp

from scgnn_tools.labels._means import class_means, correlation, telling_genes
from scgnn_tools.labels._protocol import Cells

N_GENES, N_NEIGHBORS = 500, 10
FAR_BELOW, FAR_ABOVE = 0.8, 2.5


class Novelty:
    """Rejection of cells that are unlike the reference."""

    def fit(self, train: Cells, labels: np.ndarray, held_out: Cells) -> "Novelty":
        """Learn class means and neighbours from training cells, and what is usual from held-out ones."""
        from sklearn.neighbors import NearestNeighbors

        means = class_means(train.expression, labels)
        self._genes = telling_genes(means, N_GENES)
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
        return correlation(sp.csr_array(cells.expression[:, self._genes]), self._means).max(axis=1)

    def distance(self, cells: Cells) -> np.ndarray:
        """Return the mean cosine distance to the nearest training cells, (n_cells,)."""
        return self._neighbors.kneighbors(cells.embedding)[0].mean(axis=1)
