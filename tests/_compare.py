"""Is the rest of an AnnData as it was?"""

import numpy as np
import pandas as pd
import scipy.sparse as sp


def same(a, b) -> bool:
    """Compare two values of an AnnData in depth."""
    if isinstance(a, pd.DataFrame | pd.Series | pd.Index):
        return a.equals(b)
    if sp.issparse(a):
        return (
            a.shape == b.shape
            and a.dtype == b.dtype
            and np.array_equal(a.tocoo().data, b.tocoo().data, equal_nan=True)
            and all(np.array_equal(x, y) for x, y in zip(a.tocoo().coords, b.tocoo().coords, strict=True))
        )
    if isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if hasattr(a, "keys"):
        return list(a.keys()) == list(b.keys()) and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


def changed(before, after) -> set[str]:
    """Return the fields that differ: "obs['x']", "X", …"""
    out = set()
    for name in ("obs", "var"):
        x, y = getattr(before, name), getattr(after, name)
        out |= {f"{name}['{c}']" for c in {*x.columns, *y.columns} if c not in x or c not in y or not same(x[c], y[c])}
        if not x.index.equals(y.index):
            out.add(f"{name}_names")
    for name in ("obsm", "varm", "obsp", "varp", "layers", "uns"):
        x, y = getattr(before, name), getattr(after, name)
        out |= {f"{name}['{k}']" for k in {*x, *y} if k not in x or k not in y or not same(x[k], y[k])}
    if not same(before.X, after.X):
        out.add("X")
    if (before.raw is None) != (after.raw is None) or (before.raw is not None and not same(before.raw.X, after.raw.X)):
        out.add("raw")
    return out
