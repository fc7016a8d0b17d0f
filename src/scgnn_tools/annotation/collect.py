"""What ``tl.annotate`` and ``tl.explain`` take from an AnnData: labelled cells, the cells to label, and where all that is from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools import fm
from scgnn_tools._columns import column_of
from scgnn_tools._log import printable
from scgnn_tools.annotation.inputs import one_object, open_query, shared_genes, vectors_of
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.sources import DEFAULT_LABELS, Reference, check_labels, experiments_of, gather, labels_of
from scgnn_tools.data.labels import clean_labels
from scgnn_tools.labels import Cells

if TYPE_CHECKING:
    from anndata import AnnData


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
        Which experiment each labelled cell is of, int (n_labelled,); None for one.
    params
        What was chosen.
    """

    labelled: Cells
    labels: np.ndarray
    query: Query
    unlabeled: np.ndarray
    experiments: np.ndarray | None
    params: dict[str, Any]


def own_column(adata: "AnnData", labels_key: str | None, reference: Reference, unlabeled_category: str) -> str | None:
    """Return the column of the object itself that its cells are labelled from; None if that is a reference."""
    if reference is not None or labels_key is not None:
        return labels_key if reference is None else None
    if DEFAULT_LABELS not in adata.obs:
        return None
    labels = clean_labels(column_of(adata.obs, DEFAULT_LABELS, "labels_key"), unlabeled_category=unlabeled_category)
    return DEFAULT_LABELS if 0 < (labels != "").sum() < adata.n_obs else None


def of_itself(
    adata: "AnnData",
    key: str,
    *,
    unlabeled_category: str,
    batch_key: str | None = None,
    donor_key: str | None = None,
    **how: Any,
) -> AnnotationInputs:
    """Return what the cells of an object with some labels are labelled from."""
    labels = labels_of(adata, key, unlabeled_category, "adata")
    at = np.flatnonzero(labels != "")
    experiments = None
    if batch_key is not None or donor_key is not None:
        called = experiments_of(adata, "", labels != "", batch_key, donor_key)[at]
        experiments = np.unique(called.astype(str), return_inverse=True)[1]
    check_labels(labels[at], experiments, batch_key, donor_key)
    cells, vectors = one_object(adata, fm.load(fm.best_bundled()), **how)
    params = {"labels": f"obs['{printable(key)}'] ({len(at):,} of {adata.n_obs:,} cells)", "vectors": vectors}
    return AnnotationInputs(
        cells.take(at), labels[at], Query.of(cells), np.flatnonzero(labels == ""), experiments, params
    )


def collect(
    adata: "AnnData",
    labels_key: str | None,
    reference: Reference,
    *,
    unlabeled_category: str,
    mod: str,
    gene_graph: str | None = None,
    **how: Any,
) -> AnnotationInputs:
    """Return everything that cells are labelled from; ``how`` are use_rep, layer, gene_key and organism.

    ``gene_graph`` is the key of ``varp`` of a graph of genes that goes with the labelled cells: of the reference, or of the object itself.
    The query is read once and held: what is wrong in its values is said before any work.

    Examples
    --------
    >>> inputs = sgt.annotation.collect(
    ...     adata, "partly", None, unlabeled_category="Unknown", mod="rna", use_rep=None, layer=None, gene_key=None, organism=None
    ... )
    >>> type(inputs).__name__
    'AnnotationInputs'
    """
    own = own_column(adata, labels_key, reference, unlabeled_category)
    if own is not None:
        return of_itself(adata, own, unlabeled_category=unlabeled_category, gene_graph=gene_graph, **how)
    model = fm.load(fm.best_bundled())
    of_reference = {k: v for k, v in how.items() if k != "organism"}
    of_reference |= {"unlabeled_category": unlabeled_category, "mod": mod, "gene_graph": gene_graph}
    known, name = gather(reference, labels_key, model, **of_reference)
    asked = open_query(adata, model, **how)
    shared = shared_genes(known, asked, model)
    params = {"labels": f"{name} ({len(known):,} cells)", "vectors": vectors_of(known, shared, model, how["use_rep"])}
    query = Query.of(asked.query(shared, model).whole())
    everyone = np.arange(len(query))
    return AnnotationInputs(known.cells(shared, model), known.labels, query, everyone, known.experiments, params)
