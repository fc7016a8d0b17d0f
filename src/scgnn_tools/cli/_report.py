"""``sgt report``: one page of what was done to the cells of a file."""

import argparse
from pathlib import Path

from scgnn_tools.cli import _cells, _files


def add(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    p = words.add_parser(
        "report",
        help="write one self-contained page of all results in a file",
        epilog="example:\n  sgt report labelled.h5ad --output report.html",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("input", type=Path, help="an .h5ad file or a .zarr folder that another command wrote")
    p.add_argument("--output", "-o", type=Path, required=True, help="a new .html file")
    p.add_argument("--title", default="", help="heading of the page (default: the name of the file)")
    p.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the page."""
    from scgnn_tools.report import report

    adata = _files.read(args.input)
    report(adata, args.output, title=args.title or args.input.stem, overwrite=args.overwrite)
    _cells.written(args, args.output)
