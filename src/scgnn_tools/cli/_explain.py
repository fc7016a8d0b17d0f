"""``sgt explain``: which genes the labels of the cells of a file rest on."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn_tools._keys import ExplainKeys
from scgnn_tools._write import write_whole
from scgnn_tools.cli import _cells, _files
from scgnn_tools.cli._annotate import METHODS

if TYPE_CHECKING:
    import pandas as pd

    from scgnn_tools.cli._cells import Words

EXAMPLES = """  sgt explain cells.h5ad --labels cell_type --output explained.h5ad
  sgt explain cells.h5ad --labels cell_type --method logreg_pca --output genes.csv --figure genes.png
  sgt explain cells.h5ad --reference atlas.h5ad --labels cell_type --how gradcam --pathway P2 --output explained.h5ad"""


def add(words: "Words") -> None:
    """Add the command to the parser."""
    p = _cells.command(words, "explain", "find the genes that the labels rest on", EXAMPLES)
    _cells.add(
        p,
        output="a new .h5ad file, or .csv for the table of genes alone (of entries with --n-seeds, or where there are no genes)",
    )
    p.add_argument("--labels", "--labels-key", dest="labels_key", help="column of obs that holds the known labels")
    p.add_argument("--reference", help="labelled cells, in any kind of file (default: bundled, without --labels)")
    p.add_argument("--method", help=f"{METHODS} (default: scgrapht)")
    p.add_argument("--how", help="occlusion, gradcam or integrated_gradients (default: occlusion)")
    p.add_argument(
        "--pathway", help="of scgrapht: gradcam wants P2 (genes, and entries of the vectors) or P4 (entries alone)"
    )
    p.add_argument("--n-cells", type=int, help="cells of each class that are asked about (default: 30)")
    p.add_argument("--n-genes", type=int, help="genes that are asked about with occlusion (default: 300)")
    p.add_argument(
        "--n-seeds",
        type=int,
        help="gradcam: trainings to compare; from 2 on the .csv and the figure are of entries of the vectors (default: 1)",
    )
    p.add_argument("--figure", type=Path, help="draw what a .csv holds too: .png, .pdf or .svg")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Explain, and write the table and the figure."""
    import scgnn_tools as sgt

    how = _cells.given(args, "labels_key", "reference", "method", "how", "pathway", "n_cells", "n_genes", "n_seeds")
    if args.figure:
        _files.check_figure(args.figure, overwrite=args.overwrite)
        _files.check_distinct([args.output, args.figure], "--output and --figure")
    adata = _cells.work(args, lambda adata: sgt.tl.explain(adata, **how), tables=True)
    # it is entries that trainings are compared by
    entries = "genes" not in adata.uns[ExplainKeys().uns] or (args.n_seeds or 1) > 1
    if _files.ending(args.output) == ".csv":
        table = _table(adata.uns[ExplainKeys().uns], entries=entries)
        write_whole(args.output, lambda part: table.to_csv(part))
        _cells.written(args, args.output)
    if args.figure:
        draw = sgt.pl.explain_entries if entries else sgt.pl.explain
        draw(adata, save=args.figure)
        _cells.written(args, args.figure)


def _table(entry: dict[str, Any], *, entries: bool) -> "pd.DataFrame":
    """Return the importances, genes × classes, under the classes' own names; or those of the entries of the vectors by side."""
    import pandas as pd

    from scgnn_tools.annotation.entries import SIDES

    sides = {s: entry["entries"][s] for s in SIDES} if entries else {}
    table = pd.concat(sides, names=["side", "entry"]) if entries else entry["genes"].rename_axis("gene")
    return table.set_axis(list(entry["classes"]), axis=1)
