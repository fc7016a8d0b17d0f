"""``sgt integrate``: one space for the cells of several batches, or new cells in a space that is there."""

import argparse
from pathlib import Path

from scgnn_tools._errors import InputValueError
from scgnn_tools._write import write_whole
from scgnn_tools.cli import _files

EXAMPLE = """examples:
  sgt integrate cells.h5ad --batch-key donor --labels-key cell_type --output joined.h5ad
  sgt integrate cells.h5ad --batch-key donor --method scvi --save atlas --output joined.h5ad
  sgt integrate new.h5ad --atlas atlas --output mapped.h5ad
"""


def add(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    p = words.add_parser(
        "integrate",
        help="give the cells of several batches one space",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("input", type=Path, help="an .h5ad file or a .zarr folder")
    p.add_argument("--output", type=Path, required=True, help="a new .h5ad file")
    p.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    p.add_argument("--batch-key", help="column of obs: the sample, donor, chemistry or study of each cell")
    p.add_argument("--labels-key", help="column of obs with cell types, to score with")
    p.add_argument("--method", help="harmony, center, combat, scvi, scanvi, cgc, scgpt, none (default: harmony)")
    p.add_argument("--use-rep", help="key of obsm: an embedding to correct (default: principal components)")
    p.add_argument("--checkpoint", type=Path, help="weights of a foundation model, for cgc and scgpt")
    p.add_argument("--max-epochs", type=int, help="of a method that is trained")
    p.add_argument("--save", type=Path, help="keep the fitted method in this new folder, to map new cells with")
    p.add_argument("--atlas", type=Path, help="map the cells with the method that --save kept; nothing is trained")
    p.add_argument("--layer", help="the matrix to use: a layer, X or raw (default: the first that fits)")
    p.add_argument("--gene-key", help="column of var that holds the gene names (default: var_names)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")
    p.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> None:
    """Integrate, or map, as asked."""
    import scgnn_tools as sgt
    from scgnn_tools.integration import Integrator

    _check(args)
    _files.check_output(args.output, overwrite=args.overwrite)
    adata = _files.read(args.input)
    _files.check_space(args.output, adata)
    matrix = {"layer": args.layer, "gene_key": args.gene_key}
    how = {k: v for k in ("labels_key", "use_rep", "checkpoint", "max_epochs") if (v := getattr(args, k)) is not None}
    how |= {"method": args.method} if args.method else {}
    if args.atlas:
        Integrator.load(args.atlas, device=args.device).map_query(adata, args.batch_key, **matrix)
    elif args.save:
        atlas = Integrator.fit(adata, args.batch_key, **matrix, **how, rng=args.seed, device=args.device)
        atlas.save(args.save)
        atlas.map_query(adata, args.batch_key, **matrix)
    else:
        sgt.tl.integrate(adata, args.batch_key, **matrix, **how, rng=args.seed, device=args.device)
    _files.check_space(args.output, adata)
    write_whole(args.output, adata.write_h5ad)
    print(f"{args.output} written")


def _check(args: argparse.Namespace) -> None:
    """Refuse what does not go together, before anything is read."""
    if args.atlas and (args.save or args.method or args.checkpoint or args.labels_key or args.use_rep):
        msg = "--atlas maps with a method that is there: leave out --method, --checkpoint, --labels-key, --use-rep and --save."
        raise InputValueError(msg)
    if not args.atlas and not args.batch_key:
        msg = "Pass --batch-key, the column of obs that holds the batches, or --atlas, the folder of a fitted method."
        raise InputValueError(msg)
    if args.output.suffix == ".csv":
        msg = f"`sgt integrate` writes an .h5ad file; got --output {args.output}."
        raise InputValueError(msg)
    if args.save and args.save.exists():
        msg = f"{args.save} exists. Pass another --save."
        raise InputValueError(msg)
