"""What is written into an AnnData once its cells are labelled, and the lines that say so."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import warn
from scgnn_tools._fields import write
from scgnn_tools._keys import UNKNOWN, LabelKeys
from scgnn_tools._log import say
from scgnn_tools._modality import inside
from scgnn_tools._names import safe_names
from scgnn_tools.annotation.labeller import AnnotationResult
from scgnn_tools.annotation.majority import given_clusters, overclusters, vote
from scgnn_tools.annotation.naming import Namer, reasons
from scgnn_tools.annotation.novelty import Shift
from scgnn_tools.annotation.settings import AnnotationSettings
from scgnn_tools.labels import LabelMethod, resolved

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools.annotation.report import Report

MANY_UNKNOWN = 0.3


def finish(
    adata: "AnnData | MuData",
    result: AnnotationResult,
    settings: AnnotationSettings,
    params: dict[str, Any],
    keys: LabelKeys,
    *,
    majority: bool | str = False,
    copy: bool,
    mod: str,
) -> "AnnData | MuData | None":
    """Write labels and what is known of them, say what was done; return the changed copy if one was asked for."""
    inner, shift = inside(adata, mod), result.shift
    cells = inner.obs_names
    params = params_of(result.report, result.fitted, settings, params, shift, interrupted=result.interrupted)
    fields = fields_of(keys, result, cells, settings, params)
    if majority is not False:
        clusters = given_clusters(inner, majority)
        made = clusters is None
        if result.vectors is not None and result.order is not None and made:
            clusters = np.empty(len(cells), dtype=np.int64)
            clusters[result.order] = overclusters(result.vectors[result.order], settings.seed)
        params["majority"] = "leiden" if made else f"obs['{majority}']"
        fields["obs"] |= _by_cluster(keys, fields["obs"][keys.obs], clusters)  # type: ignore[arg-type]
    stale = {"obs": keys.columns, "obsm": (keys.set,)}
    changed = write(adata, fields, copy=copy, mod=mod, stale=stale)
    n_unknown = int((fields["obs"][keys.obs] == UNKNOWN).sum())
    say(
        f"annotate: {settings.method}, labels of {params['labels']}, vectors of {params['vectors']}; "
        f"{n_unknown:,} of {len(cells):,} cells {UNKNOWN} -> obs['{keys.obs}']"
    )
    if shift is not None and params.get("trained_for_this_query") is not None:  # a reference of another experiment
        say(f"annotate: {distance(params)}")
    if result.agreement is not None:
        say(f"annotate: {agreed(fields['obs'][keys.agreement], result.report)}")
    say(f"annotate: {result.report.verdict}")
    warn_of(n_unknown, len(cells), shift, keys)
    return changed


def params_of(
    report: "Report",
    fitted: LabelMethod,
    settings: AnnotationSettings,
    params: dict[str, Any],
    shift: Shift | None,
    *,
    interrupted: bool,
) -> dict[str, Any]:
    """Return all that is recorded of how cells were labelled."""
    params = params | settings.params | {"interrupted": interrupted, "held_out": report.held_out}
    if shift is not None:
        params["query_distance"], params["query_likeness"] = shift.distance, shift.likeness
        params["query_shift"] = float(shift.away.sum())
        params["query_shift_taken_out"], params["query_unlike"] = shift.taken_out, shift.far
    params["options"] = resolved(settings.method, fitted, settings.made_with)
    return params


def _by_cluster(keys: LabelKeys, labels: pd.Categorical, clusters: np.ndarray) -> dict[str, Any]:
    """Return the label of each cell's cluster, and the share of its cells that agree."""
    label, share = vote(np.asarray(labels, dtype=object), clusters)
    return {keys.majority: pd.Categorical(label, categories=labels.categories), keys.majority_share: share}


def distance(params: Mapping[str, Any]) -> str:
    """Say how far a query lies from the reference, from what :func:`params_of` recorded."""
    what = (
        "what its cells have in common was taken out before they were judged"
        if params["query_shift_taken_out"]
        else "it is unlike the reference as a whole, and nothing was taken out"
        if params["query_unlike"]
        else "each cell was judged by itself"
    )
    spreads = f"{params['query_distance']:.2f} spreads from the reference (blood of two laboratories: 0.1 to 1.3)"
    return f"the query lies {spreads}; {what}"


def agreed(agreement: np.ndarray, report: "Report") -> str:
    """Say on how many cells all members of an ensemble agree: which labels to look at first where no score can be trusted."""
    n = int((report.evaluation["kind"] == "part").sum())
    return (
        f"all {n or ''} methods agree on {int((agreement > 1 - 1e-6).sum()):,} of {len(agreement):,} cells; look at these first when "
        "the reference is from another laboratory"
    ).replace("  ", " ")


def warn_of(n_unknown: int, n_cells: int, shift: Shift | None, keys: LabelKeys) -> None:
    """Say what to do where a run declines to answer."""
    if shift is not None and shift.far:
        msg = (
            f"The query is unlike the reference as a whole ({shift.distance:.1f} spreads away): another tissue, species or measurement. "
            "Pass a reference= of the same tissue; unknown=None would give every cell the least wrong label."
        )
        warn(msg)
    elif n_unknown > MANY_UNKNOWN * n_cells and n_cells > 1:
        msg = (
            f"{n_unknown:,} of {n_cells:,} cells ({n_unknown / n_cells:.0%}) are {UNKNOWN}; obs['{keys.reason}'] says why. Are their types "
            "in the reference? If so, pass a reference= nearer to the query, or several; if the labels look right, unknown=None keeps all."
        )
        warn(msg)


def fields_of(
    keys: LabelKeys, result: AnnotationResult, cells: pd.Index, settings: AnnotationSettings, params: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return labels, confidence, reasons, probabilities, sets and what is known of them, by container and key."""
    namer = Namer(settings, result.classes)
    named = namer(result)
    label = np.array(namer.categories, dtype=object)[named.code]
    used = set(label)
    categories = [*result.classes, *(n for n in namer.names[len(result.classes) :] if n in used)]
    categories += [UNKNOWN] if UNKNOWN in used and UNKNOWN not in categories else []
    reason = reasons(result, named.why)
    obs: dict[str, Any] = {keys.obs: pd.Categorical(label, categories=categories)}
    obs[keys.confidence] = named.confidence
    obs[keys.reason] = pd.Categorical(reason, categories=["", *sorted(set(reason) - {""})])
    if settings.reject:
        obs[keys.novelty] = result.strange
    if result.agreement is not None:
        obs[keys.agreement] = np.where(result.empty, 0, result.agreement).astype(np.float32)
    if (namer.ids != "").any():
        known = named.code < len(namer.names)
        obs[keys.ontology] = pd.Categorical(np.where(known, namer.ids[np.minimum(named.code, len(namer.ids) - 1)], ""))
    columns = safe_names(result.classes)
    obsm = {keys.proba: pd.DataFrame(result.proba, index=cells, columns=columns)}
    entry = entry_of(result.report, result.classes, params)
    if result.sets is not None:
        obsm[keys.set] = pd.DataFrame(result.sets, index=cells, columns=columns)
        entry["conformal"] = {**result.report.conformal, "mean_size": float(result.sets.sum(axis=1).mean())}
    return {"obs": obs, "obsm": obsm, "uns": {keys.uns: entry}}


def entry_of(report: "Report", classes: np.ndarray, params: dict[str, Any]) -> dict[str, Any]:
    """Return what ``uns`` says of labels."""
    return {
        "evaluation": report.evaluation,
        "verdict": report.verdict,
        "classes": classes.astype(object),
        "calibration": report.calibration,
        "confusion": report.confusion,
        "params": params,
    }
