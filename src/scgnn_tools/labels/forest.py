"""``forest_genes``: a random forest on the genes that vary most."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import integer
from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.pca import column_variance
from scgnn_tools.labels.saving import Kept

BLOCK = 512
"""Cells that go down the trees at once."""


class ForestGenes(Kept):
    """Baseline: the mean vote of trees on bootstraps of the training cells.

    Parameters
    ----------
    n_genes
        Genes of the highest variance that are used.
    n_trees
        Number of trees.
    """

    kept = ("genes", "roots", "feature", "threshold", "children", "share")

    def __init__(self, *, n_genes: int = 2000, n_trees: int = 100) -> None:
        self.n_genes, self.n_trees = integer("n_genes", n_genes), integer("n_trees", n_trees)

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "ForestGenes":
        """Grow the trees on the training cells; nothing is learnt from the validation cells."""
        from sklearn.ensemble import RandomForestClassifier

        order = np.argsort(-column_variance(train.expression), kind="stable")
        self.genes = np.sort(order[: self.n_genes])
        x = sp.csc_matrix(train.expression[:, self.genes], dtype=np.float32)
        # scikit-learn's trees take no others
        x.indices = x.indices.astype(np.int32)
        x.indptr = x.indptr.astype(np.int32)
        model = RandomForestClassifier(self.n_trees, class_weight="balanced_subsample", random_state=seed(rng))
        trees = [t.tree_ for t in model.fit(x, labels).estimators_]
        size = np.array([t.node_count for t in trees])
        self.roots = np.cumsum(size) - size
        self.feature = np.concatenate([t.feature for t in trees])
        self.threshold = np.concatenate([t.threshold for t in trees])
        at = np.repeat(self.roots, size)
        sides = [np.concatenate([getattr(t, f"children_{side}") for t in trees]) for side in ("left", "right")]
        self.children = np.stack([np.where(s < 0, np.arange(len(at)), s + at) for s in sides])  # a leaf leads to itself
        votes = np.concatenate([t.value[:, 0] for t in trees])
        self.share = (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return the log of the mean share of the leaves, smoothed by half a tree, (n_cells, n_classes)."""
        parts = [np.zeros((0, self.share.shape[1]))]
        for start in range(0, len(cells), BLOCK):
            x = np.asarray(cells.expression[start : start + BLOCK][:, self.genes].todense())
            parts.append(self.share[self._leaves(x)].mean(axis=1, dtype=np.float64))
        prior, n = 0.5 / self.share.shape[1], len(self.roots)
        return np.log((np.concatenate(parts) * n + prior) / (n + 0.5))

    def _leaves(self, x: np.ndarray) -> np.ndarray:
        """Return where each cell ends in each tree, int (n_cells, n_trees)."""
        rows, node = np.arange(len(x))[:, None], np.tile(self.roots, (len(x), 1))
        while True:
            right = x[rows, np.maximum(self.feature[node], 0)] > self.threshold[node]
            after = np.where(right, self.children[1, node], self.children[0, node])
            if (after == node).all():
                return node
            node = after
