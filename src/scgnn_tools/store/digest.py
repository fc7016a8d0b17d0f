"""One sha256 of everything that decides a result: arrays, sparse matrices, tables, text."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._log import as_bytes


def digest(*parts: object) -> str:
    """Return the sha256 of arrays, sparse matrices, tables, text, and of dicts and lists of these."""
    total = hashlib.sha256()
    for part in parts:
        for piece in _bytes(part):
            total.update(len(piece).to_bytes(8, "little"))
            total.update(piece)
    return total.hexdigest()


def digest_rows(blocks: Iterable[Any]) -> str:
    """Return the sha256 of a matrix that comes in blocks of rows, CSR; how many rows a block has does not matter."""
    parts = [hashlib.sha256() for _ in range(3)]
    for block in blocks:
        csr = sp.csr_array(block)
        arrays = (np.diff(csr.indptr).astype(np.int64), csr.indices.astype(np.int64), csr.data.astype(np.float32))
        for part, array in zip(parts, arrays, strict=True):
            part.update(np.ascontiguousarray(array).data.cast("B"))
    return digest(*(part.hexdigest() for part in parts))


def _bytes(part: object) -> list[bytes]:
    if sp.issparse(part):
        csr = sp.csr_array(part)
        return [b for a in (np.array(csr.shape), csr.data, csr.indices, csr.indptr) for b in _bytes(a)]
    if isinstance(part, pd.DataFrame):
        return [b for a in (part.index, *(part[c] for c in part)) for b in _bytes(a)]
    if isinstance(part, Mapping):
        return [digest(f"dict {len(part)}", *(p for k in sorted(part, key=str) for p in (str(k), part[k]))).encode()]
    if isinstance(part, list | tuple):
        return [digest(f"list {len(part)}", *part).encode()]
    if isinstance(part, np.ndarray | pd.Series | pd.Index):
        array = np.asarray(part)
        if array.dtype.kind in "biuf":
            return [f"{array.dtype} {array.shape}".encode(), array.tobytes()]
        return [as_bytes("\0".join(map(str, array.ravel())))]
    return [as_bytes(str(part))]
