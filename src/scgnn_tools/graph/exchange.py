"""A table of edges as text that other programs read: GraphML and Cytoscape JSON."""

import json
import re
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pandas as pd

from scgnn_tools._log import as_text

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # what no XML document may hold
_XML_TYPES = {"b": "boolean", "i": "long", "u": "long", "f": "double"}


def graphml(edges: pd.DataFrame) -> str:
    """Return edges as GraphML.

    Parameters
    ----------
    edges
        ``source``, ``target``; every other column becomes an attribute of the edges, left out where it is missing.

    Returns
    -------
    str
        A directed graph; nodes carry ``role``, "factor" or "target". Equal edges of several groups are parallel edges.
    """
    columns = [c for c in edges if c not in ("source", "target")]
    kinds = {c: _XML_TYPES.get(edges[c].dtype.kind, "string") for c in columns}
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    lines.append('<key id="role" for="node" attr.name="role" attr.type="string"/>')
    lines += [
        f'<key id="c{i}" for="edge" attr.name={_attribute(c)} attr.type="{kinds[c]}"/>' for i, c in enumerate(columns)
    ]
    lines.append('<graph edgedefault="directed">')
    for name, role in _nodes(edges).items():
        lines.append(f'<node id={_attribute(name)}><data key="role">{role}</data></node>')
    for number, row in enumerate(_rows(edges)):
        ends = f"source={_attribute(row['source'])} target={_attribute(row['target'])}"
        data = "".join(f'<data key="c{i}">{_text(row[c])}</data>' for i, c in enumerate(columns) if c in row)
        lines.append(f'<edge id="e{number}" {ends}>{data}</edge>')
    return "\n".join([*lines, "</graph>", "</graphml>", ""])


def cytoscape(edges: pd.DataFrame, name: str = "network") -> str:
    """Return edges as the JSON of Cytoscape and Cytoscape.js (``.cyjs``), columns and roles as in :func:`graphml`."""
    nodes = [{"data": {"id": n, "name": n, "role": role}} for n, role in _nodes(edges).items()]
    links = [{"data": {"id": f"e{i}", "interaction": "regulates", **row}} for i, row in enumerate(_rows(edges))]
    document = {
        "format_version": "1.0",
        "generated_by": "scgnn_tools",
        "target_cytoscapejs_version": "~2.1",
        "data": {"name": name, "shared_name": name},
        "elements": {"nodes": nodes, "edges": links},
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)


def _nodes(edges: pd.DataFrame) -> dict[str, str]:
    factors = dict.fromkeys(as_text(edges["source"]), "factor")
    return {**factors, **{t: "target" for t in as_text(edges["target"]) if t not in factors}}


def _rows(edges: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each edge as a dict without what is missing, numbers as Python's own."""
    named = {str(c): edges[c].tolist() for c in edges}
    named |= {c: list(as_text(edges[c])) for c in ("source", "target")}
    return [
        {c: v for c, v in zip(named, values, strict=True) if not _missing(v)}
        for values in zip(*named.values(), strict=True)
    ]


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not np.isfinite(value))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return escape(_ILLEGAL.sub("�", str(value)))


def _attribute(value: str) -> str:
    return quoteattr(_ILLEGAL.sub("�", str(value)), {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})
