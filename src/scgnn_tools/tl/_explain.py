"""``tl.explain``: which genes and which dimensions of the vectors a label rests on, and where the parts of a method disagree."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import EXPLAIN, UNKNOWN, ExplainKeys
from scgnn_tools._log import say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key, safe_names
from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools._threads import by_size
from scgnn_tools.annotation import entries as of_entries
from scgnn_tools.annotation.collect import AnnotationInputs, collect
from scgnn_tools.annotation.explain import parts, without_dimensions, without_genes
from scgnn_tools.annotation.fitting import check_expressed, validation_share
from scgnn_tools.data.order import by_content
from scgnn_tools.labels import METHODS, Cells, Interruptible, LabelMethod, WithParts, label_method, resolved
from scgnn_tools.labels.gene_graph import key_of
from scgnn_tools.labels.means import class_means, telling_genes
from scgnn_tools.splits import split_cells

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools.annotation.sources import Reference

PARTS, GRAPH = ("graph", "vectors"), "scgrapht"
HOW = ("occlusion", "gradcam", "integrated_gradients")


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
    _check(how, n_cells=n_cells, n_genes=n_genes, n_seeds=n_seeds)
    options["device"] = device
    label_method(method, **options)  # a wrong name is an error before any work
    genes_too, entries_too = _reached(how, method, options, n_seeds)
    where = {"use_rep": use_rep, "layer": layer, "gene_key": gene_key, "organism": organism}
    where["gene_graph"] = key_of(options)
    data = collect(inner, labels_key, reference, unlabeled_category=unlabeled_category, mod=mod, **where)
    number = seed(rng)
    see = transductive or METHODS[method].transductive
    classes, fitted, scored, codes, train = _train(data, method, options, number, see=see)
    stopped = METHODS[method].interruptible and cast("Interruptible", fitted).interrupted
    query = data.query.whole()
    predicted = fitted.scores(query).argmax(axis=1)
    chosen = _draw(predicted, np.diff(query.expression.indptr) > 0, n_cells, number)
    cells, own = query.take(chosen), predicted[chosen]
    columns = safe_names(classes)
    dimensions = without_dimensions(fitted, cells, own, train[0].embedding.mean(axis=0))
    entry: dict[str, Any] = {
        "dimensions": pd.DataFrame(dimensions, columns=columns, index=[str(d) for d in range(len(dimensions))]),
        "classes": classes.astype(object),
        "params": data.params
        | {
            "method": method,
            "how": how,
            "n_cells": n_cells,
            "n_seeds": n_seeds,
            "seed": number,
            "options": resolved(method, fitted, options),
        },
    }
    if genes_too:
        genes = _genes(method, fitted, cells, own, how, n_genes, train)
        names = query.genes if query.genes is not None else inner.var_names.to_numpy()
        entry["genes"] = pd.DataFrame(genes[0], index=pd.Index(names[genes[1]].astype(str)), columns=columns)
    if entries_too:
        first = _profile(_graph_of(method, fitted), train, cells, own)
        seeds = [] if stopped else [(number + i) % 2**31 for i in range(n_seeds)]
        made, ended = _trainings(data, _of_graph(options), seeds, first, cells, own, see=see)
        entry["entries"], stopped = _entries(*made, columns), stopped or ended
    entry["params"]["interrupted"] = stopped
    each = parts(cast("WithParts", fitted), query) if METHODS[method].parts else {}
    if each:
        entry["parts"] = _score_parts(cast("WithParts", fitted), scored, codes)
    fields = {
        "uns": {keys.uns: entry},
        "obs": {keys.part(n): pd.Categorical(classes[c], categories=classes) for n, c in each.items()},
    }
    if stopped:
        msg = f"{method}: the training was interrupted; the explanation is of its best weights so far, and of no training after it."
        warn(msg)
    changed = write(adata, fields, copy=copy, mod=mod, stale={"obs": [keys.part(n) for n in PARTS]})
    say(f"explain: {method} by {how}, {len(cells):,} cells of {len(np.unique(own))} classes -> uns['{key_added}']")
    if entries_too:
        say(f"explain: entries of the vectors, {of_entries.said(entry['entries']['agreement'])}")
    return changed


def _check(how: str, *, n_cells: int, n_genes: int, n_seeds: int) -> None:
    choice("how", how, HOW)
    integer("n_cells", n_cells)
    integer("n_genes", n_genes)
    if integer("n_seeds", n_seeds) > 1 and how != "gradcam":
        msg = f"n_seeds={n_seeds} compares entries of the vectors, which how='gradcam' finds; how is {how!r}. Leave n_seeds=1."
        raise InputValueError(msg)


def _reached(how: str, method: str, options: dict[str, Any], n_seeds: int) -> tuple[bool, bool]:
    """Tell whether genes are reached and whether entries of vectors; refuse gradients without a graph, or that reach neither."""
    if how == "occlusion":
        return True, False
    if method != GRAPH and not (METHODS[method].ensemble and GRAPH in options.get("members", (GRAPH,))):
        msg = f"how={how!r} needs the graph of {GRAPH}; the method is {method!r}. Pass how='occlusion'."
        raise InputValueError(msg)
    graph = cast("Any", label_method(GRAPH, **_of_graph(options)))
    steps = graph.steps
    genes = steps[-1] == "CG" and (how != "gradcam" or len(steps) > 1)
    entries = how == "gradcam" and graph.options.takes_vectors(steps)
    if not (genes or entries):
        wanted = "nodes of genes that hear from others" if steps[-1] == "CG" else "genes in the last step"
        msg = (
            f"how={how!r} needs {wanted}; the pathway is {'-'.join(steps)}. Pass pathway='P2' (GC-CG), here and to tl.annotate, or "
            "how='occlusion'."
        )
        raise InputValueError(msg)
    if n_seeds > 1 and not entries:
        msg = (
            f"n_seeds={n_seeds} compares entries of the vectors, and none go into the graph of pathway {'-'.join(steps)} with "
            f"scheme={graph.options.scheme!r}. Pass pathway='P2' or 'P4', which start with cells, and scheme='embedding+logits'."
        )
        raise InputValueError(msg)
    return genes, entries


def _of_graph(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the graph alone, of those of an ensemble."""
    return {k: v for k, v in options.items() if k not in ("members", "weights")}


def _graph_of(method: str, fitted: Any) -> Any:
    return fitted.members[GRAPH] if METHODS[method].ensemble else fitted


def _train(
    data: AnnotationInputs, method: str, options: dict[str, Any], number: int, *, see: bool
) -> tuple[np.ndarray, LabelMethod, Cells, np.ndarray, tuple[Cells, np.ndarray]]:
    classes, codes = np.unique(data.labels, return_inverse=True)
    if len(classes) < 2:
        msg = f"An explanation needs at least two classes; the labels hold {len(classes)}."
        raise InputValueError(msg)
    check_expressed(data.labelled)
    order = by_content(data.labelled.expression)
    part, _ = split_cells(codes[order], validation=validation_share(method, options), rng=number)
    train, validation, test = (order[part == p] for p in range(3))
    scored = data.labelled.take(test)
    fitted = label_method(method, **options).fit(
        data.labelled.take(train),
        codes[train],
        data.labelled.take(validation),
        codes[validation],
        unlabeled=scored.beside(data.query.take(data.unlabeled)) if see else None,
        rng=number,
    )
    return classes, fitted, scored, codes[test], (data.labelled.take(train), codes[train])


def _draw(predicted: np.ndarray, expressed: np.ndarray, n_cells: int, number: int) -> np.ndarray:
    rng = generator(number)
    order = rng.permutation(np.flatnonzero(expressed))
    return np.sort(np.concatenate([order[predicted[order] == c][:n_cells] for c in np.unique(predicted)]))


def _genes(
    method: str,
    fitted: Any,
    cells: Cells,
    own: np.ndarray,
    how: str,
    n_genes: int,
    train: tuple[Cells, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    if how == "occlusion":
        at = telling_genes(class_means(train[0].expression, train[1]), n_genes)
        return without_genes(fitted, cells, own, at), at
    from scgnn_tools.labels.scgrapht import gradients

    gradient = gradients.gradcam if how == "gradcam" else gradients.integrated_gradients
    return gradient(_graph_of(method, fitted).fitted, cells, own)


def _profile(graph: Any, train: tuple[Cells, np.ndarray], cells: Cells, own: np.ndarray) -> np.ndarray:
    """Return the importance of the entries on both sides, scaled, (2, d, n_classes), without principal components beside the vectors."""
    from scgnn_tools.labels.scgrapht import entries

    vectors = entries.of_vectors(graph.fitted, *train, cells, own)
    of_graph = entries.of_graph(graph.fitted, cells, own)[: len(vectors)]
    return np.stack([of_entries.scaled(of_graph), of_entries.scaled(vectors)])


def _trainings(
    data: AnnotationInputs,
    options: dict[str, Any],
    seeds: list[int],
    first: np.ndarray,
    cells: Cells,
    own: np.ndarray,
    *,
    see: bool,
) -> tuple[tuple[list[np.ndarray], list[np.ndarray]], bool]:
    """Return the importances of trainings on the labels, ``first`` before them, and on permuted ones, and whether Ctrl-C ended them.

    All are asked about the same cells. A training that was interrupted is left out, and none comes after it.
    """
    again = [(data.labels, n, 0) for n in seeds[1:]]
    permuted = [(generator(n).permutation(data.labels), n, 1) for n in seeds] if again else []
    made: tuple[list[np.ndarray], list[np.ndarray]] = ([first], [])
    try:
        for labels, n, of in progress([*again, *permuted], what="explain", unit="training"):
            _, graph, _, _, train = _train(replace(data, labels=labels), GRAPH, options, n, see=see)
            if cast("Interruptible", graph).interrupted:
                return made, True
            made[of].append(_profile(graph, train, cells, own))
    except KeyboardInterrupt:
        return made, True
    return made, False


def _entries(real: list[np.ndarray], permuted: list[np.ndarray], columns: Sequence[str]) -> dict[str, Any]:
    """Return what holds over the importances of several trainings, (2, d, n_classes) each, beside those on permuted labels."""
    profiles, control = (
        dict(zip(of_entries.SIDES, np.stack(some, axis=1), strict=True)) if some else {} for some in (real, permuted)
    )
    points, variance = of_entries.coordinates(profiles, columns)
    index = [str(d) for d in range(real[0].shape[1])]
    return {
        **{s: pd.DataFrame(of_entries.average(p), index=index, columns=list(columns)) for s, p in profiles.items()},
        "top": of_entries.top(profiles, columns),
        "agreement": of_entries.agreement(profiles, control, columns),
        "pca": points,
        "pca_variance": variance,
        "profiles": {s: p.astype(np.float32) for s, p in profiles.items()},
    }


def _score_parts(fitted: WithParts, scored: Cells, codes: np.ndarray) -> pd.DataFrame:
    if len(codes) == 0:
        return pd.DataFrame(columns=["accuracy", "accuracy_where_they_disagree", "n", "n_disagree"], dtype=float)
    given = {**parts(fitted, scored), "both": fitted.scores(scored).argmax(axis=1)}
    differ = given["graph"] != given["vectors"]
    rows = {
        name: {
            "accuracy": float((labels == codes).mean()),
            "accuracy_where_they_disagree": float((labels == codes)[differ].mean()) if differ.any() else float("nan"),
            "n": len(codes),
            "n_disagree": int(differ.sum()),
        }
        for name, labels in given.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")
