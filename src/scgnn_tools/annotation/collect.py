"""What ``tl.annotate`` and ``tl.explain`` take from an AnnData: labelled cells, the cells to label, and where all that is from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from scgnn_tools import assets, fm
from scgnn_tools._columns import column_of
from scgnn_tools._errors import InputValueError, LabelError
from scgnn_tools._log import printable
from scgnn_tools._modality import modality
from scgnn_tools.annotation.inputs import one_object, references_and_query
from scgnn_tools.annotation.query import Query
from scgnn_tools.data.labels import clean_labels
from scgnn_tools.labels import Cells

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

Reference: TypeAlias = "AnnData | MuData | Sequence[AnnData | MuData] | Mapping[str, AnnData | MuData] | None"

DEFAULT_LABELS = "cell_type"
BUNDLED = "the bundled immune reference"


@dataclass(frozen=True)
class AnnotationInputs:
    """Labelled cells and cells to label.

    Attributes
    ----------
    labelled, labels
        Cells with labels, str (n_labelled,).
    query
        All cells of the object.
    unlabeled
        Positions in ``query`` of those without a label.
    experiments
        Which reference each labelled cell is of, int (n_labelled,); None for one.
    same_experiment
        Whether the labelled cells are of the object itself.
    params
        What was chosen.
    """

    labelled: Cells
    labels: np.ndarray
    query: Query
    unlabeled: np.ndarray
    experiments: np.ndarray | None
    same_experiment: bool
    params: dict[str, Any]


def collect(
    adata: "AnnData", labels_key: str | None, reference: "Reference", *, unlabeled_category: str, mod: str, **how: Any
) -> AnnotationInputs:
    """Return everything that cells are labelled from; ``how`` are use_rep, layer, gene_key and organism."""
    model = fm.load(fm.best_bundled())
    if reference is None and labels_key is None and DEFAULT_LABELS in adata.obs:
        default = column_of(adata.obs, DEFAULT_LABELS, "labels_key")
        named = clean_labels(default, unlabeled_category=unlabeled_category) != ""
        labels_key = DEFAULT_LABELS if 0 < named.sum() < adata.n_obs else None
    if reference is None and labels_key is not None:
        labels = _labels(adata, labels_key, unlabeled_category, "adata")
        cells, vectors = one_object(adata, model, **how)
        at = np.flatnonzero(labels != "")
        params = {
            "labels": f"obs['{printable(labels_key)}'] ({len(at):,} of {adata.n_obs:,} cells)",
            "vectors": vectors,
        }
        return AnnotationInputs(
            cells.take(at), labels[at], Query.of(cells), np.flatnonzero(labels == ""), None, True, params
        )
    references = _named(reference, mod)
    if not references:
        labels_key = DEFAULT_LABELS
        bundled = assets.immune_reference()
        sets = bundled.obs["dataset"].astype(str)
        references = {str(name): bundled[(sets == name).to_numpy()] for name in sets.unique()}
    name = BUNDLED if reference is None else " and ".join(f"reference {n!r}" if n else "reference" for n in references)
    parts: dict[str, AnnData] = {}
    labels_of: list[np.ndarray] = []
    for one, part in references.items():
        whose = f"reference[{one!r}]" if one else "reference"
        labels = _labels(part, labels_key or DEFAULT_LABELS, unlabeled_category, whose)
        if part.isbacked and part.is_view:  # of which anndata takes no part again
            part = part.to_memory()
        parts[one] = part[labels != ""]
        labels_of.append(labels[labels != ""])
    known, query, vectors = references_and_query(parts, adata, model, **how)
    experiments = np.repeat(np.arange(len(labels_of)), [len(labels) for labels in labels_of])
    params = {"labels": f"{name} ({len(known):,} cells)", "vectors": vectors}
    return AnnotationInputs(known, np.concatenate(labels_of), query, np.arange(len(query)), experiments, False, params)


def _named(reference: "Reference", mod: str) -> "dict[str, AnnData]":
    """Return references by name: "" for a single one, "0", "1", … in a list."""
    if reference is None:
        return {}
    if hasattr(reference, "obs") or not isinstance(reference, Mapping | list | tuple):
        return {"": modality(reference, mod, name="reference", wanted="an AnnData, or a list or dict of them")}  # type: ignore[arg-type]
    if not reference:
        msg = f"reference={reference!r} holds no object. Pass an AnnData, or a list or dict of them; or leave it out."
        raise InputValueError(msg)
    named = reference.items() if isinstance(reference, Mapping) else enumerate(reference)
    return {str(k): modality(one, mod, name=f"reference[{printable(repr(k))}]") for k, one in named}


def _labels(adata: "AnnData", key: str, unlabeled: str, whose: str) -> np.ndarray:
    labels = clean_labels(column_of(adata.obs, key, "labels_key", f"{whose}.obs"), unlabeled_category=unlabeled)
    if not (labels != "").any():
        msg = f"{whose}.obs[{key!r}] labels no cell: all are missing, empty or {unlabeled!r}. Pass a column with labels, or reference=."
        raise LabelError(msg)
    return labels
