"""What a user is told: the line under a call, and of which genes nothing is known."""

from typing import TYPE_CHECKING

import numpy as np

from scgnn_tools._choices import listed
from scgnn_tools._errors import warn
from scgnn_tools.data.conditions import Condition, condition_name
from scgnn_tools.perturbation.evaluation import CEILING
from scgnn_tools.perturbation.relations import Relations

if TYPE_CHECKING:
    import pandas as pd

    from scgnn_tools._keys import PerturbationKeys
    from scgnn_tools.perturbation.inputs import Screen
    from scgnn_tools.perturbation.run import Evaluated


def lines(method: str, found: "Evaluated | None", query: list[Condition], keys: "PerturbationKeys") -> list[str]:
    """Return what was found, a line each: the conditions with a signal first, then all; each with baselines and the ceiling."""
    where = f"uns['{keys.uns}']" + (f", varm['{keys.varm}']" if query else "")
    asked = f"{len(query)} predicted -> {where}" if query else f"-> {where}"
    if found is None:
        return [f"perturb: {method}, not scored, {asked}"]
    return [f"perturb: {_scored(method, found)}", f"perturb: {found.verdict}. {asked}"]


def _scored(method: str, found: "Evaluated") -> str:
    """Say what was reached on the conditions that have a signal, or on all where all have one or none has."""
    table = found.evaluation if found.with_signal is None else found.with_signal
    n, of = int(found.signal["has_signal"].sum()), len(found.signal)
    best = table.index[(table["kind"] == "baseline") & (table.index != method)]
    best = table.loc[best, "pearson_delta"].idxmax()
    delta, size = table["pearson_delta"], table["slope"]
    words = [f"{method} {delta[method]:.3f} Pearson Δ", f"{best} {delta[best]:.3f} (best baseline)"]
    words += ["no change 0"] if best != "no_change" else []
    words.append(f"ceiling {delta[CEILING]:.3f} (what the other half of the cells says)")
    text = f"{', '.join(words)}{_changed_genes(table, method)}"
    if n == 0:
        return f"None of {of:,} has a signal: {text}; none of these numbers tells a method from chance"
    which = f"On the {n:,} of {of:,} with a signal" if n < of else f"On all {of:,}, which have a signal"
    sized = f"the prediction is about {size[method]:.1g} of the true change (ceiling {size[CEILING]:.1g})"
    return f"{which}: {text}; {sized}"


def _changed_genes(table: "pd.DataFrame", method: str) -> str:
    """Say how well changed genes are found, beside chance and the ceiling: where many genes change, chance is high."""
    own, chance, most = (
        table.loc[method, "auprc_de"],
        table.loc[method, "auprc_de_chance"],
        table.loc[CEILING, "auprc_de"],
    )
    if np.isnan(own):  # no gene changes
        return ""
    return f"; changed genes found (AUPRC) {own:.3f}, chance {chance:.3f}, ceiling {most:.3f}"


def warn_unknown(cells: "Screen", known: Relations, query: list[Condition], unrelated: np.ndarray | None) -> None:
    """Warn of what was asked for and is like nothing that was seen, or was seen; None if the method cannot tell the former."""
    seen = [c for c in query if c in set(cells.conditions)]
    if seen:
        msg = f"{listed(map(condition_name, seen))}: perturbed in these cells; look at what was measured; this prediction has seen it."
        warn(msg)
    alone = np.flatnonzero([] if unrelated is None else unrelated)
    if len(alone):
        lacking = [condition_name(query[i]) for i in alone]
        by = ", ".join(known.kernels) or "any source"
        msg = (
            f"{listed(lacking)}: like no perturbation of these cells by {by}; the prediction is the mean of the others, shrunken. "
            "Other sources: features=['go', 'prior', 'vectors'], or a table of your own."
        )
        warn(msg)
