"""``sgt report``: one page of what was done to the cells of a file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn_tools._errors import InputValueError
from scgnn_tools.cli import _cells, _files

if TYPE_CHECKING:
    from scgnn_tools.cli._cells import Words


def add(words: "Words") -> None:
    """Add the command to the parser."""
    text = "write one self-contained page of all results in a file"
    p = _cells.command(words, "report", text, "  sgt report labelled.h5ad --output report.html")
    p.add_argument("input", type=Path, help="an .h5ad file or a .zarr folder that another command wrote")
    p.add_argument("--output", "-o", type=Path, required=True, help="a new .html file")
    p.add_argument("--title", default="", help="heading of the page (default: the name of the file)")
    p.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the page."""
    from scgnn_tools.report import report
    from scgnn_tools.report.sections import sections

    adata = _files.read(args.input)
    if not sections(adata):
        msg = f"{args.input} holds no result to report. Run sgt embed, annotate, grn, integrate or perturb first."
        raise InputValueError(msg)
    report(adata, args.output, title=args.title or args.input.stem, overwrite=args.overwrite)
    _cells.written(args, args.output)
