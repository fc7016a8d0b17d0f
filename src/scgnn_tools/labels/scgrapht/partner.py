"""What a graph network is fused with: the contract of the other side. A new one is a subclass; nobody asks which it is."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from scgnn_tools.labels._protocol import Cells


class Partner:
    """A classifier of cells that stands beside a graph network."""

    kept_as: ClassVar[str] = "other"
    """Under which name its arrays are kept."""

    def fit(self, train: Cells, labels: np.ndarray, validation: Cells, validation_labels: np.ndarray) -> Self:
        """Learn from the training cells; one that comes trained stays as it is."""
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        raise NotImplementedError

    def entries(self, cells: Cells, codes: np.ndarray, known: np.ndarray, in_graph: np.ndarray | None) -> np.ndarray:
        """Return how much each entry of the vectors counts for each class, (d, n_classes); NaN where that is not known.

        Parameters
        ----------
        cells, codes
            Cells that are asked about, and the class of each.
        known
            Vectors of the training cells, as these have them.
        in_graph
            Vectors of the graph's cells, as they go into the network; None where none do.
        """
        raise NotImplementedError

    def plan(self, members: Sequence[Cells]) -> dict[str, Any]:
        """Return what of it decides a training on these cells, "logits" at least."""
        raise NotImplementedError

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs; none where it is given again."""
        return {}

    def restore(self, arrays: dict[str, np.ndarray]) -> Self:
        """Become what :meth:`state` was asked of."""
        return self
