"""Four signs that a cell is unlike everything that the training cells hold; each grows with strangeness."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools.labels import Cells
from scgnn_tools.labels.means import class_means, correlation, telling_genes
from scgnn_tools.labels.pca import GenePCA

SIGNS = ("profile", "neighbours", "neighbours in PCA", "energy")
N_GENES, N_NEIGHBORS, MOST_CELLS = 500, 10, 20_000
SHRINK = 1e-3


class Signs:
    r"""What is strange about a cell.

    - profile: one minus the correlation of its expression with the nearest class mean, over the genes that tell the classes apart;
    - neighbours: log cosine distance of its vector to the nearest training cells;
    - neighbours in PCA: the same on the components of the training cells' own expression;
    - energy: the free energy :math:`-2 \log \sum_c \exp(-d_c^2 / 2)` of a Gaussian for each class around its mean vector, all of one
      covariance (Lee et al. 2018, Liu et al. 2020), on a log scale.
    """

    def fit(self, train: Cells, labels: np.ndarray) -> "Signs":
        """Learn from training cells with classes 0, 1, …; a class may be empty."""
        present = np.unique(labels)
        labels = np.searchsorted(present, labels)
        means = class_means(train.expression, labels)
        self._genes = telling_genes(means, N_GENES)
        self._means = means[:, self._genes]
        self._whiten, self._centres = _gaussians(train.embedding, labels)
        self._pca = GenePCA().fit(train.expression)
        some = slice(None, None, -(-len(train) // MOST_CELLS))
        self._look_up(train.embedding[some], self._pca.transform(train.expression)[some])
        return self

    def _look_up(self, vectors: np.ndarray, components: np.ndarray) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._vectors, self._components = vectors, components
        near = {"n_neighbors": min(N_NEIGHBORS, len(vectors)), "metric": "cosine"}
        self._near = NearestNeighbors(**near).fit(vectors)
        self._near_pca = NearestNeighbors(**near).fit(components)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs."""
        out = {"genes": self._genes, "means": self._means, "whiten": self._whiten, "centres": self._centres}
        out |= {"vectors": self._vectors, "components": self._components}
        return out | {f"pca.{k}": v for k, v in self._pca.state().items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> "Signs":
        """Become what :meth:`state` was asked of."""
        self._genes, self._means = arrays["genes"], arrays["means"]
        self._whiten, self._centres = arrays["whiten"], arrays["centres"]
        self._pca = GenePCA().restore({k.removeprefix("pca."): v for k, v in arrays.items() if k.startswith("pca.")})
        self._look_up(arrays["vectors"], arrays["components"])
        return self

    def __call__(self, cells: Cells) -> np.ndarray:
        """Return the signs, float64 (n_cells, 4)."""
        profile = 1 - correlation(sp.csr_array(cells.expression[:, self._genes]), self._means).max(axis=1)
        far = [
            np.log(near.kneighbors(x)[0].mean(axis=1) + 1e-4)
            for near, x in ((self._near, cells.embedding), (self._near_pca, self._pca.transform(cells.expression)))
        ]
        return np.column_stack([profile, *far, self._energy(cells.embedding)])

    def _energy(self, vectors: np.ndarray) -> np.ndarray:
        whitened = np.einsum("nd,de->ne", vectors, self._whiten)
        square = np.stack([((whitened - centre) ** 2).sum(axis=1) for centre in self._centres], axis=1)
        energy = -2 * np.logaddexp.reduce(-square / 2, axis=1) + 2 * np.log(len(self._centres))  # never negative
        return np.log(energy + 1e-4)


def _gaussians(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the map that makes the covariance within classes the identity, (d, d), and the class means under it."""
    x = x.astype(np.float64)
    one_hot = np.eye(int(labels.max()) + 1)[labels]
    means = one_hot.T @ x / one_hot.sum(axis=0)[:, None]
    within = x - means[labels]
    d = x.shape[1]
    covariance = within.T @ within / len(x)
    covariance += (SHRINK * np.trace(covariance) / d + 1e-9) * np.eye(d)
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(values)
    return whiten, means @ whiten
