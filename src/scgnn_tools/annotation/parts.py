"""What the parts of a method say alone: the members of an ensemble, the sides of a fusion."""

from typing import Any, cast

import numpy as np

from scgnn_tools.labels import METHODS, Cells, Ensemble, LabelMethod
from scgnn_tools.labels.temperature import log_proba
from scgnn_tools.metrics import annotation


def scores_of_parts(name: str, method: LabelMethod, cells: Cells) -> dict[str, np.ndarray]:
    """Return the scores of each part of a fitted method, (n_cells, n_classes) each; nothing for a method without parts."""
    entry = METHODS[name]
    return cast("Ensemble", method).part_scores(cells) if len(cells) and (entry.parts or entry.ensemble) else {}


def rows_of_parts(name: str, scores: dict[str, np.ndarray], codes: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return a row of the evaluation for each part, of the kind "part", by the scores and classes of held-out cells."""
    rows = {}
    for part, of_part in scores.items():
        proba = np.exp(log_proba(of_part, 1.0))
        rows[f"{name}: {part}"] = {"kind": "part", **annotation(codes, proba.argmax(axis=1), proba.max(axis=1))}
    return rows
