"""Four signs that a cell is unlike everything that the training cells hold; each grows with strangeness."""

import numpy as np
import scipy.sparse as sp
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from scgnn_tools.annotation.differences import Differences
from scgnn_tools.annotation.nearness import Nearness
from scgnn_tools.labels import Cells
from scgnn_tools.labels.means import class_means, correlation, membership, telling_genes
from scgnn_tools.labels.pca import GenePCA

SIGNS = ("profile", "neighbours", "neighbours in PCA", "energy")
N_GENES, N_NEIGHBORS, MOST_CELLS = 500, 10, 20_000
SHRINK = 1e-3
LEAST = 10
"""Cells of a query from which on a class says how far it lies away."""
N_MARKERS = 2
BLOCK = 1024
"""Cells whose distances to all classes are held at once."""


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
        self._means = np.ascontiguousarray(means[:, self._genes])  # as a file gives it back
        self._whiten, self._centres = _gaussians(train.embedding, labels)
        self._markers = _markers(self._means, self._genes)
        self._classes, self._middles = present, _means_of(train.embedding, labels)
        self._width = float(np.sqrt(train.embedding.astype(np.float64).var(axis=0).sum())) + 1e-9
        self._pca = GenePCA().fit(train.expression)
        some = slice(None, None, -(-len(train) // MOST_CELLS))
        self._look_up(train.embedding[some], self._pca.transform(train.expression)[some])
        return self

    def _look_up(self, vectors: np.ndarray, components: np.ndarray) -> None:
        self._vectors, self._components = vectors, components
        self._near, self._near_pca = Nearness(vectors, N_NEIGHBORS), Nearness(components, N_NEIGHBORS)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs."""
        out = {"genes": self._genes, "means": self._means, "whiten": self._whiten, "centres": self._centres}
        out |= {"vectors": self._vectors, "components": self._components, "markers": self._markers}
        out |= {"classes": self._classes, "middles": self._middles, "width": np.array(self._width)}
        return out | {f"pca.{k}": v for k, v in self._pca.state().items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> "Signs":
        """Become what :meth:`state` was asked of."""
        self._genes, self._means = arrays["genes"], arrays["means"]
        self._whiten, self._centres, self._markers = arrays["whiten"], arrays["centres"], arrays["markers"]
        self._classes, self._middles, self._width = arrays["classes"], arrays["middles"], float(arrays["width"])
        self._pca = GenePCA().restore({k.removeprefix("pca."): v for k, v in arrays.items() if k.startswith("pca.")})
        self._look_up(arrays["vectors"], arrays["components"])
        return self

    def __call__(self, cells: Cells) -> np.ndarray:
        """Return the signs, float64 (n_cells, 4)."""
        return self.look(cells)[0]

    def look(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return the signs, float64 (n_cells, 4), and which of the classes that trained a cell's profile is nearest to, int (n_cells,)."""
        alike = correlation(sp.csr_array(cells.expression[:, self._genes]), self._means)
        profile = 1 - alike.max(axis=1)
        far = [
            np.log(near(x) + 1e-4)
            for near, x in ((self._near, cells.embedding), (self._near_pca, self._pca.transform(cells.expression)))
        ]
        return np.column_stack([profile, *far, self._energy(cells.embedding)]), alike.argmax(axis=1)

    def distance(self, sums: np.ndarray, n: np.ndarray) -> float:
        """Return how far a query lies from the reference: the shift of vectors that all classes have in common, over the spread.

        Parameters
        ----------
        sums, n
            Sum of the vectors of the cells that are nearest to each class, (n_classes, d), and their number, (n_classes,).
        """
        enough = np.flatnonzero(n >= min(LEAST, n.max()))
        away = sums[enough] / n[enough, None] - self._middles[enough]
        return float(np.linalg.norm(away.mean(axis=0)) / self._width)

    def profile_sums(self, cells: Cells, of: sp.csr_array) -> np.ndarray:
        """Return the expression of the telling genes, added up over the cells ``of`` each class, float64 (n_classes, n_genes)."""
        return (of @ sp.csr_array(cells.expression[:, self._genes])).toarray(order="F")

    def likeness(self, sums: np.ndarray, n: np.ndarray) -> float:
        """Return how alike the classes of a query and of the reference differ: correlation of their profiles, each around its own mean.

        Another laboratory moves all classes together, which leaves this as it is; in another tissue there are no such classes. 1 where
        fewer than two classes have cells enough.

        Parameters
        ----------
        sums, n
            As :meth:`profile_sums` gives, and the number of cells of each class, (n_classes,).
        """
        enough = np.flatnonzero(n >= LEAST)
        if len(enough) < 2:
            return 1.0
        own, known = sums[enough] / n[enough, None], self._means[enough].astype(np.float64)
        a, b = ((x - x.mean(axis=0)).ravel() for x in (own, known))
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))

    def markers(self, genes: np.ndarray) -> dict[int, list[str]]:
        """Return the names of the genes that most tell each class, given those of all columns."""
        return {int(c): [str(genes[g]) for g in some] for c, some in zip(self._classes, self._markers, strict=True)}

    def differences(self, sums: np.ndarray, n: np.ndarray) -> Differences:
        """Return how the classes of a query differ, as :meth:`likeness` is asked."""
        return Differences.between(self._means, sums, n, LEAST)

    @property
    def genes(self) -> np.ndarray:
        """Columns of the expression that tell the classes apart, int (n_genes,)."""
        return self._genes

    @property
    def n_classes(self) -> int:
        """How many classes trained."""
        return len(self._classes)

    def _energy(self, vectors: np.ndarray) -> np.ndarray:
        whitened = np.einsum("nd,de->ne", vectors, self._whiten)
        energy = np.empty(len(whitened))  # a block of cells at a time: cells x classes can be larger than the cells
        for start in range(0, len(whitened), BLOCK):
            square = cdist(whitened[start : start + BLOCK], self._centres, "sqeuclidean")
            energy[start : start + BLOCK] = -2 * logsumexp(-square / 2, axis=1)
        return np.log(energy + 2 * np.log(len(self._centres)) + 1e-4)  # never negative before the last


def _means_of(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    of = membership(labels, int(labels.max()) + 1)
    return of @ x.astype(np.float64) / of.sum(axis=1)[:, None]


def _markers(means: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return the genes whose mean in a class is most above that in every other one, int (n_classes, 2)."""
    second, first = np.partition(np.vstack([means, np.zeros_like(means[:1])]), -2, axis=0)[-2:]
    others = np.where(means == first, second, first)
    return genes[np.argsort(others - means, axis=1, kind="stable")[:, :N_MARKERS]]


def _gaussians(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the map that makes the covariance within classes the identity, (d, d), and the class means under it."""
    x, means = x.astype(np.float64), _means_of(x, labels)
    within = x - means[labels]
    d = x.shape[1]
    covariance = within.T @ within / len(x)
    covariance += (SHRINK * np.trace(covariance) / d + 1e-9) * np.eye(d)
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(values)
    return whiten, means @ whiten
