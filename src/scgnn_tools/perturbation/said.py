"""What a user is told: the line under a call, and of which genes nothing is known."""

from typing import TYPE_CHECKING

import numpy as np

from scgnn_tools._choices import listed
from scgnn_tools._errors import warn
from scgnn_tools.data.conditions import Condition, condition_name
from scgnn_tools.perturbation.evaluation import CEILING
from scgnn_tools.perturbation.relations import Relations

if TYPE_CHECKING:
    from scgnn_tools._keys import PerturbationKeys
    from scgnn_tools.perturbation.inputs import Screen
    from scgnn_tools.perturbation.run import Evaluated


def line(method: str, found: "Evaluated | None", query: list[Condition], keys: "PerturbationKeys") -> str:
    """Return what was found in one line: the method, its best baselines, no change, the ceiling, and how many conditions have a signal."""
    where = f"uns['{keys.uns}']" + (f", varm['{keys.varm}']" if query else "")
    asked = f"{len(query)} predicted -> {where}" if query else f"-> {where}"
    if found is None:
        return f"perturb: {method}, not scored, {asked}"
    table = found.evaluation if found.with_signal is None else found.with_signal
    n, of = int(found.signal["has_signal"].sum()), len(found.signal)
    best = table.index[(table["kind"] == "baseline") & (table.index != method)]
    best = table.loc[best, "pearson_delta"].idxmax()
    delta = table["pearson_delta"]
    words = [f"{method} {delta[method]:.3f} Pearson Δ", f"{best} {delta[best]:.3f}", "no change 0"]
    words.append(f"other half of the cells {delta[CEILING]:.3f}")
    which = f"{n} of {of} conditions have a signal" + ("" if found.with_signal is None else ", these are scored here")
    return f"perturb: {', '.join(words)} ({which}). {found.verdict}. {asked}"


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
