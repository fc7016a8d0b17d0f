"""The edges that a prior knows, with their sign; and the sign of any edge: by the prior, else by the data where those are sure."""

import numpy as np
import pandas as pd

from scgnn_tools.grn.given import IN

MODES = {"Activation": 1.0, "Repression": -1.0}
SURE = 3.0
"""Standard deviations from permuted cells that make a sign."""


def known_edges(prior: pd.DataFrame) -> pd.DataFrame:
    """Return ``tf``, ``target``, ``mode`` of the edges of a prior, 1, -1, or NaN where it does not say, and which of several has them."""
    mode = prior["mode"].map(MODES).to_numpy(dtype=float) if "mode" in prior else np.nan
    of = [c for c in prior if str(c).startswith(IN)]
    return prior[["source", "target", *of]].rename(columns={"source": "tf"}).assign(mode=mode)


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
