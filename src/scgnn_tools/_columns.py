"""A column of ``obs`` or ``var`` by name: one way to miss it, one form to get it in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
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
        If there are several of that name, or it holds a text and something else that is written alike, such as "1" and 1.
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
    column = f"{'' if '.' in where else 'adata.'}{where}[{printable(key)!r}]"
    check_texts(frame[key], column, f", {column} = {column}.astype('string'),")
    return frame[key]


def check_texts(values: pd.Series, shown: str, todo: str = "") -> None:
    """Refuse "1" beside 1: groups are told apart by their text, and these two would be one without a word."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = pd.Series(values.dropna().unique().astype(object))
    if values.dtype != object or pd.api.types.infer_dtype(values, skipna=True) in ("string", "empty"):
        return
    texts = {v for v in values if isinstance(v, str)}
    alike = sorted(texts & {str(v) for v in values if not isinstance(v, str)})
    if alike:
        one = printable(alike[0])
        msg = f"{shown} holds {one} and the text {one!r}, which are written alike. Make them one{todo} or give them two names."
        raise InputValueError(msg)


def check_table(table: pd.DataFrame, wanted: Sequence[str], what: str, name: str = "pairs") -> None:
    """Refuse a table of pairs or edges without a column that is wanted, or with one that stands twice."""
    missing = [c for c in wanted if c not in table]
    if missing:
        msg = f"A table of {what} has the columns {', '.join(wanted)}; missing: {', '.join(missing)}."
        raise InputValueError(msg)
    twice = [c for c in wanted if (table.columns == c).sum() > 1]
    if twice:
        msg = (
            f"A table of {what} has the columns {', '.join(wanted)}, each once; {', '.join(twice)} stands several times. Keep the first: "
            f"{name} = {name}.loc[:, ~{name}.columns.duplicated()]."
        )
        raise InputValueError(msg)


def without_value(values: Any) -> np.ndarray:
    """Return which values are none: missing (NaN, None) or a blank text, bool (n,)."""
    values = pd.Series(values).astype(object)
    return (values.isna() | values.map(lambda v: isinstance(v, str) and not v.strip())).to_numpy(bool)


def groups_column(frame: pd.DataFrame, key: Any, name: str, where: str = "obs") -> pd.Series:
    """Return a column as :func:`column_of` that names groups: some cell has a value.

    Raises
    ------
    MissingKeyError, InputValueError
        If there is no such column, several, or one without any value.
    """
    values = column_of(frame, key, name, where)
    if without_value(values).all():
        msg = f"{where}[{printable(key)!r}] names no group: no cell has a value. Pass another column as {name}=, or leave it out."
        raise InputValueError(msg)
    return values


def whole_column(
    frame: pd.DataFrame, key: Any, name: str, where: str = "obs", *, asked: np.ndarray | None = None
) -> pd.Series:
    """Return a column as :func:`column_of`, of which every row has a value, or every row that is ``asked`` (bool): none is no group.

    Raises
    ------
    MissingKeyError, InputValueError
        If there is no such column, several, or a row without a value.
    """
    values = column_of(frame, key, name, where)
    lacking = without_value(values) & (True if asked is None else asked)
    if lacking.any():
        adata = "adata" if where == "obs" else where.removesuffix(".obs")
        column = f"{adata}.obs[{printable(key)!r}]"
        seen, todo = "NaN", f"{adata}[{column}.notna()]"
        if values[lacking].notna().any():
            seen, todo = "NaN or blank text", f"{adata}[{column}.astype(object).fillna('') != '']"
        msg = (
            f"{where}[{printable(key)!r}] holds {seen} in {int(lacking.sum()):,} of {len(values):,} cells; every cell needs a value of "
            f"{name}. Leave those cells out: {todo}."
        )
        raise InputValueError(msg)
    return values
