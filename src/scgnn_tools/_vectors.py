"""Vectors as a user's object holds them: an array or a table of numbers, dense."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import InputTypeError


def dense_vectors(table: Any, place: str, name: str = "use_rep") -> np.ndarray:
    """Return a table of ``obsm`` or ``varm`` as float32 of the same shape; ``name`` is the argument that asked for ``place``.

    Raises
    ------
    InputTypeError
        If it is text, or sparse.
    """
    if sp.issparse(table):
        msg = f"{place} is a sparse matrix; vectors are dense. Set {place} = {place}.toarray(), or leave {name} out."
        raise InputTypeError(msg)
    try:
        return np.asarray(table.to_numpy() if isinstance(table, pd.DataFrame) else table, dtype=np.float32)
    except (TypeError, ValueError) as error:
        msg = f"{place} holds {getattr(table, 'dtype', 'values')} that are no numbers ({error}). Pass a {name}= of numbers."
        raise InputTypeError(msg) from error
