"""A column of ``obs`` or ``var`` by name: one way to miss it, one form to get it in."""

from typing import Any

import pandas as pd

from scgnn_tools._choices import column as there
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable


def column_of(frame: pd.DataFrame, key: Any, name: str, where: str = "obs") -> pd.Series:
    """Return the column ``key`` of ``frame``, which the user asked for as ``name``.

    Raises
    ------
    MissingKeyError
        If there is none; the message names those that there are, and one that is spelt alike.
    InputValueError
        If there are several of that name.
    """
    there(name, key, frame.columns, where)
    n = int((frame.columns == key).sum())
    if n > 1:
        table = where if "." in where else f"adata.{where}"
        msg = (
            f"{where} has {n} columns called {printable(key)!r}, and {name}= asks for one. Rename them, or keep the first of each: "
            f"{table} = {table}.loc[:, ~{table}.columns.duplicated()]."
        )
        raise InputValueError(msg)
    return frame[key]
