"""``sgt embed``: vectors of a foundation model, into the file of cells or into a store of their own."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn_tools.cli import _cells, _files, _workers

if TYPE_CHECKING:
    from scgnn_tools.cli._cells import Words

EXAMPLES = """  sgt embed cells.h5ad --output embedded.h5ad
  sgt embed cells.h5ad --checkpoint weights/ --output embedded.h5ad
  sgt embed atlas.h5ad --store vectors.zarr --shard 3/16
  sgt embed atlas.h5ad --store vectors.zarr --devices 4"""


def add(words: "Words") -> None:
    """Add the command to the parser."""
    p = _cells.command(words, "embed", "add cell and gene vectors of a foundation model", EXAMPLES)
    _cells.add(p, required=False)
    p.add_argument("--model", default="auto", help="name of a model, see `sgt models` (default: the best bundled)")
    p.add_argument("--checkpoint", type=Path, help="weights, in a published format or as this package saves them")
    _cells.add_store(p, "vectors")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Embed."""
    import scgnn_tools as sgt

    how = _cells.given(args, "model", "checkpoint")
    _files.check_place(args)
    if args.model != "auto":
        sgt.fm.card(args.model)  # a wrong name is an error before any file is read
    if _workers.spread(args):
        return
    if args.store is None:
        _cells.work(args, lambda adata: sgt.tl.embed(adata, **how))
        return
    sgt.tl.embed(args.input, store=args.store, shard=args.shard, **how)
    _cells.print_store(args)
