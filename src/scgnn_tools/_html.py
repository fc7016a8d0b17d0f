"""What a notebook shows of an object: a compact table, and longer tables folded away."""

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scgnn_tools._log import printable

if TYPE_CHECKING:
    import pandas as pd

CELL = "padding:1px 10px 1px 0;text-align:left;vertical-align:top"


def boxed(
    title: str, facts: Mapping[str, Any], folded: "Mapping[str, pd.DataFrame | Mapping[str, Any]] | None" = None
) -> str:
    """Return the HTML of an object: its name, a row a fact, and tables that open on a click."""
    parts = [f"<strong>{_text(title)}</strong>", _rows(facts)]
    for name, table in (folded or {}).items():
        inner = _rows(table) if isinstance(table, Mapping) else table.to_html(max_rows=20, border=0)
        parts.append(f"<details><summary style='cursor:pointer'>{_text(name)}</summary>{inner}</details>")
    return f"<div style='font-size:0.92em;border-left:3px solid #0b8f8a;padding-left:10px'>{''.join(parts)}</div>"


def _rows(facts: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td style='{CELL};opacity:0.7'>{_text(k)}</td><td style='{CELL}'>{_value(v)}</td></tr>"
        for k, v in facts.items()
    ]
    return f"<table style='border-collapse:collapse;margin:2px 0'>{''.join(rows)}</table>"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _text(f"{value:.4g}" if isinstance(value, float) else value)


def _text(value: object) -> str:
    return html.escape(printable(value, limit=400))
