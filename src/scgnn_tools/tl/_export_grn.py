"""``tl.export_grn``: a network as a file for Cytoscape, networkx, decoupler, pySCENIC or a spreadsheet."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer, number
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._keys import GRN
from scgnn_tools._log import counted, printable, say, writable
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import safe_names
from scgnn_tools._write import as_path, check_folder_of, write_whole
from scgnn_tools.data import open_expression
from scgnn_tools.graph.exchange import cytoscape, graphml
from scgnn_tools.graph.regulon_files import adjacencies, gene_sets, loom, write_loom
from scgnn_tools.grn.names import shown_names
from scgnn_tools.grn.table import edges_of, network, weighted

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

Format = Literal["graphml", "cyjs", "csv", "parquet", "decoupler", "gmt", "scenic", "loom"]
FORMATS = get_args(Format)
BY_ENDING = {"tsv": "scenic"}


@door
def export_grn(
    adata: "AnnData | MuData",
    path: str | Path,
    key: str = GRN,
    *,
    format: Format | None = None,  # noqa: A002
    group: str | None = None,
    n_targets: int | None = None,
    n_top: int | None = None,
    min_score: float | None = None,
    mod: str = RNA,
    overwrite: bool = False,
) -> Path:
    """Write a network to a file for another program.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.infer_grn` was called on.
    path
        The file.
    key
        Name of the network.
    format
        None goes by the ending of ``path``. Else one of these:

        - ``"graphml"``: for networkx, igraph, Gephi, yEd.
        - ``"cyjs"``: for Cytoscape and Cytoscape.js.
        - ``"csv"`` and ``"parquet"``: the whole table; Parquet needs pyarrow.
        - ``"decoupler"``: a CSV of ``source``, ``target``, signed ``weight``, see :func:`scgnn_tools.tl.regulons`.
        - ``"gmt"``: gene sets, a line for each transcription factor, and what it represses in a line of its own.
        - ``"scenic"``: the adjacencies of pySCENIC and GRNBoost2, ``TF``, ``target``, ``importance``; the ending is .tsv.
        - ``"loom"``: cells and regulons as SCENIC has them, ``SPI1(+)`` and what it represses as ``SPI1(-)``; needs loompy.

    group
        Network of one group of cells; None takes all. With several groups an edge is written once for each, "decoupler" takes the best.
    n_targets
        Most targets of each transcription factor, best first.
    n_top
        Most edges in all, best first.
    min_score
        Least score of an edge.
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
        If there is no such network or group, the format is not known, the file exists, or no edge is left; nothing is written.
    MissingExtraError
        If a format needs a package that is not installed.

    Examples
    --------
    >>> sgt.tl.export_grn(adata, "network.graphml", n_top=500).name
    'network.graphml'
    >>> sgt.tl.export_grn(adata, "regulons.gmt", n_targets=50).name
    'regulons.gmt'
    """
    path = as_path("path", path)
    ending = path.suffix.lstrip(".").lower()
    chosen = BY_ENDING.get(ending, ending) if format is None else format
    integer("n_top", n_top, or_none=True)
    number("min_score", min_score, or_none=True)
    if chosen not in FORMATS:
        there = ", ".join(FORMATS)
        msg = (
            f"{printable(path.name)!r} ends in no known format; end it in .graphml, .cyjs, .csv, .tsv, .parquet, .gmt or .loom, or pass "
            f"format=, one of {there}."
        )
        raise InputValueError(msg)
    if path.exists() and not path.is_dir() and not overwrite:
        msg = f"{path} exists. Pass overwrite=True to replace it, or another path."
        raise InputValueError(msg)
    check_folder_of(path)
    adata = modality(adata, mod)
    merge = chosen in ("decoupler", "gmt", "scenic", "loom")
    edges = edges_of(adata, key, group=group, n_targets=n_targets, merge=merge, named=True)
    edges = edges if min_score is None else edges[edges["score"] >= min_score]
    edges = edges.head(len(edges) if n_top is None else n_top)
    if edges.empty:
        msg = f"There is no edge to write: none has a score of at least {min_score}. Lower min_score."
        raise InputValueError(msg)
    table = _writable(edges)
    write_whole(path, _writer(chosen, table, adata, key))
    say(f"export_grn: {counted(len(table), 'edge')} as {chosen} -> {path}")
    return path


def _writer(chosen: str, table: pd.DataFrame, adata: "AnnData", key: str) -> Callable[[Path], object]:
    """Return what writes the table in the format, with whatever may be missing looked for before."""
    if chosen == "parquet":
        content = _parquet(table)
        return lambda part: part.write_bytes(content)
    if chosen == "loom":
        loom()
        expression = open_expression(adata)
        called = shown_names(adata, network(adata, key).get("params", {}))
        genes = np.array([called.get(g, g) for g in expression.var.index.astype(str)], dtype=object)
        cells = adata.obs_names.to_numpy(dtype=object)
        return lambda part: write_loom(part, expression.log_normalized(), cells, genes, table)
    texts: dict[str, Callable[[], str]] = {
        "csv": lambda: table.to_csv(index=False), "decoupler": lambda: weighted(table).to_csv(index=False),
        "gmt": lambda: gene_sets(table), "scenic": lambda: adjacencies(table), "graphml": lambda: graphml(table),
        "cyjs": lambda: cytoscape(table, name=writable(key)),
    }  # fmt: skip
    text = texts[chosen]()
    return lambda part: part.write_text(text, encoding="utf-8")


def _parquet(table: pd.DataFrame) -> bytes:
    try:
        return table.to_parquet(index=False)
    except ImportError as error:
        msg = "Parquet is written with pyarrow, which is not installed. Run: pip install pyarrow"
        raise MissingExtraError(msg) from error


def _writable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text that every file takes; two genes stay two."""
    genes = pd.unique(pd.concat([table["source"], table["target"]]).astype(str).to_numpy(dtype=object))
    safe = dict(zip(genes, safe_names(genes, make=writable), strict=True))
    ends = {c: table[c].astype(str).map(safe) for c in ("source", "target")}
    others = [c for c in table if c not in ends and table[c].dtype.kind not in "biuf"]
    return table.assign(**ends, **{c: table[c].map(lambda v: writable(v) if isinstance(v, str) else v) for c in others})
