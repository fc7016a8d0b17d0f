"""Whether an edge is known, and its sign: by the prior, else by the data."""

import numpy as np
import pandas as pd

from scgnn_tools.grn.collect import Data

MODES = {"Activation": 1.0, "Repression": -1.0}


def known_and_signs(edges: pd.DataFrame, correlation: np.ndarray, data: Data) -> pd.DataFrame:
    """Return ``known``, ``sign`` and ``sign_from`` for each edge: the prior's mode, else the sign of the correlation."""
    key = pd.MultiIndex.from_frame(edges[["tf", "target"]])
    known = key.isin(pd.MultiIndex.from_frame(data.edges[["source", "target"]]))
    sign, origin = np.full(len(edges), np.nan), np.full(len(edges), "", dtype=object)
    told = np.isfinite(correlation) & (correlation != 0)
    sign[told], origin[told] = np.sign(correlation[told]), "data"
    if "mode" in data.edges:
        mode = data.edges.set_index(["source", "target"])["mode"].map(MODES).reindex(key).to_numpy()
        told = np.isfinite(mode)
        sign[told], origin[told] = mode[told], "prior"
    return pd.DataFrame({"known": known, "sign": sign, "sign_from": origin.astype(str)}, index=edges.index)
