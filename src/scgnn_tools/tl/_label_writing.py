"""What ``tl.annotate`` writes."""

from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._keys import UNKNOWN, LabelKeys, safe_names
from scgnn_tools.annotation.hierarchy import BackOff
from scgnn_tools.annotation.run import AnnotationResult

NO_COUNTS, UNSAFE = "no counts", "no safe parent"
REASONS = (
    "profile unlike every class",
    "far from the reference cells",
    "far from the reference cells in PCA",
    "outside every class (energy)",
)
"""Of the signs of strangeness, in their order."""


def fields_of(
    keys: LabelKeys,
    result: AnnotationResult,
    cells: pd.Index,
    *,
    back_off: BackOff | None,
    min_confidence: float,
    reject: bool,
    params: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    """Return labels, confidence, reasons, probabilities, sets and what is known of them, by container and key."""
    best, confidence, names = result.proba.argmax(axis=1), result.proba.max(axis=1), result.classes
    if back_off is not None:
        best, confidence = back_off.choose(result.proba, min_confidence)
        names = back_off.names
    rejected = result.unknown | result.empty | (best < 0)
    label = np.where(rejected, UNKNOWN, names[best])
    used = set(label)
    categories = [*result.classes, *(n for n in names[len(result.classes) :] if n in used)]
    categories += [UNKNOWN] if UNKNOWN in used and UNKNOWN not in categories else []
    reason = np.where(result.unknown, np.array(REASONS)[result.sign], np.where(best < 0, UNSAFE, ""))
    reason = np.where(result.empty, NO_COUNTS, reason)
    obs: dict[str, Any] = {keys.obs: pd.Categorical(label, categories=categories)}
    obs[keys.confidence] = np.where(result.empty, 0, confidence).astype(np.float32)
    obs[keys.reason] = pd.Categorical(reason, categories=["", *REASONS, UNSAFE, NO_COUNTS])
    if reject:
        obs[keys.novelty] = result.strange
    if back_off is not None and (back_off.ids != "").any():
        obs[keys.ontology] = pd.Categorical(np.where(rejected, "", back_off.ids[best]))
    columns = safe_names(result.classes)
    obsm = {keys.proba: pd.DataFrame(result.proba, index=cells, columns=columns)}
    entry: dict[str, Any] = {
        "evaluation": result.evaluation,
        "verdict": result.verdict,
        "classes": result.classes.astype(object),
        "calibration": result.calibration,
        "confusion": result.confusion,
        "params": params,
    }
    if result.sets is not None:
        obsm[keys.set] = pd.DataFrame(result.sets, index=cells, columns=columns)
        entry["conformal"] = {**result.conformal, "mean_size": float(result.sets.sum(axis=1).mean())}
    return {"obs": obs, "obsm": obsm, "uns": {keys.uns: entry}}
