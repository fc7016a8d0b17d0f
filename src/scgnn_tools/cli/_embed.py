"""``sgt embed``: vectors of a foundation model, into the file of cells or into a store of their own."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn_tools.cli import _cells, _files

if TYPE_CHECKING:
    from scgnn_tools.cli._cells import Words

EXAMPLES = """  sgt embed cells.h5ad --output embedded.h5ad
  sgt embed cells.h5ad --checkpoint weights/ --output embedded.h5ad
  sgt embed atlas.h5ad --store vectors.zarr --shard 3/16"""


def add(words: "Words") -> None:
    """Add the command to the parser."""
    p = _cells.command(words, "embed", "add cell and gene vectors of a foundation model", EXAMPLES)
    _cells.add(p, required=False, device=False)
    p.add_argument("--model", default="auto", help="name of a model, see `sgt models` (default: the best bundled)")
    p.add_argument("--checkpoint", type=Path, help="weights, in a published format or as this package saves them")
    p.add_argument("--store", help="a zarr folder of vectors in the place of --output: larger than memory, resumable")
    p.add_argument("--shard", type=_shard, metavar="I/N", help="with --store: part I of N of the cells, counted from 0")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Embed."""
    import scgnn_tools as sgt

    how = _cells.given(args, "model", "checkpoint")
    _files.check_place(args.output, args.store, args.shard)
    if args.store is None:
        _cells.work(args, lambda adata: sgt.tl.embed(adata, **how))
        return
    sgt.tl.embed(args.input, store=args.store, shard=args.shard, **how)
    print(f"{args.store} written" + (f", part {args.shard[0]} of {args.shard[1]}" if args.shard else ""))


def _shard(text: str) -> tuple[int, int]:
    index, slash, n = text.partition("/")
    if not slash or not (index.isdecimal() and n.isdecimal()):
        msg = f"a part and their number, as in 0/16 to 15/16; got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(index), int(n)
