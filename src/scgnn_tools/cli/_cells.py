"""What the commands on a file of cells have in common: the input, the output, and which matrix and genes are meant."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._write import write_whole
from scgnn_tools.cli import _files, _json

if TYPE_CHECKING:
    from anndata import AnnData

    Words = argparse._SubParsersAction[argparse.ArgumentParser]

INPUT = "cells: .h5ad, .zarr, 10x .h5, .loom, a table of text, or a folder with matrix.mtx"


def command(words: "Words", name: str, text: str, examples: str) -> argparse.ArgumentParser:
    """Add a command whose help ends in examples."""
    return words.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add(
    p: argparse.ArgumentParser,
    *,
    output: str = "a new .h5ad file",
    required: bool = True,
    organism: bool = True,
) -> None:
    """Add the shared arguments."""
    p.add_argument("input", type=Path, help=INPUT)
    p.add_argument("--output", "-o", type=Path, required=required, help=output)
    p.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    p.add_argument("--layer", help="the matrix to use: a layer, X or raw (default: the first that fits)")
    p.add_argument("--gene-key", help="column of var that holds the gene names (default: var_names)")
    if organism:
        p.add_argument("--organism", choices=["human", "mouse"], help="default: found out from the gene names")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")


def add_store(p: argparse.ArgumentParser, what: str) -> None:
    """Add the arguments of a command whose result can go into a store."""
    p.add_argument("--store", help=f"a zarr folder of {what} in the place of --output: larger than memory, resumable")
    p.add_argument("--shard", type=_shard, metavar="I/N", help="with --store: part I of N of the cells, counted from 0")
    p.add_argument("--devices", type=int, default=1, help="with --store: GPUs, or processes on the CPU (default: 1)")


def _shard(text: str) -> tuple[int, int]:
    index, slash, n = text.partition("/")
    if not slash or not (index.isdecimal() and n.isdecimal()):
        msg = f"a part and their number, as in 0/16 to 15/16; got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(index), int(n)


def written(args: argparse.Namespace, path: Path | str, more: str = "") -> None:
    """Say that a file was written."""
    print(f"{path} written{more}")
    args.report.setdefault("written", []).append(str(path))


def print_store(args: argparse.Namespace) -> None:
    """Say that a store, or a part of it, was written."""
    written(args, args.store, f", part {args.shard[0]} of {args.shard[1]}" if args.shard else "")


def given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the arguments of these names that were given; the shared ones are among them."""
    every = ("layer", "gene_key", "organism", "device", *names)
    return {k: v for k in every if (v := getattr(args, k, None)) is not None}


def work(args: argparse.Namespace, do: "Callable[[AnnData], object]", *, tables: bool = False) -> "AnnData":
    """Read the cells, do what is asked, and write them; nothing is read before the output has been found possible.

    With ``tables`` the caller writes an output that ends in .csv.
    """
    _files.check_output(args.output, overwrite=args.overwrite)
    if _files.ending(args.output) == ".csv" and not tables:
        msg = f"`sgt {args.word}` writes an .h5ad file; got --output {args.output}."
        raise InputValueError(msg)
    resolve_device(args.device)
    adata = _files.read(args.input)
    _files.check_space(args.output, adata)
    before = dict(adata.uns)
    do(adata)
    args.report["results"] = _json.results(before, adata.uns)
    if _files.ending(args.output) != ".csv":
        _files.check_space(args.output, adata)
        write_whole(args.output, adata.write_h5ad)
        written(args, args.output)
    return adata
