"""One sha256 of everything that decides a result: arrays, sparse matrices, tables, text."""

import hashlib

import numpy as np
import pandas as pd
import scipy.sparse as sp


def digest(*parts: object) -> str:
    """Return the sha256 of arrays, sparse matrices, tables and text."""
    total = hashlib.sha256()
    for part in parts:
        for piece in _bytes(part):
            total.update(len(piece).to_bytes(8, "little"))
            total.update(piece)
    return total.hexdigest()


def _bytes(part: object) -> list[bytes]:
    if sp.issparse(part):
        csr = sp.csr_array(part)
        return [b for a in (np.array(csr.shape), csr.data, csr.indices, csr.indptr) for b in _bytes(a)]
    if isinstance(part, pd.DataFrame):
        return [b for a in (part.index, *(part[c] for c in part)) for b in _bytes(a)]
    if isinstance(part, np.ndarray | pd.Series | pd.Index):
        array = np.asarray(part)
        if array.dtype.kind in "biuf":
            return [f"{array.dtype} {array.shape}".encode(), np.ascontiguousarray(array).data.cast("B").tobytes()]
        return ["\0".join(map(str, array.ravel())).encode()]
    return [str(part).encode()]
