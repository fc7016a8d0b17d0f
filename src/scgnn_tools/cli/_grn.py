"""``sgt grn``: a gene regulatory network of the cells of a file, and its exports."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn_tools._keys import GrnKeys
from scgnn_tools._write import write_whole
from scgnn_tools.cli import _cells, _files

if TYPE_CHECKING:
    from scgnn_tools.cli._cells import Words

EXAMPLES = """  sgt grn cells.h5ad --output network.h5ad
  sgt grn cells.h5ad --output network.csv --tfs SPI1
  sgt grn cells.h5ad --output network.h5ad --groupby cell_type --store runs/ --export network.graphml --export network.html"""

METHODS = (
    "sgt, scregnet, sctransnet, degree, collaborative, cosine, pcc, spearman, mi, gne, cnnc, "
    "deepdrim, genie3, genelink, gnnlink, grnboost2, scode"
)
"""Written out, since the package is not imported for the help; a test compares them."""


def add(words: "Words") -> None:
    """Add the command to the parser."""
    p = _cells.command(words, "grn", "infer a gene regulatory network", EXAMPLES)
    _cells.add(p, output="a new .h5ad file, or .csv for the edges alone")
    p.add_argument("--method", help=f"{METHODS} (default: sgt)")
    p.add_argument("--split", help="how the evaluation holds edges back (default: unseen_tf_matched)")
    p.add_argument(
        "--prior",
        action="append",
        help="trrust, collectri, dorothea, a file or a key of varp (default: trrust); may be repeated",
    )
    p.add_argument("--tfs", help="a transcription factor, or a file with one a line (default: a bundled list)")
    p.add_argument("--mask", help="a network, as --prior: only its pairs can be edges")
    p.add_argument("--groupby", help="column of obs: a network for each of its groups")
    p.add_argument("--n-runs", type=int, help="trainings with different seeds (default: 3)")
    p.add_argument("--n-top", type=int, help="targets kept of each factor (default: 100)")
    p.add_argument("--store", type=Path, help="folder of finished runs: a killed command goes on from there")
    p.add_argument(
        "--export",
        type=Path,
        action="append",
        default=[],
        help="write the network too: .graphml, .cyjs, .csv, .tsv, .gmt, .parquet, or .html for the page; may be repeated",
    )
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Infer and export."""
    import scgnn_tools as sgt

    how = _cells.given(args, "method", "split", "prior", "tfs", "mask", "groupby", "n_runs", "n_top", "store")
    if len(how.get("prior", [])) == 1:
        how["prior"] = how["prior"][0]
    for path in args.export:
        _files.check_export(path, overwrite=args.overwrite)
    store = [] if args.store is None else [args.store]
    _files.check_distinct([args.output, *args.export, *store], "--output, --export and --store")
    adata = _cells.work(args, lambda adata: sgt.tl.infer_grn(adata, **how), tables=True)
    if _files.ending(args.output) == ".csv":
        edges = adata.uns[GrnKeys().uns]["edges"]
        write_whole(args.output, lambda part: edges.to_csv(part, index=False))
        _cells.written(args, args.output)
    for path in args.export:
        if _files.ending(path) == ".html":
            sgt.pl.grn(adata, interactive=True, save=path)
        else:
            sgt.tl.export_grn(adata, path, overwrite=True)
        _cells.written(args, path)
