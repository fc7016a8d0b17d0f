"""``center``: subtract the mean of each batch."""

import numpy as np

from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG
from scgnn_tools.integration._protocol import Batches


class Center:
    """Baseline: every batch gets the same mean.

    It equals Harmony where batches hold the same types in like shares, and pulls unlike types onto each other where they do not.
    """

    history = None

    def fit(self, cells: Batches, *, rng: RNG = 0) -> np.ndarray:
        """Learn the means and return the vectors without them."""
        x = cells.vectors.astype(np.float64)
        self.means = np.stack([x[cells.batch == b].mean(axis=0) for b in range(cells.n_batches)])
        self.overall = x.mean(axis=0)
        return self.transform(cells)

    def transform(self, cells: Batches) -> np.ndarray:
        """Return vectors without the mean of their batch, which has to be one that was fitted."""
        if (cells.batch < 0).any():
            msg = (
                "center knows the means of the batches that it was fitted on, and some cells are of another one. Pass batch_key= with the "
                "names of the fit, fit it on all batches, or take a method that maps new ones, such as method='scvi'."
            )
            raise InputValueError(msg)
        return (cells.vectors - self.means[cells.batch] + self.overall).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`restore` needs."""
        return {"means": self.means, "overall": self.overall}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Become the fitted method that :meth:`state` was asked of."""
        self.means, self.overall = arrays["means"], arrays["overall"]
