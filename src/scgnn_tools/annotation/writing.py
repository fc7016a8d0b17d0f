"""What is written into an AnnData once its cells are labelled, and the lines that say so."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._fields import write
from scgnn_tools._keys import UNKNOWN, LabelKeys, safe_names
from scgnn_tools._log import say
from scgnn_tools._modality import inside
from scgnn_tools.annotation.hierarchy import BackOff
from scgnn_tools.annotation.labeller import AnnotationResult
from scgnn_tools.annotation.settings import Settings

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

NO_COUNTS, UNSAFE = "no counts", "no safe parent"
REASONS = (
    "profile unlike every class",
    "far from the reference cells",
    "far from the reference cells in PCA",
    "outside every class (energy)",
)
"""Of the signs of strangeness, in their order."""


def finish(
    adata: "AnnData | MuData",
    result: AnnotationResult,
    settings: Settings,
    params: dict[str, Any],
    keys: LabelKeys,
    *,
    copy: bool,
    mod: str,
) -> "AnnData | MuData | None":
    """Write labels and what is known of them, say what was done; return the changed copy if one was asked for."""
    cells = inside(adata, mod).obs_names
    params = params | settings.params | {"interrupted": result.interrupted, "held_out": result.report.held_out}
    fields = fields_of(keys, result, cells, settings, params)
    changed = write(adata, fields, copy=copy, mod=mod)
    n_unknown = int((fields["obs"][keys.obs] == UNKNOWN).sum())
    say(
        f"annotate: {settings.method}, labels of {params['labels']}, vectors of {params['vectors']}; "
        f"{n_unknown:,} of {len(cells):,} cells {UNKNOWN} -> obs['{keys.obs}']"
    )
    say(f"annotate: {result.report.verdict}")
    return changed


def fields_of(
    keys: LabelKeys, result: AnnotationResult, cells: pd.Index, settings: Settings, params: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return labels, confidence, reasons, probabilities, sets and what is known of them, by container and key."""
    best, confidence, names = result.proba.argmax(axis=1), result.proba.max(axis=1), result.classes
    back_off = None if settings.hierarchy is None else BackOff(settings.hierarchy, result.classes)
    if back_off is not None:
        best, confidence = back_off.choose(result.proba, settings.min_confidence)
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
    if settings.reject:
        obs[keys.novelty] = result.strange
    if back_off is not None and (back_off.ids != "").any():
        obs[keys.ontology] = pd.Categorical(np.where(rejected, "", back_off.ids[best]))
    columns, report = safe_names(result.classes), result.report
    obsm = {keys.proba: pd.DataFrame(result.proba, index=cells, columns=columns)}
    entry: dict[str, Any] = {
        "evaluation": report.evaluation,
        "verdict": report.verdict,
        "classes": result.classes.astype(object),
        "calibration": report.calibration,
        "confusion": report.confusion,
        "params": params,
    }
    if result.sets is not None:
        obsm[keys.set] = pd.DataFrame(result.sets, index=cells, columns=columns)
        entry["conformal"] = {**report.conformal, "mean_size": float(result.sets.sum(axis=1).mean())}
    return {"obs": obs, "obsm": obsm, "uns": {keys.uns: entry}}
