"""``sgt annotate``: labels for a file of cells, and an annotator that is kept for others."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn_tools._errors import InputValueError
from scgnn_tools.cli import _cells, _files, _workers

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.cli._cells import Words


EXAMPLES = """  sgt annotate cells.h5ad --output labelled.h5ad
  sgt annotate cells.h5ad --reference atlas.h5ad --labels cell_type --save atlas/ --output labelled.h5ad
  sgt annotate others.h5ad --reference atlas/ --output labelled.h5ad
  sgt annotate large.h5ad --reference atlas/ --store labels.zarr --shard 3/16"""

METHODS = (
    "auto, scgrapht, scbignn, logreg_pca, centroid, knn_pca, logreg_rep, knn_rep, sgd_genes, "
    "logreg_genes, svm_genes, spearman_genes, lda_pca, forest_genes, gcn_pca, celltypist, singler, "
    "mlp, scanvi, cgc"
)
"""Written out, since the package is not imported for the help; a test compares them."""


def add(words: "Words") -> None:
    """Add the command to the parser."""
    p = _cells.command(words, "annotate", "label the cells", EXAMPLES)
    _cells.add(p, required=False)
    p.add_argument("--method", help=f"{METHODS} (default: auto)")
    p.add_argument(
        "--reference", help="labelled cells, in any kind of file, or the folder of a saved annotator (default: bundled)"
    )
    p.add_argument("--labels", "--labels-key", dest="labels_key", help="column of obs that holds the known labels")
    p.add_argument(
        "--batch-key", help="column of obs of the labelled cells: experiments, held out in turn for the score"
    )
    p.add_argument("--donor-key", help="the same for donors")
    p.add_argument("--save", type=Path, help="folder of the trained annotator, for other queries: --reference FOLDER")
    p.add_argument(
        "--majority",
        nargs="?",
        const=True,
        default=False,
        metavar="COLUMN",
        help="label clusters too: of a column of obs, or made here",
    )
    _cells.add_store(p, "labels")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Label the cells of a file."""
    _files.check_place(args)
    _check(args)
    if _workers.spread(args):
        return
    how = _cells.given(args, "method", "labels_key")
    if args.store is None:
        _cells.work(args, lambda adata: _label(adata, args, how))
        return
    _label(args.input, args, how, store=args.store, shard=args.shard)
    _cells.print_store(args)


def _check(args: argparse.Namespace) -> None:
    """Refuse a folder that could not be written, before any work is done."""
    if args.save is None:
        return
    if args.reference and (Path(args.reference) / "config.json").is_file():
        msg = f"{args.reference} is a saved annotator already. Leave out --save, or pass labelled cells by --reference."
        raise InputValueError(msg)
    if args.shard is not None or args.devices > 1:
        msg = "--save trains an annotator, which parts of a store share: train it once, then pass --reference FOLDER to every part."
        raise InputValueError(msg)
    if args.store is not None:
        _files.check_distinct([args.save, Path(args.store)], "--store and --save")
    _files.check_save(args.save, args.output, overwrite=args.overwrite, hint="--overwrite to replace it, or ")


def _label(adata: "AnnData | Path", args: argparse.Namespace, given: dict[str, Any], **place: Any) -> None:
    """Label the cells; with ``--save`` by an annotator that is kept."""
    import scgnn_tools as sgt

    training = {k: v for k in ("batch_key", "donor_key") if (v := getattr(args, k)) is not None}
    if args.save is None:
        sgt.tl.annotate(adata, reference=args.reference, majority=args.majority, **given, **training, **place)
        return
    of_query = {k: given[k] for k in ("layer", "gene_key", "organism") if k in given}
    training |= {k: v for k, v in given.items() if k != "organism"}
    annotator = sgt.annotation.Annotator.fit(args.reference, **training)
    annotator.save(args.save, overwrite=args.overwrite)
    _cells.written(args, args.save)
    annotator.annotate(adata, majority=args.majority, **of_query, **place)
