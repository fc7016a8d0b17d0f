"""The other side of the fusion where no fine-tuned foundation model is at hand: simple models, mixed on held-out cells."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.centroid import Centroid
from scgnn_tools.labels.logreg import LinearHead, LogRegPCA
from scgnn_tools.labels.mixture import mixture_weights, rarity
from scgnn_tools.labels.saving import nested, part
from scgnn_tools.labels.scgrapht.partner import Partner
from scgnn_tools.labels.scgrapht.slopes import by_difference, of_linear
from scgnn_tools.labels.temperature import fit_temperature, log_proba
from scgnn_tools.store.digest import digest


class Experts(Partner):
    """Logistic regression on the vectors and on PCA, and the nearest class mean, weighed by how likely they find held-out labels.

    Parameters
    ----------
    vectors_only
        The logistic regression on the vectors alone.

    Attributes
    ----------
    head
        The logistic regression on the vectors, the only one of them that reads these.
    """

    def __init__(self, *, vectors_only: bool = False) -> None:
        self.vectors_only = vectors_only

    def fit(self, train: Cells, labels: np.ndarray, validation: Cells, validation_labels: np.ndarray) -> Self:
        """Fit each on the training cells; the validation cells set the temperatures and weights."""
        self.head = LinearHead().fit(train.embedding, labels)
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

    def entries(self, cells: Cells, codes: np.ndarray, known: np.ndarray, in_graph: np.ndarray | None) -> np.ndarray:
        """Return those of the logistic regression on the vectors."""
        return of_linear(self.head, cells, codes, known)

    def plan(self, members: Sequence[Cells]) -> dict[str, Any]:
        """Return which they are: the cells and labels that they learn from stand in the plan already."""
        return {"logits": f"experts, of vectors only: {self.vectors_only}"}

    def _each(self, cells: Cells) -> list[np.ndarray]:
        raw = [self.head.scores(cells.embedding), *(m.scores(cells) for m in self._others)]
        return [log_proba(s, t) for s, t in zip(raw, self._temperatures, strict=True)]

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs."""
        named = dict(zip(("pca", "centroid"), self._others, strict=False))
        each = nested(vectors=self.head.state(), **{name: m.state() for name, m in named.items()})
        return {"temperatures": self._temperatures, "weights": self._weights, **each}

    def restore(self, arrays: dict[str, np.ndarray]) -> Self:
        """Become the experts that :meth:`state` was asked of."""
        self._temperatures, self._weights = arrays["temperatures"], arrays["weights"]
        self.head, self._others = LinearHead().restore(part(arrays, "vectors")), []
        if not self.vectors_only:
            self._others = [LogRegPCA().restore(part(arrays, "pca")), Centroid().restore(part(arrays, "centroid"))]
        return self


class Given(Partner):
    """Log-probabilities that a function of cells gives; no file holds it."""

    def __init__(self, function: Callable[[Cells], np.ndarray]) -> None:
        self._function = function

    def scores(self, cells: Cells) -> np.ndarray:
        """Return what the function says, (n_cells, n_classes)."""
        return self._said(cells)

    def entries(self, cells: Cells, codes: np.ndarray, known: np.ndarray, in_graph: np.ndarray | None) -> np.ndarray:
        """Return those that differences tell; all NaN if the function does not read the vectors."""
        return by_difference(self._said, cells, codes, known)

    def plan(self, members: Sequence[Cells]) -> dict[str, Any]:
        """Return what it says of the training and validation cells: a function is no more than that."""
        return {"logits": digest([self._said(c) for c in members[:2]])}

    def _said(self, cells: Cells) -> np.ndarray:
        """Return what the function says, after looking at it."""
        said: Any = self._function(cells)
        shape = getattr(said, "shape", None)
        if shape is None or len(shape) != 2 or shape[0] != len(cells) or shape[1] < 2:
            seen = printable(repr(said)) if shape is None else f"an array {tuple(shape)}"
            msg = f"logits= is a function whose value is an array (n_cells, n_classes), here ({len(cells)}, …); it gave {seen}."
            raise InputValueError(msg)
        return said
