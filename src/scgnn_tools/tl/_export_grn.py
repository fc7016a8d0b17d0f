"""``tl.export_grn``: a network as a file for Cytoscape, networkx, decoupler or a spreadsheet."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import GRN, safe_names
from scgnn_tools._log import printable, say, writable
from scgnn_tools._modality import RNA, modality
from scgnn_tools._write import write_whole
from scgnn_tools.graph.exchange import cytoscape, graphml
from scgnn_tools.grn.table import edges_of
from scgnn_tools.tl._regulons import regulons

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

Format = Literal["graphml", "cyjs", "csv", "decoupler"]
FORMATS = ("graphml", "cyjs", "csv", "decoupler")


def export_grn(
    adata: "AnnData | MuData",
    path: str | Path,
    key: str = GRN,
    *,
    format: Format | None = None,  # noqa: A002
    group: str | None = None,
    n_targets: int | None = None,
    mod: str = RNA,
    overwrite: bool = False,
) -> Path:
    """Write a network to a file, whole or not at all.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.infer_grn` was called on.
    path
        The file.
    key
        Name of the network.
    format
        "graphml" (networkx, igraph, Gephi, yEd), "cyjs" (Cytoscape, Cytoscape.js), "csv" (the whole table), "decoupler" (a CSV of
        ``source``, ``target``, signed ``weight``, see :func:`scgnn_tools.tl.regulons`); None goes by the ending of ``path``.
    group
        Network of one group of cells; None takes all. With several groups an edge is written once for each, "decoupler" takes the best.
    n_targets
        Most targets of each factor, best first.
    mod
        Modality of a MuData.
    overwrite
        Replace the file if it exists.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    MissingKeyError, InputValueError
        If there is no such network or group, the format is not known, or the file exists; nothing is written.
    """
    path = Path(path)
    chosen = path.suffix.lstrip(".").lower() if format is None else format
    if chosen not in FORMATS:
        there = ", ".join(FORMATS)
        msg = f"{printable(path.name)!r} ends in no known format; end it in .graphml, .cyjs or .csv, or pass format=, one of {there}."
        raise InputValueError(msg)
    if path.exists() and not overwrite:
        msg = f"{path} exists. Pass overwrite=True to replace it, or another path."
        raise InputValueError(msg)
    if not path.absolute().parent.is_dir():
        msg = f"There is no folder {path.absolute().parent}. Make it first, or pass another path."
        raise InputValueError(msg)
    adata = modality(adata, mod)
    if chosen == "decoupler":
        table = regulons(adata, key, group=group, n_targets=n_targets)
    else:
        table = edges_of(adata, key, group=group, n_targets=n_targets, merge=False)
    table = _writable(table)
    if chosen in ("csv", "decoupler"):
        text = table.to_csv(index=False)
    else:
        text = graphml(table) if chosen == "graphml" else cytoscape(table, name=writable(key))
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
    say(f"export_grn: {len(table):,} edges as {chosen} -> {path}")
    return path


def _writable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text that every file takes; two genes stay two."""
    genes = pd.unique(pd.concat([table["source"], table["target"]]).astype(str).to_numpy(dtype=object))
    safe = dict(zip(genes, safe_names(genes, make=writable), strict=True))
    ends = {c: table[c].astype(str).map(safe) for c in ("source", "target")}
    others = [c for c in table if c not in ends and table[c].dtype.kind not in "biuf"]
    return table.assign(**ends, **{c: table[c].map(lambda v: writable(v) if isinstance(v, str) else v) for c in others})
