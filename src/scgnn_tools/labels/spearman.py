"""``spearman_genes``: rank correlation with the class means, tuned among the classes that are close, in the manner of SingleR."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import integer, number
from scgnn_tools._random import RNG
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.means import class_means
from scgnn_tools.labels.saving import Kept

BLOCK = 512
"""Cells whose ranks are in memory at once."""
STEEP = 20.0
"""A difference of correlations times this is one of log-probabilities; temperatures near 1 then fit."""


class SpearmanGenes(Kept):
    """Baseline: the class whose mean the cell correlates with most, by ranks, over the genes that tell two classes apart.

    As SingleR (Aran et al., Nature Immunology 2019): for each pair of classes the genes that are higher in one of them; Spearman's
    correlation over all of these; then, again and again, only the classes within ``tune`` of the best, over the genes of these classes.
    SingleR correlates with each reference cell and takes a quantile a class; here a class is its mean.

    Parameters
    ----------
    n_genes
        Genes of each ordered pair of classes; None takes SingleR's 500 (2/3)^log2(n_classes).
    tune
        How far a class may be behind the best one to stay in the next round; 0 does not tune.
    """

    kept = ("genes", "higher", "means")

    def __init__(self, *, n_genes: int | None = None, tune: float = 0.05) -> None:
        self.n_genes, self.tune = integer("n_genes", n_genes, or_none=True), number("tune", tune, least=0)

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "SpearmanGenes":
        """Keep the means of the training cells; nothing is learnt from the validation cells."""
        means = class_means(train.expression, labels)
        higher = pair_genes(means, self.n_genes)
        self.genes, at = np.unique(higher, return_inverse=True)
        self.higher, self.means = at.reshape(higher.shape), means[:, self.genes]
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return correlations times 20, those of the last round on top, (n_cells, n_classes)."""
        parts = [np.zeros((0, len(self.means)))]
        x = sp.csr_array(cells.expression[:, self.genes])
        for start in range(0, len(cells), BLOCK):
            parts.append(self._block(np.asarray(x[start : start + BLOCK].todense())))
        return np.concatenate(parts)

    def _block(self, x: np.ndarray) -> np.ndarray:
        everyone = np.arange(len(self.means))
        out = STEEP * self._correlation(x, everyone)
        close = self._close(out) if self.tune else np.zeros_like(out, dtype=bool)
        while (asking := np.flatnonzero(close.sum(axis=1) > 1)).size:
            before = close[asking]
            for among in np.unique(before, axis=0):
                cells, classes = asking[(before == among).all(axis=1)], np.flatnonzero(among)
                rho = STEEP * self._correlation(x[cells], classes)
                best = out[cells][:, classes].max(axis=1, keepdims=True)
                out[np.ix_(cells, classes)] = best + rho - rho.max(axis=1, keepdims=True)
                close[cells] &= self._close(out[cells])
            ended = (close[asking] == before).all(axis=1)
            close[asking[ended]] = False
        return out

    def _close(self, scores: np.ndarray) -> np.ndarray:
        return scores >= scores.max(axis=1, keepdims=True) - STEEP * self.tune

    def _correlation(self, x: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return Spearman's correlation with the means of some classes, over their genes, (n_cells, n_of_these)."""
        genes = np.unique(self.higher[np.ix_(classes, classes)])
        return _standard(x[:, genes]) @ _standard(self.means[np.ix_(classes, genes)]).T


def pair_genes(means: np.ndarray, n_genes: int | None = None) -> np.ndarray:
    """Return the genes that are most higher in one class than in another, int (n_classes, n_classes, n_genes), higher ones first.

    Parameters
    ----------
    means
        Mean expression of each class, (n_classes, n_all_genes).
    n_genes
        Genes of each pair; None takes SingleR's 500 (2/3)^log2(n_classes).
    """
    n_classes = len(means)
    most = min(n_genes or max(5, round(500 * (2 / 3) ** np.log2(n_classes))), means.shape[1])
    out = np.zeros((n_classes, n_classes, most), dtype=np.int64)
    for a in range(n_classes):
        for b in range(n_classes):
            other = (a + 1) % n_classes if a == b else b
            out[a, b] = np.argsort(means[other] - means[a], kind="stable")[:most]
    return out


def _standard(x: np.ndarray) -> np.ndarray:
    """Return ranks of rows, of mean 0 and length 1; zeros for a row without differences."""
    from scipy.stats import rankdata

    ranks = rankdata(x, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, norm, out=np.zeros_like(ranks), where=norm > 0)
