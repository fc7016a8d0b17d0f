"""``sgt integrate``: one space for the cells of several batches, or new cells in a space that is there."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn_tools._errors import InputValueError
from scgnn_tools.cli import _cells, _files

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.cli._cells import Words

EXAMPLES = """  sgt integrate cells.h5ad --batch-key donor --labels-key cell_type --output joined.h5ad
  sgt integrate cells.h5ad --batch-key donor --method scvi --save atlas --output joined.h5ad
  sgt integrate new.h5ad --atlas atlas --output mapped.h5ad"""


def add(words: "Words") -> None:
    """Add the command to the parser."""
    p = _cells.command(words, "integrate", "give the cells of several batches one space", EXAMPLES)
    _cells.add(p, organism=False)
    p.add_argument("--batch-key", help="column of obs: the sample, donor, chemistry or study of each cell")
    p.add_argument("--labels-key", help="column of obs with cell types, to score with")
    p.add_argument("--method", help="harmony, center, combat, scvi, scanvi, cgc, scgpt, none (default: harmony)")
    p.add_argument("--use-rep", help="key of obsm: an embedding to correct (default: principal components)")
    p.add_argument("--checkpoint", type=Path, help="weights of a foundation model, for cgc and scgpt")
    p.add_argument("--max-epochs", type=int, help="of a method that is trained")
    p.add_argument("--save", type=Path, help="keep the fitted method in this new folder, to map new cells with")
    p.add_argument("--atlas", type=Path, help="map the cells with the method that --save kept; nothing is trained")
    p.add_argument("--seed", type=int, default=0)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Integrate, or map, as asked."""
    import scgnn_tools as sgt
    from scgnn_tools.integration import Integrator

    _check(args)
    matrix = {"layer": args.layer, "gene_key": args.gene_key}
    names = ("method", "labels_key", "use_rep", "checkpoint", "max_epochs")
    how = {k: v for k in names if (v := getattr(args, k)) is not None}
    fit = {**matrix, **how, "rng": args.seed, "device": args.device}

    def integrate(adata: "AnnData") -> None:
        if args.atlas:
            Integrator.load(args.atlas, device=args.device).map_query(adata, args.batch_key, **matrix)
        elif args.save:
            atlas = Integrator.fit(adata, args.batch_key, **fit)
            atlas.save(args.save)
            atlas.map_query(adata, args.batch_key, **matrix)
        else:
            sgt.tl.integrate(adata, args.batch_key, **fit)

    _cells.work(args, integrate)


def _check(args: argparse.Namespace) -> None:
    """Refuse what does not go together, before anything is read."""
    if args.atlas and (args.save or args.method or args.checkpoint or args.labels_key or args.use_rep):
        msg = "--atlas maps with a method that is there: leave out --method, --checkpoint, --labels-key, --use-rep and --save."
        raise InputValueError(msg)
    if not args.atlas and not args.batch_key:
        msg = "Pass --batch-key, the column of obs that holds the batches, or --atlas, the folder of a fitted method."
        raise InputValueError(msg)
    _files.check_save(args.save, args.output)
