"""Where the cells go without a transcription factor, in words, beside what rewired networks do."""

import pandas as pd

from scgnn_tools._log import printable
from scgnn_tools.grn.knockout import EVERY

FEWEST = 20
"""Rewired networks below which no share of them that is as far can be below 5 %."""


def knockout_said(tf: str, level: float, shift: pd.DataFrame, towards: pd.DataFrame, n_shuffles: int) -> str:
    """Say which cells go furthest and where to, and whether rewired networks do as much.

    Parameters
    ----------
    tf, level
        The transcription factor, and what it was set to.
    shift, towards
        Tables as :func:`scgnn_tools.tl.tf_knockout` describes them.
    n_shuffles
        Rewired networks.
    """
    far = shift.sort_values("length", ascending=False).iloc[0]
    how = f"with {printable(tf)} set to {level:g}" if level else f"without {printable(tf)}"
    who = EVERY if far["group"] == EVERY else f"the cells of {printable(far['group'])}"
    said = f"{how} {who} {'go furthest' if len(shift) > 1 else 'move'}"
    if not n_shuffles:
        return f"{said}; rewired networks were left out (n_shuffles=0), so nothing says that it is the network's"
    said += (
        f", {far['length'] / far['rewired']:.1f} times as far as in rewired networks (p {far['p']:.2g})"
        if far["rewired"]
        else ""
    )
    if n_shuffles < FEWEST:
        return f"{said}; the rewired networks (n_shuffles={n_shuffles}) are too few to tell it from chance, pass {FEWEST} or more"
    if len(towards):
        outside = towards[(towards["share"] < towards["low"]) | (towards["share"] > towards["high"])]
        said += f"; {len(outside)} of {len(towards)} ways between types are outside what 95 % of rewired networks do"
        if len(outside):
            best = outside.loc[(outside["share"]).abs().idxmax()]
            word = "towards" if best["share"] > 0 else "away from"
            said += f", most of all {printable(best['from'])} {word} {printable(best['to'])} ({best['share']:.1%} of the way)"
    elif not (shift["p"] < 0.05).any():
        said += ": no more than chance"
    return said
