"""What ``tl.annotate`` writes."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._keys import UNKNOWN, LabelKeys
from scgnn_tools.annotation.hierarchy import BackOff
from scgnn_tools.annotation.run import AnnotationResult, column_names

if TYPE_CHECKING:
    from anndata import AnnData

NO_COUNTS, UNSAFE = "no counts", "no safe parent"
REASONS = (
    "profile unlike every class",
    "far from the reference cells",
    "far from the reference cells in PCA",
    "outside every class (energy)",
)
"""Of the signs of strangeness, in their order."""


def write(
    adata: "AnnData",
    keys: LabelKeys,
    result: AnnotationResult,
    *,
    empty: np.ndarray,
    back_off: BackOff | None,
    min_confidence: float,
    reject: bool,
    params: dict[str, Any],
) -> None:
    """Write labels, confidence, reasons, probabilities, sets and what is known of them."""
    best, confidence, names = result.proba.argmax(axis=1), result.proba.max(axis=1), result.classes
    if back_off is not None:
        best, confidence = back_off.choose(result.proba, min_confidence)
        names = back_off.names
    rejected = result.unknown | empty | (best < 0)
    label = np.where(rejected, UNKNOWN, names[best])
    used = set(label)
    categories = [*result.classes, *(n for n in names[len(result.classes) :] if n in used)]
    categories += [UNKNOWN] if UNKNOWN in used and UNKNOWN not in categories else []
    reason = np.where(result.unknown, np.array(REASONS)[result.sign], np.where(best < 0, UNSAFE, ""))
    reason = np.where(empty, NO_COUNTS, reason)
    adata.obs[keys.obs] = pd.Categorical(label, categories=categories)
    adata.obs[keys.confidence] = np.where(empty, 0, confidence).astype(np.float32)
    adata.obs[keys.reason] = pd.Categorical(reason, categories=["", *REASONS, UNSAFE, NO_COUNTS])
    if reject:
        adata.obs[keys.novelty] = result.strange
    if back_off is not None and (back_off.ids != "").any():
        adata.obs[keys.ontology] = pd.Categorical(np.where(rejected, "", back_off.ids[best]))
    columns = column_names(result.classes)
    adata.obsm[keys.proba] = pd.DataFrame(result.proba, index=adata.obs_names, columns=columns)
    entry = {
        "evaluation": result.evaluation,
        "verdict": result.verdict,
        "classes": result.classes.astype(object),
        "calibration": result.calibration,
        "confusion": result.confusion,
        "params": params,
    }
    if result.sets is not None:
        adata.obsm[keys.set] = pd.DataFrame(result.sets, index=adata.obs_names, columns=columns)
        entry["conformal"] = {**result.conformal, "mean_size": float(result.sets.sum(axis=1).mean())}
    adata.uns[keys.uns] = entry
