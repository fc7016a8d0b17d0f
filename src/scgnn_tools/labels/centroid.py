"""``centroid``: the class whose mean the cell correlates with most; simple, and hard to beat across experiments."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import integer
from scgnn_tools._random import RNG
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.means import class_means, correlation, telling_genes
from scgnn_tools.labels.saving import Kept


class Centroid(Kept):
    """Baseline: Pearson correlation with the class means, over the 500 genes that tell the classes apart.

    Correlation does not see the depth of a cell and has nothing to fit to one experiment.
    """

    kept = ("genes", "means")

    def __init__(self, n_genes: int = 500) -> None:
        self.n_genes = integer("n_genes", n_genes)

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "Centroid":
        """Keep the means of the training cells; nothing is learnt from the validation cells."""
        means = class_means(train.expression, labels)
        self.genes = telling_genes(means, self.n_genes)
        self.means = np.ascontiguousarray(means[:, self.genes])  # as a file gives it back: sums depend on the layout
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return correlations times 20, so that temperatures near 1 fit, (n_cells, n_classes)."""
        return 20.0 * correlation(sp.csr_array(cells.expression[:, self.genes]), self.means)
