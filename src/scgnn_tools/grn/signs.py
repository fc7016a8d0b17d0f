"""The edges that a prior knows, with their sign; and the sign of any edge: by the prior, else by the data where those are sure."""

import numpy as np
import pandas as pd

MODES = {"Activation": 1.0, "Repression": -1.0}
SURE = 3.0
"""Standard deviations from permuted cells that make a sign."""


def known_edges(prior: pd.DataFrame) -> pd.DataFrame:
    """Return ``tf``, ``target``, ``mode`` of the edges of a prior; ``mode`` is 1, -1, or NaN where the prior does not say."""
    mode = prior["mode"].map(MODES).to_numpy(dtype=float) if "mode" in prior else np.nan
    return prior[["source", "target"]].set_axis(["tf", "target"], axis=1).assign(mode=mode)


def signs(mode: np.ndarray, correlation: np.ndarray, z: np.ndarray) -> pd.DataFrame:
    """Return ``sign``, ``sign_from`` and ``sign_conflict`` of edges.

    The sign is the mode that the prior tells, else that of the correlation if it is three standard deviations or more from what permuted
    cells give (``z``) and the cells themselves agree, else NaN. A conflict is a mode that such a correlation contradicts.
    """
    with np.errstate(invalid="ignore"):
        by_prior, by_data = np.isfinite(mode), (np.abs(z) >= SURE) & (np.sign(z) == np.sign(correlation))
    sign = np.where(by_prior, mode, np.where(by_data, np.sign(z), np.nan))
    told = {"sign": sign, "sign_from": np.where(by_prior, "prior", np.where(by_data, "data", ""))}
    return pd.DataFrame({**told, "sign_conflict": by_prior & by_data & (mode != np.sign(z))})
