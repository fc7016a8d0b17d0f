"""``celltypist`` and ``singler``: the published programs, through their packages, where these are installed."""

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import integer, number
from scgnn_tools._errors import MissingExtraError
from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.means import class_means
from scgnn_tools.labels.saving import Kept, State
from scgnn_tools.labels.spearman import STEEP, pair_genes

BLOCK = 2048
"""Cells that are dense in memory at once."""


class CellTypist(Kept):
    """Baseline: CellTypist (Domínguez Conde et al., Science 2022), trained by its own ``celltypist.train``.

    It trains by stochastic gradient descent. ``sgd_genes`` is the same idea without the package.

    Parameters
    ----------
    feature_selection, top_genes
        Train twice, the second time on so many genes of each class.
    """

    kept = ("genes", "mean", "scale", "weight", "bias")

    def __init__(self, *, feature_selection: bool = False, top_genes: int = 300) -> None:
        self._package = installed("celltypist", instead="sgd_genes")
        self._how = {"feature_selection": feature_selection, "top_genes": integer("top_genes", top_genes)}

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "CellTypist":
        """Train on the training cells; nothing is learnt from the validation cells."""
        names = np.arange(train.expression.shape[1]).astype(str)
        # log1p of counts per 10,000 is what it checks for; cells over some of their genes, or empty ones, sum to less
        x = sp.csr_matrix(train.expression)
        how = {"use_SGD": True, "random_state": seed(rng), "check_expression": False, **self._how}
        with quiet_package("celltypist"):
            model = self._package.train(x, labels=labels.astype(str), genes=names, **how)
        weight, bias = model.classifier.coef_, model.classifier.intercept_
        if len(weight) == 1:
            weight, bias = np.vstack([-weight, weight]), np.concatenate([-bias, bias])
        order = np.argsort(np.asarray(model.classifier.classes_).astype(np.int64))
        self.genes = np.asarray(model.features).astype(np.int64)
        self.mean, self.scale = model.scaler.mean_, model.scaler.scale_
        self.weight, self.bias = weight[order], bias[order]
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return the log of each class's own probability, made to sum to one, (n_cells, n_classes)."""
        parts = [np.zeros((0, len(self.bias)))]
        for start in range(0, len(cells), BLOCK):
            x = np.asarray(cells.expression[start : start + BLOCK][:, self.genes].todense())
            x = np.minimum((x - self.mean) / self.scale, 10)  # as celltypist.annotate does
            parts.append(-np.logaddexp(0, -(x @ self.weight.T + self.bias)))
        own = np.concatenate(parts)
        return own - np.logaddexp.reduce(own, axis=1, keepdims=True)


class SingleR:
    """Baseline: SingleR (Aran et al., Nature Immunology 2019), through the package singler of its authors.

    The genes of each pair of classes are those whose means differ most.

    ``spearman_genes`` is the same idea without the package.

    Parameters
    ----------
    quantile
        Of the correlations with a class's cells, which is the score of the class.
    tune
        How far a class may be behind the best one to stay in the next round of tuning.
    """

    def __init__(self, *, quantile: float = 0.8, tune: float = 0.05) -> None:
        self._package = installed("singler", instead="spearman_genes")
        self.quantile = number("quantile", quantile, least=0, most=1)
        self.tune = number("tune", tune, least=0)

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "SingleR":
        """Keep the training cells; nothing is learnt from the validation cells."""
        return self._build(sp.csr_array(train.expression), labels)

    def _build(self, x: sp.csr_array, labels: np.ndarray) -> "SingleR":
        self._x, self._labels = x, labels
        features = [str(g) for g in range(x.shape[1])]
        self._n_classes = int(labels.max()) + 1
        # its own choice of genes goes by medians, most of which are zero in single cells, or needs a further package
        higher = pair_genes(class_means(x, labels))
        markers = {
            str(a): {str(b): [] if a == b else [str(g) for g in higher[a, b]] for b in range(self._n_classes)}
            for a in range(self._n_classes)
        }
        self._built = self._package.train_single(
            sp.csc_matrix(x.T), [str(c) for c in labels], features, markers=markers
        )
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return correlations times 20, the class that tuning chose on top, (n_cells, n_classes)."""
        out = np.zeros((len(cells), self._n_classes))
        if len(cells) == 0:
            return out
        got = self._package.classify_single(
            sp.csc_matrix(cells.expression.T), self._built, quantile=self.quantile, fine_tune_threshold=self.tune
        )
        table = got.get_column("scores")
        for name in table.get_column_names():
            out[:, int(name)] = STEEP * np.asarray(table.get_column(name))
        out = np.nan_to_num(out)
        best = np.array([int(b) for b in got.get_column("best")])
        ahead = np.nan_to_num(np.asarray(got.get_column("delta"), dtype=np.float64))
        rows = np.arange(len(out))
        out[rows, best] = np.maximum(out.max(axis=1) + STEEP * ahead, out[rows, best])
        return out

    def state(self) -> State:
        """Return the arrays that :meth:`restore` needs: the training cells, from which the package builds again."""
        x = self._x
        parts = {"data": x.data, "indices": x.indices, "indptr": x.indptr}
        return parts | {"shape": np.array(x.shape), "labels": self._labels}

    def restore(self, arrays: State) -> "SingleR":
        """Become the model that :meth:`state` was asked of."""
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        return self._build(sp.csr_array(parts, shape=tuple(arrays["shape"])), arrays["labels"])


def installed(package: str, *, instead: str) -> Any:
    """Return a package, or raise the error that tells how to install it."""
    try:
        with quiet_package(package):
            return importlib.import_module(package)
    except ImportError as error:
        msg = f"{package} needs the package {package}, which is not installed: pip install {package}. Or take method={instead!r}."
        raise MissingExtraError(msg) from error


@contextmanager
def quiet_package(package: str) -> Iterator[None]:
    """Let a package neither talk nor leave the filters of warnings and the handlers of the log other than they were."""
    root, log = logging.getLogger(), logging.getLogger(f"{package}.logger")
    handlers, level, own = list(root.handlers), root.level, log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(own)
            root.handlers[:] = handlers
            root.setLevel(level)
