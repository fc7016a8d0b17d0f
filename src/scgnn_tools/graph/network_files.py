"""Networks in files of other programs: tables, Parquet, GraphML, Cytoscape JSON, gene sets."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd

from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._log import printable, say
from scgnn_tools.graph.edge_table import MODES, NAMES, columns_of, tidied

TABLES = (".csv", ".tsv", ".txt", ".tab")
ENDINGS = (*TABLES, ".parquet", ".graphml", ".cyjs", ".gmt")
DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, zlib.error, ET.ParseError)
"""What a reader raises on a file that is not what it says."""


def ending(path: str | Path) -> str:
    """Return the ending of a file without ``.gz``, in lower case."""
    path = Path(path)
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def is_file(text: str) -> bool:
    """Say whether a text names a file: by its ending, or because there is one."""
    return ending(text) in ENDINGS or ("/" in text and Path(text).is_file())


def read_network(path: str | Path) -> pd.DataFrame:
    """Return the table of a network in a file, as it stands there; edges of GraphML and gene sets as ``source``, ``target``, ….

    Raises
    ------
    InputValueError
        If there is no such file, its ending is not known, it is empty or cannot be read.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        msg = f"There is no file {path}. Pass the path of a network: {', '.join(ENDINGS)}, perhaps with .gz."
        raise InputValueError(msg)
    kind = ending(path)
    if kind not in ENDINGS:
        msg = f"{path.name} ends in no known format of a network; there is: {', '.join(ENDINGS)}, perhaps with .gz."
        raise InputValueError(msg)
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": _parquet}
    readers |= {".graphml": _graphml, ".cyjs": _cytoscape, ".gmt": _gene_sets}
    try:
        table = readers.get(kind, _table)(path)
    except ImportError as error:
        msg = f"{path.name} is Parquet, which pandas reads with pyarrow. Run: pip install pyarrow"
        raise MissingExtraError(msg) from error
    except DAMAGED as error:
        msg = f"{path} cannot be read as a network ({kind}): {printable(error, limit=200)}"
        raise InputValueError(msg) from error
    if table.empty:
        msg = f"{path} holds no edge. A network has a row an edge, with source and target."
        raise InputValueError(msg)
    return table


def read_names(path: str | Path) -> list[str]:
    """Return the names in a file: one a line, or the factors of a network.

    Raises
    ------
    InputValueError
        If there is no such file, or it holds none.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        msg = f"There is no file {path}. Pass names of genes, such as ['SPI1', 'IRF8'], or a file with one a line."
        raise InputValueError(msg)
    if ending(path) not in TABLES:
        return list(dict.fromkeys(read_network(path).pipe(_sources)))
    try:
        lines = [line.strip() for line in _text(path).splitlines()]
    except DAMAGED as error:
        msg = f"{path} cannot be read as text: {printable(error, limit=200)}"
        raise InputValueError(msg) from error
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        msg = f"{path} names no gene. Write one a line."
        raise InputValueError(msg)
    if any(sign in lines[0] for sign in "\t,;"):
        return list(dict.fromkeys(_sources(_table(path))))
    return list(dict.fromkeys(line.strip("\"'") for line in lines))


def _sources(table: pd.DataFrame) -> Iterable[str]:
    table = tidied(table)
    return table[columns_of(table, ("source",))["source"]].dropna().astype(str)


def _bytes(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8-sig")


def _table(path: Path) -> pd.DataFrame:
    import io

    text = _without_comments(_text(path))
    head = text.split("\n", 1)[0]
    if not head:
        return pd.DataFrame()
    separator = max("\t,;", key=head.count)
    names = _unsaid(head.split(separator) if separator in head else head.split(), path)
    table = pd.read_csv(
        io.StringIO(text), sep=separator if separator in head else r"\s+", skipinitialspace=True, header=None if names else "infer",
        names=names,
    )  # fmt: skip
    unnamed = [c for c in table.columns[:1] if str(c).startswith("Unnamed:")]  # an index that was written too
    return table.drop(columns=unnamed)


def _without_comments(text: str) -> str:
    """Return text without blank lines and comments at its top; ``#TF target`` is no comment, if it names columns."""
    lines = text.lstrip().split("\n")
    top = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    head = lines[top - 1].lstrip("# ").rstrip("\r") if top else ""
    ends = {*NAMES["source"], *NAMES["target"]}
    if any(word.strip(" \"'").lower() in ends for sign in "\t,;" for word in head.split(sign)):
        return "\n".join([head, *lines[top:]])
    return "\n".join(lines[top:])


def _unsaid(first: list[str], path: Path) -> list[str] | None:
    """Return names of columns for a file whose first line is an edge with weight or mode, as of TRRUST and arboreto; else None."""
    first = [word.strip(" \r\"'") for word in first]
    roles = {name for names in NAMES.values() for name in names}
    if len(first) < 3 or any(word.lower() in roles for word in first):
        return None
    what = "mode" if first[2].lower() in MODES and first[2] else "weight" if _is_number(first[2]) else None
    if what is None or any(_is_number(word) or not word for word in first[:2]):
        return None
    say(f"{path.name} has no line of names: its columns are read as source, target, {what}")
    return ["source", "target", what, *(f"column {i}" for i in range(4, len(first) + 1))]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parquet(path: Path) -> pd.DataFrame:
    return tidied(pd.read_parquet(path)).reset_index(drop=True)


def _graphml(path: Path) -> pd.DataFrame:
    root = ET.fromstring(_bytes(path))

    def local(node: ET.Element) -> str:
        return node.tag.rsplit("}", 1)[-1]

    keys = {k.get("id"): k for k in root.iter() if local(k) == "key"}
    names, rows = {}, []
    for node in root.iter():
        if local(node) not in ("node", "edge"):
            continue
        data = {_name(keys, d.get("key")): _typed(keys, d) for d in node if local(d) == "data"}
        if local(node) == "node":
            names[node.get("id")] = next((data[k] for k in ("name", "label", "v_name") if data.get(k)), node.get("id"))
        else:
            rows.append({**data, "source": node.get("source"), "target": node.get("target")})
    table = pd.DataFrame(rows)
    return table.assign(**{c: table[c].map(lambda i: names.get(i, i)) for c in ("source", "target")}) if rows else table


def _name(keys: dict[str | None, ET.Element], key: str | None) -> str:
    return str(keys[key].get("attr.name", key)) if key in keys else str(key)


def _typed(keys: dict[str | None, ET.Element], data: ET.Element) -> Any:
    kind = keys[data.get("key")].get("attr.type") if data.get("key") in keys else "string"
    text = (data.text or "").strip()
    if kind in ("float", "double", "int", "long"):
        return float(text)
    return text.lower() == "true" if kind == "boolean" else text


def _cytoscape(path: Path) -> pd.DataFrame:
    elements = json.loads(_text(path))["elements"]
    names = {n["data"]["id"]: n["data"].get("name", n["data"]["id"]) for n in elements["nodes"]}
    rows = [{k: v for k, v in e["data"].items() if k not in ("id", "interaction")} for e in elements["edges"]]
    table = pd.DataFrame(rows)
    return table.assign(**{c: table[c].map(lambda i: names.get(i, i)) for c in ("source", "target")}) if rows else table


def _gene_sets(path: Path) -> pd.DataFrame:
    """Return gene sets (name, description, genes) as regulons."""
    rows = []
    for line in _text(path).splitlines():
        name, *rest = line.rstrip("\r").split("\t")
        if name.strip():
            rows += [(name.strip(), gene.split(",")[0].strip()) for gene in rest[1:] if gene.strip()]
    return pd.DataFrame(rows, columns=["source", "target"])
