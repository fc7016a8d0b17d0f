"""``tl.annotate``: a label for every cell, calibrated, beside the baselines, able to say Unknown."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scgnn_tools import assets, fm
from scgnn_tools._errors import InputValueError, LabelError, MissingKeyError
from scgnn_tools._keys import LABEL, UNKNOWN, LabelKeys
from scgnn_tools._log import printable, say
from scgnn_tools._random import RNG
from scgnn_tools._write import check_writable, writing
from scgnn_tools.labels import METHODS, Cells, label_method
from scgnn_tools.labels._clean import clean_labels
from scgnn_tools.labels._inputs import one_object, reference_and_query
from scgnn_tools.labels._run import Result, run

if TYPE_CHECKING:
    from anndata import AnnData

DEFAULT_LABELS = "cell_type"
UNLIKE, NO_COUNTS = "unlike the reference", "no counts"


def annotate(
    adata: "AnnData",
    labels_key: str | None = None,
    *,
    reference: "AnnData | None" = None,
    method: str = "scgrapht",
    transductive: bool = False,
    use_rep: str | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    organism: Literal["human", "mouse"] | None = None,
    unlabeled_category: str = UNKNOWN,
    unknown: Literal["auto"] | None = "auto",
    key_added: str = LABEL,
    rng: RNG = 0,
    device: str = "auto",
    copy: bool = False,
    **options: Any,
) -> "AnnData | None":
    """Label the cells.

    Where the labels come from:

    - ``reference=``: a labelled AnnData; genes may differ, also by organism.
    - ``labels_key=``: a column of ``obs`` that is partly filled. Without it ``obs["cell_type"]``, if that is partly filled.
    - else the bundled immune reference (PBMC, 8 types).

    The label of a cell depends on that cell alone: one query cell gets the answer that it gets among ten thousand; only a transductive
    run learns from the unlabelled cells too.

    Parameters
    ----------
    adata
        Cells to label.
    labels_key
        Column of ``obs`` with labels, of ``reference`` if that is given ("cell_type" if None).
    reference
        Labelled cells.
    method
        "scgrapht", or one of the baselines "logreg_pca", "centroid" and "knn_pca".
    transductive
        Let the method look at the unlabelled cells while it trains; those that do so anyway, and those that cannot, are as they are.
    use_rep
        Vectors in ``obsm`` (of reference and query). None takes those that :func:`scgnn_tools.tl.embed` wrote, else embeds with the
        best bundled model, without writing the vectors; with a reference both are embedded on their shared genes.
    layer, gene_key, organism
        As in :func:`scgnn_tools.tl.embed`.
    unlabeled_category
        Label of a cell without label, beside NaN, "" and the like.
    unknown
        "auto" finds cells unlike the reference; None gives every cell a label.
    key_added
        Name of the result.
    rng
        Seed of the split and of the training.
    device
        Where to train: "auto", "cpu", "cuda", …
    copy
        Return a changed copy and leave ``adata`` as it is.
    options
        Of the method; a wrong one is an error that names those that it has.

    Returns
    -------
    None, or the changed copy. Sets the following fields, ``key`` being ``key_added``:

    ``adata.obs[key]``
        categorical: the predicted label of every cell, labelled ones included, or "Unknown".
    ``adata.obs[f"{key}_confidence"]``
        float32: calibrated probability of the likeliest class; 0 for a cell without counts.
    ``adata.obs[f"{key}_reason"]``
        categorical: why a cell is Unknown: "unlike the reference", "no counts", else "".
    ``adata.obsm[f"{key}_proba"]``
        DataFrame float32 (n_obs, n_classes): calibrated probabilities; a "/" in a class is "|" in its column, for the sake of files.
    ``adata.uns[key]``
        dict: ``evaluation``, a DataFrame with the method and its baselines on the same held-out labelled cells (accuracy, macro_f1, ece,
        …); ``verdict``, the method against the best baseline in words; ``classes``, in the order of the columns; ``params``.

    Raises
    ------
    LabelError
        If no cell is labelled, or all have one label.
    MissingKeyError, GeneMatchError, InputScaleError, InputValueError
        Before anything is written.
    """
    check_writable(adata, copy=copy)
    if unknown not in ("auto", None):
        msg = f"unknown is 'auto' or None; got {unknown!r}."
        raise InputValueError(msg)
    options["device"] = device
    label_method(method, **options)  # a wrong name is an error before any work
    transductive = transductive or METHODS[method].transductive
    how: dict[str, Any] = {"use_rep": use_rep, "layer": layer, "gene_key": gene_key, "organism": organism}
    labelled, labels, query, unlabeled, params = _inputs(adata, labels_key, reference, unlabeled_category, how)
    result = run(
        labelled,
        labels,
        query,
        method=method,
        reject=unknown == "auto",
        unlabeled=unlabeled if transductive else None,
        rng=rng,
        options=options,
    )
    params |= {
        "method": method,
        "kind": METHODS[method].kind,
        "unknown": unknown or "None",
        "transductive": transductive,
    }
    keys = LabelKeys(key_added)
    with writing(adata, copy=copy) as out:
        _write(out, keys, result, empty=np.diff(query.expression.indptr) == 0, params=params)
    n_unknown = int((out.obs[keys.obs] == UNKNOWN).sum())
    say(
        f"annotate: {method}, labels of {params['labels']}, vectors of {params['vectors']}; "
        f"{n_unknown:,} of {out.n_obs:,} cells {UNKNOWN} -> obs['{keys.obs}']"
    )
    say(f"annotate: {result.verdict}")
    return out if copy else None


def _inputs(
    adata: "AnnData", labels_key: str | None, reference: "AnnData | None", unlabeled: str, how: dict[str, Any]
) -> tuple[Cells, np.ndarray, Cells, np.ndarray, dict[str, Any]]:
    """Return labelled cells, their labels, the query, which of it has no label, and where all that is from."""
    model = fm.load(fm.best_bundled())
    bare = reference is None and labels_key is None
    if bare and DEFAULT_LABELS in adata.obs:
        named = clean_labels(adata.obs[DEFAULT_LABELS], unlabeled_category=unlabeled) != ""
        labels_key = DEFAULT_LABELS if 0 < named.sum() < adata.n_obs else None
    if reference is None and labels_key is not None:
        labels = _labels(adata, labels_key, unlabeled, "adata")
        cells, vectors = one_object(adata, model, **how)
        at = np.flatnonzero(labels != "")
        params = {
            "labels": f"obs['{printable(labels_key)}'] ({len(at):,} of {adata.n_obs:,} cells)",
            "vectors": vectors,
        }
        return cells.take(at), labels[at], cells, np.flatnonzero(labels == ""), params
    name = "reference"
    if reference is None:
        reference, labels_key, name = assets.immune_reference(), DEFAULT_LABELS, "the bundled immune reference"
    labels = _labels(reference, labels_key or DEFAULT_LABELS, unlabeled, "reference")
    at = np.flatnonzero(labels != "")
    reference = reference[at]
    known, query, vectors = reference_and_query(reference, adata, model, **how)
    params = {"labels": f"{name} ({len(at):,} cells)", "vectors": vectors}
    return known, labels[at], query, np.arange(len(query)), params


def _labels(adata: "AnnData", key: str, unlabeled: str, whose: str) -> np.ndarray:
    if key not in adata.obs:
        there = ", ".join(map(printable, adata.obs.columns)) or "none"
        msg = f"labels_key={key!r} is no column of {whose}.obs; the columns are: {there}."
        raise MissingKeyError(msg)
    labels = clean_labels(adata.obs[key], unlabeled_category=unlabeled)
    if not (labels != "").any():
        msg = f"{whose}.obs[{key!r}] labels no cell: all are missing, empty or {unlabeled!r}. Pass a column with labels, or reference=."
        raise LabelError(msg)
    return labels


def _write(adata: "AnnData", keys: LabelKeys, result: Result, *, empty: np.ndarray, params: dict[str, Any]) -> None:
    best = result.proba.argmax(axis=1)
    rejected = result.unknown | empty
    label = np.where(rejected, UNKNOWN, result.classes[best])
    categories = [*result.classes, *([UNKNOWN] if rejected.any() and UNKNOWN not in result.classes else [])]
    reason = np.where(empty, NO_COUNTS, np.where(result.unknown, UNLIKE, ""))
    adata.obs[keys.obs] = pd.Categorical(label, categories=categories)
    adata.obs[keys.confidence] = np.where(empty, 0, result.proba.max(axis=1)).astype(np.float32)
    adata.obs[keys.reason] = pd.Categorical(reason, categories=["", UNLIKE, NO_COUNTS])
    columns = [
        str(c).replace("/", "|") for c in result.classes
    ]  # columns become names in the file, where "/" parts folders
    adata.obsm[keys.proba] = pd.DataFrame(result.proba, index=adata.obs_names, columns=columns)
    adata.uns[keys.uns] = {
        "evaluation": result.evaluation,
        "verdict": result.verdict,
        "classes": result.classes.astype(object),
        "params": params,
    }
