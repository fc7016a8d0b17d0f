"""``none``: the vectors as they are."""

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.integration._protocol import Batches


class Uncorrected:
    """Baseline: nothing is corrected."""

    history = None

    def fit(self, cells: Batches, *, rng: RNG = 0) -> np.ndarray:
        """Return the vectors."""
        return cells.vectors

    def transform(self, cells: Batches) -> np.ndarray:
        """Return the vectors."""
        return cells.vectors

    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`restore` needs."""
        return {}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Become the fitted method that :meth:`state` was asked of."""
