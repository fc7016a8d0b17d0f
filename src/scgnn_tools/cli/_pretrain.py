"""``sgt pretrain``: a Cell-Graph Compass from a folder of files."""

import argparse
import os
from pathlib import Path

from scgnn_tools._errors import InputValueError

SIZES = {"dim": 512, "heads": 8, "hidden": 512, "n_layers": 12, "n_graph_layers": 3, "max_length": 1201}
BULK_LENGTH = 2049
"""Tokens of a bulk sample: 2,048 genes and its own."""


def add(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    p = words.add_parser(
        "pretrain",
        help="pretrain a Cell-Graph Compass on your own cells; goes on where it was stopped",
        epilog="example: sgt pretrain cells/ --output run --steps 20000",
    )
    p.add_argument("input", type=Path, nargs="+", help=".h5ad files, .zarr folders, or folders of these")
    p.add_argument("--output", type=Path, required=True, help="folder of the state, the losses and the model")
    p.add_argument("--checkpoint", type=Path, help="a saved model whose training goes on (default: random weights)")
    for name, value in SIZES.items():
        p.add_argument(f"--{name.replace('_', '-')}", type=int, help=f"of a new network (default: {value})")
    p.add_argument("--dropout", type=float, help="of a new network (default: 0.2)")
    p.add_argument(
        "--variant", choices=("repo", "paper"), help="network of the published code or of its paper (default: repo)"
    )
    p.add_argument(
        "--thinning",
        choices=("strongest", "random", "none"),
        help="co-expression edges that a crowded cell keeps (default: strongest; none, all of them, for the paper's network)",
    )
    p.add_argument(
        "--bulk",
        action="store_true",
        help="the files hold bulk samples (counts, TPM or FPKM): log values in place of bins, 2049 tokens unless --max-length is given",
    )
    p.add_argument(
        "--coexpression", help="auto, or a table source, target, weight: edges of co-expressed genes (default: none)"
    )
    p.add_argument("--text", type=Path, help="table of text features, genes × numbers")
    p.add_argument("--no-graph", action="store_true", help="a transformer without the gene graph")
    p.add_argument(
        "--min-cells", type=int, default=10, help="cells that express a gene of the vocabulary (default: 10)"
    )
    p.add_argument(
        "--n-top-genes", type=int, help="genes of each file that vary most; the paper takes 10000 (default: all)"
    )
    p.add_argument(
        "--min-genes", type=int, default=0, help="cells with fewer expressed genes are left out (default: 0)"
    )
    p.add_argument("--max-mito", type=float, help="largest share of a cell's counts in mitochondria (default: any)")
    length = p.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, default=3, help="times that every cell is seen (default: 3)")
    length.add_argument("--steps", type=int, help="steps of the optimiser, in place of epochs")
    for name, kind, text in (
        ("batch-size", int, "cells a batch on each device (default: 32)"),
        ("accumulate", int, "batches a step (default: 1)"),
        ("lr", float, "learning rate (default: 1e-4)"),
        ("warmup", int, "steps until the full learning rate (default: 5000)"),
        ("share", float, "share of a cell's genes that are hidden (default: 0.4)"),
    ):
        p.add_argument(f"--{name}", type=kind, help=text)
    p.add_argument("--devices", type=int, default=1, help="GPUs, or processes on the CPU (default: 1)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    p.add_argument("--precision", help="32-true, bf16-mixed, 16-mixed (default: by device)")
    p.add_argument("--checkpoint-every", type=int, default=500, help="steps between two states on disk (default: 500)")
    p.add_argument("--no-resume", action="store_true", help="begin anew, over what the folder holds")
    p.add_argument("--skip-bad", action="store_true", help="pass over files that cannot be read, with a warning")
    p.add_argument("--gene-key", help="column of var that holds the gene names (default: var_names)")
    p.add_argument("--layer", help="the matrix to use: a layer, X or raw (default: the first that fits)")
    p.add_argument("--seed", type=int, default=0)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Pretrain as asked."""
    import scgnn_tools as sgt
    from scgnn_tools.models.untrained import untrained_cgc
    from scgnn_tools.train.corpus import Corpus
    from scgnn_tools.train.pretrain import pretrain, schedule_for

    names = {"layer": args.layer, "gene_key": args.gene_key, "on_bad": "skip" if args.skip_bad else "raise"}
    given = {
        k: v
        for k in ("steps", "batch_size", "accumulate", "lr", "warmup", "share")
        if (v := getattr(args, k)) is not None
    }
    sizes = {k: v for k in (*SIZES, "dropout", "variant") if (v := getattr(args, k)) is not None}
    if args.bulk:
        sizes = {"max_length": BULK_LENGTH, **sizes, "continuous": True}
    if args.thinning is not None:
        sizes["thinning"] = None if args.thinning == "none" else args.thinning
    if args.checkpoint:
        if args.coexpression or args.text:
            msg = "A saved model has its edges and text features; leave out --coexpression and --text."
            raise InputValueError(msg)
        model = sgt.fm.load("cgc", checkpoint=args.checkpoint, device=args.device, **sizes)
    else:
        model = untrained_cgc(
            args.input,
            graph=not args.no_graph,
            coexpression=args.coexpression,
            text=args.text,
            min_cells=args.min_cells,
            rng=args.seed,
            device=args.device,
            **names,
            **sizes,
        )
    chosen = {"n_top_genes": args.n_top_genes, "min_genes": args.min_genes, "max_mito": args.max_mito}
    corpus = Corpus(args.input, model, seed=args.seed, **chosen, **names)
    history = pretrain(
        model,  # type: ignore[arg-type]
        corpus,
        args.output,
        schedule=schedule_for(corpus, args.epochs, args.devices, given),
        devices=args.devices,
        precision=args.precision,
        checkpoint_every=args.checkpoint_every,
        resume=not args.no_resume,
        seed=args.seed,
    )
    if int(os.environ.get("LOCAL_RANK", 0)):
        return
    print(history.to_string(index=False))
    print(f"sgt embed FILE --model cgc --checkpoint {args.output}/model --output NEW  # embeds with it")
