"""What the cells add to a network, in words: a line a question, and a plain sentence at the end."""

from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._log import printable
from scgnn_tools.grn.evaluate import short
from scgnn_tools.grn.joined import RELIABLE


def predicts(held_out: pd.DataFrame) -> str:
    """Say whether the factors of a network tell their targets in held-out cells better than those of rewired networks do."""
    network, low, high = held_out.loc["joined", ["network", "low", "high"]]
    if not np.isfinite(network):
        return "no target is there to predict in held-out cells"
    if network <= 0:
        return "it does not predict held-out cells"
    word = "better than" if network > high else "worse than" if network < low else "no better than"
    return f"it predicts held-out cells {word} its rewired copies"


def cells_said(evaluation: dict[str, Any], *, join: bool) -> str:
    """Say in a few lines whether the cells agree with themselves, whether they help, and whether they are predicted.

    Parameters
    ----------
    evaluation
        ``controls`` (whether they were asked for); and what there is of ``reliability``, ``ratio``, ``recovery``, ``held_out``.
    join
        Whether the cells are the other side, and not what the method itself reads.
    """
    if "reliability" not in evaluation:
        return "the cells say nothing: there is no expression to measure, or there are too few cells or genes"
    said = _agreement(evaluation["reliability"], join=join)
    if not evaluation["controls"]:
        said.append("whether the cells help was not measured: controls were left out (controls=False)")
    helps = None
    if len(evaluation.get("recovery", ())):
        line, helps = _help(evaluation["recovery"])
        said.append(line)
    if "held_out" in evaluation:
        said.append(_prediction(evaluation["held_out"]))
    silent = join and not float(evaluation["ratio"]["slope"].sum()) > 0
    end = "The cells make no edge likelier: this network is prior knowledge." if silent else helps
    return "\n".join(said) + (f". {end}" if end else "")


def _agreement(reliability: pd.DataFrame, *, join: bool) -> list[str]:
    halves = reliability["halves"].iloc[0]
    said = [f"halves of the cells agree by {halves:.2f} (Spearman; permuted cells about 0; below {RELIABLE} is little)"]
    poor = [str(n) for n in reliability.index[1:] if not reliability["own"].loc[n]]
    if poor:
        pooled = "there a network is the pooled one, seen through what the group expresses"
        means = pooled if join else "these cells alone hardly tell which genes go together"
        said.append(
            f"within {len(poor)} of {len(reliability) - 1} groups halves agree by less than {RELIABLE} "
            f"({', '.join(map(printable, poor[:4]))}{', …' if len(poor) > 4 else ''}): {means}"
        )
    return said


def _help(recovery: pd.DataFrame) -> tuple[str, str | None]:
    """Return how well known edges are told with and without the cells, and what that means; the cells help above the interval."""
    auroc = recovery["auroc"]
    if not np.isfinite(auroc["joined"]):
        return (
            "whether the cells help cannot be told: no known edge of these genes has another pair of equal degree",
            None,
        )
    difference, low, high = recovery.loc["prior", ["less", "less_low", "less_high"]]
    others = ", ".join(f"{n} alone {auroc[n]:.3f}" for n in ("cells", "permuted cells") if np.isfinite(auroc[n]))
    line = (
        f"known edges come before others of equal degree (AUROC, chance 0.5): with the cells {auroc['joined']:.3f}, prior alone "
        f"{auroc['prior']:.3f} (difference {short(difference)}, 95 % {short(low)} to {short(high)}){f', {others}' if others else ''}"
    )
    if not np.isfinite([low, high]).all():
        return line, None
    if low > 0:
        return line, "The cells add to the prior here (the interval of the difference is above 0)."
    if high < 0:
        return line, "The cells do not help here: known edges are told better without them, by prior_score."
    return (
        line,
        "The cells add little here: this network is mostly prior knowledge (the interval of the difference holds 0).",
    )


def _prediction(held_out: pd.DataFrame) -> str:
    network, rewired, low, high = held_out.loc["joined", ["network", "rewired", "low", "high"]]
    if not np.isfinite(network):
        return predicts(held_out)
    share, copies, least, most = (f"{round(v, 3) + 0.0:.3f}" for v in (network, rewired, low, high))  # no -0.000
    return f"in held-out cells the network explains {share} of the variance of its targets, rewired copies {copies} ({least} to {most})"
