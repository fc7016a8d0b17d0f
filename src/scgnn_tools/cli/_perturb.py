"""``sgt perturb``: how well unseen perturbations can be predicted from a screen, and what they would do."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn_tools._keys import PerturbationKeys
from scgnn_tools._write import write_whole
from scgnn_tools.cli import _cells, _files

if TYPE_CHECKING:
    from scgnn_tools.cli._cells import Words

EXAMPLES = """  sgt perturb screen.h5ad --perturbation-key target --output scored.h5ad
  sgt perturb screen.h5ad --perturbation-key target --query STAT2 --query JAK2+STAT1 --output changes.csv"""

METHODS = "kernel, no_change, mean, shrunken_mean, matching_mean, additive, linear, cgc, scgpt, gears"
"""Written out, since the package is not imported for the help; a test compares them."""


def add(words: "Words") -> None:
    """Add the command to the parser."""
    p = _cells.command(
        words, "perturb", "predict perturbations that a screen does not hold, beside baselines and a ceiling", EXAMPLES
    )
    _cells.add(p, output="a new .h5ad file, or .csv for the predicted changes alone", organism=False)
    p.add_argument("--perturbation-key", required=True, help="column of obs that holds what was done to each cell")
    p.add_argument("--control", help="name of the untreated cells in that column (default: found out)")
    p.add_argument("--query", action="append", help="a perturbation to predict, as A or A+B; may be repeated")
    p.add_argument("--method", help=f"{METHODS} (default: kernel)")
    p.add_argument("--batch-key", help="column of obs: replicates, whose differences are taken off")
    p.add_argument("--dose-key", help="column of obs: the dose of each perturbed cell; a query is then A@10")
    p.add_argument("--split", help="what is held out for the score (default: one perturbation at a time)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Score, predict, and write."""
    import scgnn_tools as sgt

    how = _cells.given(args, "control", "query", "method", "batch_key", "dose_key", "split")
    adata = _cells.work(args, lambda adata: sgt.tl.perturb(adata, args.perturbation_key, **how), tables=True)
    if _files.ending(args.output) == ".csv":
        found = adata.uns[PerturbationKeys().uns]["predictions"]
        write_whole(Path(args.output), lambda part: found.to_csv(part))
        _cells.written(args, args.output)
