"""``tl.explain``: which genes and which dimensions of the vectors a label rests on, and where the parts of a method disagree."""

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from scgnn_tools._doors import door
from scgnn_tools._errors import warn
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import EXPLAIN, UNKNOWN, ExplainKeys
from scgnn_tools._log import say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key
from scgnn_tools._random import RNG, seed
from scgnn_tools._threads import by_size
from scgnn_tools.annotation.collect import collect
from scgnn_tools.annotation.entries import said
from scgnn_tools.annotation.explained import Question, explained
from scgnn_tools.labels.gene_graph import key_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools.annotation.sources import Reference

PARTS = ("graph", "vectors")


@door
@by_size
def explain(
    adata: "AnnData | MuData",
    labels_key: str | None = None,
    *,
    reference: "Reference" = None,
    method: str = "scgrapht",
    how: Literal["occlusion", "gradcam", "integrated_gradients"] = "occlusion",
    n_cells: int = 30,
    n_genes: int = 300,
    n_seeds: int = 1,
    transductive: bool = False,
    use_rep: str | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    organism: Literal["human", "mouse"] | None = None,
    unlabeled_category: str = UNKNOWN,
    mod: str = RNA,
    key_added: str = EXPLAIN,
    rng: RNG = 0,
    device: str = "auto",
    copy: bool = False,
    **options: Any,
) -> "AnnData | MuData | None":
    """Say which genes the labels of :func:`scgnn_tools.tl.annotate` depend on, for the same arguments.

    The method is trained as for the evaluation of ``annotate``. Cells that are held out stay unseen, so that the
    parts of the method can be scored on them. Then the method is asked again about cells of each class.

    Parameters
    ----------
    adata, labels_key, reference, method, transductive, use_rep, layer, gene_key, organism, unlabeled_category, mod, device, options
        As in :func:`scgnn_tools.tl.annotate`.
    how
        "occlusion": how much less likely the class is when a gene is set to zero in the cells that express it, the vectors as they
        are; works with every method, and is exact. "gradcam": Grad-CAM on the gene nodes, as in scGraPhT's paper;
        "integrated_gradients": by captum (``pip install 'scgnn_tools[explain]'``); both are of ``scgrapht``'s graph alone, of "auto" that
        of its member, and want a pathway that ends in CG, "gradcam" one of two steps or more: ``pathway="P2"``. Where the cells' vectors go
        into the graph (a pathway that starts with cells, as P2 and P4, and a scheme other than "graph"), "gradcam" is of the entries of
        the vectors too, and of these alone where the pathway has no nodes of genes, as P4.
    n_cells
        Cells of each predicted class that are asked about, drawn at random.
    n_genes
        Genes that are asked about with "occlusion": those whose means differ most between the classes.
    n_seeds
        With "gradcam", how often the graph is trained, each time from another seed and on another split, to see whether the same entries
        of the vectors come up. More than one trains it as often again on permuted labels: the control.
    key_added
        Name of the result.
    rng
        Seed of the split, of the training and of the draw.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields, ``key`` being ``key_added``:

    ``adata.uns[key]``
        dict: ``genes``, a DataFrame genes × classes of importance (NaN for a class without cells); ``classes``, the names of its columns as
        they are, where a file could not hold them as names of columns; ``dimensions``, the same for the
        dimensions of the vectors, each set to its mean; ``params``, with ``interrupted``: whether Ctrl-C ended the trainings, after which
        the best weights of the first are explained, with complete trainings beside it; and for a method of two parts ``parts``, a
        DataFrame with ``accuracy`` of each part and of the whole, over all held-out labelled cells and over those where the parts disagree.
    ``adata.uns[key]["entries"]``
        dict, with "gradcam" where vectors go into the graph: ``graph`` and ``vectors``, DataFrames entries × classes: what each entry of
        the vectors adds to a class, on the side of the graph and on that of the classifier of the vectors, 1 the most, below 0 what speaks
        against it, mean over the trainings (the equation is in ``labels/scgrapht/entries.py``); ``top``, the top 1 % of entries of each
        class and side, one at least; ``agreement``, rank correlations between the sides and between trainings, beside those with other
        classes and those after training on permuted labels; ``pca``, where each class is in the first two principal components of all
        ``profiles``, with ``pca_variance``; and the ``profiles``, float32 (n_seeds, n_entries, n_classes) of each side.
    ``adata.obs[f"{key}_graph"]``, ``adata.obs[f"{key}_vectors"]``
        categorical: the label that each part gives, for a method of two parts.

    Raises
    ------
    LabelError, MissingKeyError, GeneMatchError, InputScaleError, InputValueError
        Before anything is written.
    MissingExtraError
        If captum is wanted and not installed.

    Examples
    --------
    >>> sgt.tl.explain(adata, "partly", method="logreg_pca", n_cells=5, n_genes=20)
    >>> adata.uns["sgt_explain"]["genes"].shape
    (20, 5)
    >>> sgt.pl.explain(adata)
    <Figure size ...>
    """
    inner = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = ExplainKeys(check_key(key_added))
    check_own(inner, keys, {"obs": [keys.part(n) for n in PARTS], "uns": [keys.uns]})
    check_apart([keys.part(n) for n in PARTS], labels_key=labels_key)
    number = seed(rng)
    options["device"] = device
    ask = Question(method, options, how, n_cells, n_genes, n_seeds, number, transductive).check()
    where = {"use_rep": use_rep, "layer": layer, "gene_key": gene_key, "organism": organism}
    where["gene_graph"] = key_of(options)
    data = collect(inner, labels_key, reference, unlabeled_category=unlabeled_category, mod=mod, **where)
    found = explained(data, ask, inner.var_names.to_numpy())
    params = {
        "method": method,
        "how": how,
        "n_cells": n_cells,
        "n_seeds": n_seeds,
        "seed": number,
        "options": found.resolved,
    }
    params["interrupted"] = found.interrupted
    entry = {**found.tables, "classes": found.classes.astype(object), "params": data.params | params}
    fields = {
        "uns": {keys.uns: entry},
        "obs": {
            keys.part(n): pd.Categorical(found.classes[c], categories=found.classes) for n, c in found.parts.items()
        },
    }
    if found.interrupted:
        msg = f"{method}: the training was interrupted; the explanation is of its best weights so far, and of no training after it."
        warn(msg)
    changed = write(adata, fields, copy=copy, mod=mod, stale={"obs": [keys.part(n) for n in PARTS]})
    say(f"explain: {method} by {how}, {found.asked[0]:,} cells of {found.asked[1]} classes -> uns['{key_added}']")
    if "entries" in entry:
        say(f"explain: entries of the vectors, {said(entry['entries']['agreement'])}")
    return changed
