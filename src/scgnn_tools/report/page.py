"""The page: HTML with its style and pictures in it, and nothing from elsewhere."""

import base64
import io
import warnings
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, SgtError
from scgnn_tools._log import as_text, printable
from scgnn_tools._modality import RNA, modality
from scgnn_tools._write import as_path, check_folder_of, write_whole
from scgnn_tools.report.sections import Section, sections

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

ROWS = 30
"""Rows of a table that are shown."""

DPI = 110
STYLE = Path(__file__).parent / "report.css"


@door
def report(
    adata: "AnnData | MuData", path: str | Path, *, title: str = "", mod: str = RNA, overwrite: bool = False
) -> Path:
    """Write one page with every result of this package that an object holds.

    Each result has its parameters, the line that the call printed, its tables beside the baselines, and its figures. The page needs no
    other file and no network.

    Parameters
    ----------
    adata
        Object that calls of ``sgt.tl`` were made on.
    path
        A new ``.html`` file.
    title
        Heading of the page; "" takes the number of cells and genes.
    mod
        Modality of a MuData.
    overwrite
        Replace the file if it is there.

    Returns
    -------
    Where the page is.

    Raises
    ------
    InputValueError
        If the object holds no result, or the file cannot be written there.

    Examples
    --------
    >>> sgt.tl.annotate(query, "cell_type", reference=adata, method="logreg_pca")
    >>> sgt.report.report(query, "cells.html").name
    'cells.html'
    """
    path = _checked(path, overwrite=overwrite)
    adata = modality(adata, mod)
    found = sections(adata)
    if not found:
        msg = "The object holds no result to report. Run sgt.tl.embed, annotate, infer_grn, integrate or perturb first."
        raise InputValueError(msg)
    heading = title or f"{adata.n_obs:,} cells × {adata.n_vars:,} genes"
    text = page(heading, found, summary(adata))
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
    return path


def summary(adata: "AnnData") -> dict[str, Any]:
    """Return what the object is."""
    from scgnn_tools import __version__

    columns = ", ".join(printable(c) for c in adata.obs.columns[:30])
    return {
        "cells": f"{adata.n_obs:,}", "genes": f"{adata.n_vars:,}", "columns of obs": columns, "scgnn_tools": __version__,
    }  # fmt: skip


def page(title: str, found: list[Section], about: Mapping[str, Any]) -> str:
    """Return the page."""
    links = "".join(f'<li><a href="#s{i}">{_text(s.title)}</a></li>' for i, s in enumerate(found))
    body = "".join(_section(i, s) for i, s in enumerate(found))
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{style}</style></head><body><header><h1>{_text(title)}</h1>{_params(about)}"
        f'<nav aria-label="Results"><ol>{links}</ol></nav></header><main>{body}</main></body></html>\n'
    )


def _section(number: int, section: Section) -> str:
    words = "".join(f'<p class="said">{_text(w, limit=3000)}</p>' for w in section.words)
    figures = "".join(_figure(caption, draw) for caption, draw in section.figures)
    tables = "".join(f"<h3>{_text(caption)}</h3>{_table(table)}" for caption, table in section.tables)
    asked = f"<details><summary>What was asked</summary>{_params(section.params)}</details>" if section.params else ""
    return (
        f'<section id="s{number}"><h2>{_text(section.title)}</h2><p class="where">{_text(section.where)}</p>'
        f"{words}{figures}{tables}{asked}</section>"
    )


def _figure(caption: str, draw: Any) -> str:
    """Return the picture; where it cannot be drawn, why."""
    from matplotlib import pyplot as plt

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = draw()
    except SgtError as error:
        return f'<p class="missing">No figure “{_text(caption)}”: {_text(error)}</p>'
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    data = base64.b64encode(out.getvalue()).decode()
    return f'<figure><img alt="{_text(caption)}" src="data:image/png;base64,{data}"><figcaption>{_text(caption)}</figcaption></figure>'


def _table(table: pd.DataFrame) -> str:
    shown = table.head(ROWS)
    right = [' class="n"' if getattr(kind, "kind", "O") in "iuf" else "" for kind in shown.dtypes]
    names = [_text(str(c).replace("_", " ")) for c in shown.columns]
    first = "" if table.index.name is None else _text(str(table.index.name).replace("_", " "))
    head = f'<th scope="col">{first}</th>' if first else "<th></th>"
    head += "".join(f'<th scope="col"{side}>{name}</th>' for side, name in zip(right, names, strict=True))
    rows = "".join(
        f'<tr><th scope="row">{_text(i)}</th>{"".join(map(_cell, row))}</tr>'
        for i, row in zip(shown.index, shown.itertuples(index=False, name=None), strict=True)
    )
    more = len(table) - len(shown)
    rest = f'<p class="rest">{more:,} more rows in the object</p>' if more else ""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{rest}'


def _cell(value: Any) -> str:
    """Return a cell of a table: numbers on the right, to three digits."""
    if isinstance(value, bool | np.bool_):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int | np.integer):
        return f'<td class="n">{int(value):,}</td>'
    if isinstance(value, float | np.floating):
        return f'<td class="n">{_number(float(value))}</td>'
    return f"<td>{_text(value)}</td>"


def _number(value: float) -> str:
    if np.isnan(value):
        return "–"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3f}" if size >= 5e-4 or value == 0 else f"{value:.1e}"


def _params(params: Mapping[str, Any]) -> str:
    rows = "".join(f"<dt>{_text(str(k).replace('_', ' '))}</dt><dd>{_text(_short(v))}</dd>" for k, v in params.items())
    return f"<dl>{rows}</dl>"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_short(v)}" for k, v in value.items())
    if isinstance(value, np.ndarray | list | tuple):
        values: list[Any] = list(value)
        return ", ".join(map(str, values[:12])) + (f" … ({len(values):,})" if len(values) > 12 else "")
    if isinstance(value, pd.DataFrame):
        return f"table of {len(value):,} rows"
    return "none" if value is None or value == "" else str(value)


def _text(value: Any, *, limit: int = 500) -> str:
    """Return text that a page can hold: names of users are text, whatever they look like."""
    return escape(printable(as_text([value])[0], limit=limit), quote=True)


def _checked(path: str | Path, *, overwrite: bool) -> Path:
    path = as_path("path", path)
    if path.suffix.lower() not in (".html", ".htm"):
        msg = f"A report ends in .html; got {path}."
        raise InputValueError(msg)
    if path.exists() and (path.is_dir() or not overwrite):
        msg = (
            f"{path} is a folder. Pass another path."
            if path.is_dir()
            else f"{path} exists. Pass overwrite=True to replace it."
        )
        raise InputValueError(msg)
    check_folder_of(path)
    return path
