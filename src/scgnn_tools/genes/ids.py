"""Ensembl ids: what is one, and what is a symbol that looks like one."""

import numpy as np
import pandas as pd

# anchored, eleven digits: ENSA and ENSG-something are symbols
ENSEMBL = r"^(ENS(?:MUS)?G\d{11})(?:\.\d+)?$"


def strip_version(names: pd.Index) -> pd.Series:
    """Return the Ensembl id of each name without its version, "" where the name is no Ensembl id."""
    return names.to_series(index=range(len(names))).str.extract(ENSEMBL, expand=False).fillna("")


def looks_like(names: pd.Index) -> str:
    """Say in words what the names look like, for messages."""
    if len(names) == 0:
        return "nothing (there are none)"
    ids = strip_version(names)
    share = float((ids != "").mean())
    if share > 0.5:
        versioned = bool((ids != names.to_numpy())[ids != ""].mean() > 0.5)
        mouse = bool(ids[ids != ""].str.startswith("ENSMUSG").mean() > 0.5)
        return f"{'mouse' if mouse else 'human'} Ensembl ids{' with versions' if versioned else ''}"
    text = names.to_series()
    if text.str.fullmatch(r"\d+").mean() > 0.5:
        return "numbers"
    title = text.str.fullmatch(r"[A-Z][a-z0-9]+.*").mean()
    upper = text.str.fullmatch(r"[A-Z0-9][A-Z0-9.\-_orf]*").mean()
    if np.isclose(title, 0) or upper > title:
        return "human gene symbols" if upper > 0.5 else "no gene names that are known here"
    return "mouse gene symbols"
