"""The other side of the fusion where no fine-tuned foundation model is at hand: simple models, mixed on held-out cells."""

from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np

from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.centroid import Centroid
from scgnn_tools.labels.logreg import LinearHead, LogRegPCA
from scgnn_tools.labels.mixture import mixture_weights, rarity
from scgnn_tools.labels.temperature import fit_temperature, log_proba


class Beside(Protocol):
    """What a graph network is fused with."""

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs."""
        ...

    def restore(self, arrays: dict[str, np.ndarray]) -> Self:
        """Become what :meth:`state` was asked of."""
        ...


class Experts:
    """Logistic regression on the vectors and on PCA, and the nearest class mean, weighed by how likely they find held-out labels.

    Parameters
    ----------
    vectors_only
        The logistic regression on the vectors alone.
    """

    def __init__(self, *, vectors_only: bool = False) -> None:
        self.vectors_only = vectors_only

    def fit(self, train: Cells, labels: np.ndarray, validation: Cells, validation_labels: np.ndarray) -> "Experts":
        """Fit each on the training cells; the validation cells set the temperatures and weights."""
        self._vectors = LinearHead().fit(train.embedding, labels)
        self._others: list[Any] = []
        if not self.vectors_only:
            self._others = [m.fit(train, labels, validation, validation_labels) for m in (LogRegPCA(), Centroid())]
        self._temperatures = np.ones(1 + len(self._others))
        held_out = self._each(validation)
        self._temperatures = np.array([fit_temperature(s, validation_labels) for s in held_out])
        self._weights = mixture_weights(self._each(validation), validation_labels, rarity(labels))
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        return np.logaddexp.reduce(
            [np.log(w) + s for w, s in zip(self._weights, self._each(cells), strict=True)], axis=0
        )

    @property
    def head(self) -> LinearHead:
        """The logistic regression on the vectors, the only one of them that reads these."""
        return self._vectors

    def _each(self, cells: Cells) -> list[np.ndarray]:
        raw = [self._vectors.scores(cells.embedding), *(m.scores(cells) for m in self._others)]
        return [log_proba(s, t) for s, t in zip(raw, self._temperatures, strict=True)]

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs."""
        out = {"temperatures": self._temperatures, "weights": self._weights}
        out |= {f"vectors.{k}": v for k, v in self._vectors.state().items()}
        for m, name in zip(self._others, ("pca", "centroid"), strict=False):
            out |= {f"{name}.{k}": v for k, v in m.state().items()}
        return out

    def restore(self, arrays: dict[str, np.ndarray]) -> "Experts":
        """Become the experts that :meth:`state` was asked of."""

        def part(name: str) -> dict[str, np.ndarray]:
            return {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(f"{name}.")}

        self._temperatures, self._weights = arrays["temperatures"], arrays["weights"]
        self._vectors, self._others = LinearHead().restore(part("vectors")), []
        if not self.vectors_only:
            self._others = [LogRegPCA().restore(part("pca")), Centroid().restore(part("centroid"))]
        return self


class Given:
    """Log-probabilities that a function of cells gives; no file holds it."""

    def __init__(self, function: Callable[[Cells], np.ndarray]) -> None:
        self.scores = function

    def state(self) -> dict[str, np.ndarray]:
        """Return nothing: the function is given again."""
        return {}

    def restore(self, arrays: dict[str, np.ndarray]) -> "Given":
        """Stay as it is."""
        return self
