"""The edges that a prior knows, with their sign; and the sign of any edge: by the prior, else by the data."""

import numpy as np
import pandas as pd

MODES = {"Activation": 1.0, "Repression": -1.0}


def known_edges(prior: pd.DataFrame) -> pd.DataFrame:
    """Return ``tf``, ``target``, ``mode`` of the edges of a prior; ``mode`` is 1, -1, or NaN where the prior does not say."""
    mode = prior["mode"].map(MODES).to_numpy(dtype=float) if "mode" in prior else np.nan
    return prior[["source", "target"]].set_axis(["tf", "target"], axis=1).assign(mode=mode)


def signs(mode: np.ndarray, correlation: np.ndarray) -> pd.DataFrame:
    """Return ``sign`` and ``sign_from`` of edges: the mode that the prior tells, else the sign of the correlation, else NaN."""
    by_prior, by_data = np.isfinite(mode), np.isfinite(correlation) & (correlation != 0)
    sign = np.where(by_prior, mode, np.where(by_data, np.sign(correlation), np.nan))
    return pd.DataFrame({"sign": sign, "sign_from": np.where(by_prior, "prior", np.where(by_data, "data", ""))})
