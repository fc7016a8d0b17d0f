"""What the parts of a method say alone: the members of an ensemble, the sides of a fusion."""

from typing import Any, cast

import numpy as np

from scgnn_tools.labels import METHODS, Cells, Ensemble, LabelMethod
from scgnn_tools.labels.temperature import log_proba
from scgnn_tools.metrics import annotation


def parts_of(name: str, method: LabelMethod, cells: Cells, codes: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return a row of the evaluation for each part of a fitted method, of the kind "part"; none for a method without parts.

    Parameters
    ----------
    name
        Of the method.
    method
        Fitted.
    cells, codes
        Held-out cells and their classes.
    """
    entry = METHODS[name]
    if not (entry.parts or entry.ensemble) or len(codes) == 0:
        return {}
    rows = {}
    for part, scores in cast("Ensemble", method).part_scores(cells).items():
        proba = np.exp(log_proba(scores, 1.0))
        rows[f"{name}: {part}"] = {"kind": "part", **annotation(codes, proba.argmax(axis=1), proba.max(axis=1))}
    return rows
