"""``harmony``: soft clusters that hold every batch, and a linear correction a cluster (Korsunsky et al., Nature Methods 2019)."""

import inspect
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer, number
from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._random import RNG, seed
from scgnn_tools.integration._protocol import Batches

CELLS_PER_CLUSTER = 30
"""By harmonypy's rule."""


class Harmony:
    """Harmony through the package harmonypy, which is under the GPL and therefore an extra.

    Parameters
    ----------
    theta
        Penalty of clusters that hold one batch; higher mixes more. None takes harmonypy's.
    sigma
        Width of the soft clusters.
    n_clusters
        Number of clusters; None takes harmonypy's rule, one for thirty cells and 100 at most, and one at least.
    max_iter
        Most rounds.
    """

    history = None

    def __init__(
        self, *, theta: float | None = None, sigma: float = 0.1, n_clusters: int | None = None, max_iter: int = 10
    ) -> None:
        try:
            from harmonypy import run_harmony
        except ImportError as error:
            msg = (
                "harmony needs the package harmonypy, which is not installed: pip install 'scgnn_tools[integration]'. "
                "Or choose another method, such as method='center'."
            )
            raise MissingExtraError(msg) from error
        self._run = run_harmony
        self._options: dict[str, Any] = {
            "theta": number("theta", theta, least=0, or_none=True),
            "sigma": number("sigma", sigma, above=0),
            "nclust": integer("n_clusters", n_clusters, or_none=True),
            "max_iter_harmony": integer("max_iter", max_iter),
        }

    def fit(self, cells: Batches, *, rng: RNG = 0) -> np.ndarray:
        """Return the corrected vectors."""
        n, d = cells.vectors.shape
        if n == d:
            msg = (
                f"harmony got {n} cells and as many dimensions: harmonypy could not tell which is which. "
                f"Pass n_comps={max(2, n // 2)}, or fewer dimensions."
            )
            raise InputValueError(msg)
        known = inspect.signature(self._run).parameters
        quiet: dict[str, Any] = {"verbose": False, "random_state": seed(rng)}
        if self._options["nclust"] is None and n < CELLS_PER_CLUSTER:
            quiet["nclust"] = 1  # harmonypy's rule gives none for 15 cells and fewer
        options = {k: v for k, v in (self._options | quiet).items() if k in known}
        batch = pd.DataFrame({"batch": cells.batch.astype(str)})
        found = self._run(np.ascontiguousarray(cells.vectors, dtype=np.float64), batch, ["batch"], **options)
        corrected = np.asarray(found.Z_corr, dtype=np.float32)
        # dimensions × cells up to harmonypy 0.0.10, cells × dimensions since 0.1
        corrected = corrected if corrected.shape == (n, d) else corrected.T
        if corrected.shape != (n, d) or not np.isfinite(corrected).all():
            msg = (
                f"harmonypy returned {corrected.shape}, or values that are not finite, for {n} cells of {d} dimensions."
            )
            raise InputValueError(msg)
        return corrected

    def transform(self, cells: Batches) -> np.ndarray:
        """Harmony maps no new cells."""
        raise NotImplementedError
