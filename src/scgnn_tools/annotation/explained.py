"""A method trained as for the evaluation of its labels, and asked what they rest on: genes, dimensions and entries of the vectors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer
from scgnn_tools._errors import InputValueError
from scgnn_tools._names import safe_names
from scgnn_tools._progress import progress
from scgnn_tools._random import generator
from scgnn_tools.annotation import entries as of_entries
from scgnn_tools.annotation.collect import AnnotationInputs
from scgnn_tools.annotation.explain import parts, without_dimensions, without_genes
from scgnn_tools.annotation.fitting import check_expressed, validation_share
from scgnn_tools.data.order import by_content
from scgnn_tools.labels import (
    METHODS,
    Cells,
    Ensemble,
    Interruptible,
    LabelMethod,
    WithGradients,
    WithParts,
    label_method,
    resolved,
)
from scgnn_tools.labels.auto import MEMBERS
from scgnn_tools.labels.means import class_means, telling_genes
from scgnn_tools.splits import split_cells

HOW = ("occlusion", "gradcam", "integrated_gradients")


@dataclass(frozen=True)
class Question:
    """What is asked of which method; :meth:`check` says what it can be asked.

    Attributes
    ----------
    method, options
        Name of the method, and its options.
    how, n_cells, n_genes, n_seeds
        As in :func:`scgnn_tools.tl.explain`.
    seed
        Of the split, the training and the draw.
    transductive
        Whether the cells to label are in the training, without their labels; in that of some methods they always are.
    """

    method: str
    options: dict[str, Any]
    how: str
    n_cells: int
    n_genes: int
    n_seeds: int
    seed: int
    transductive: bool

    @property
    def see(self) -> bool:
        """Whether the cells to label are in the training."""
        return self.transductive or METHODS[self.method].transductive

    def check(self) -> "Question":
        """Refuse what cannot be asked, before any work."""
        choice("how", self.how, HOW)
        integer("n_cells", self.n_cells)
        integer("n_genes", self.n_genes)
        if integer("n_seeds", self.n_seeds) > 1 and self.how != "gradcam":
            msg = (
                f"n_seeds={self.n_seeds} compares entries of the vectors, which how='gradcam' finds; how is {self.how!r}. "
                "Leave n_seeds=1."
            )
            raise InputValueError(msg)
        label_method(self.method, **self.options)  # a wrong name is an error before any work
        _reached(self.how, self.method, self.options, self.n_seeds)
        return self


@dataclass(frozen=True)
class Explanation:
    """What the labels rest on.

    Attributes
    ----------
    classes
        Names, object (n_classes,).
    tables
        ``dimensions``, and where they were asked for ``genes``, ``entries`` and ``parts``, as :func:`scgnn_tools.tl.explain` writes them.
    parts
        Class of each cell by each part of the method, int (n_obs,).
    resolved
        All options as they held.
    asked
        Number of cells that were asked about, and of their classes.
    interrupted
        Whether Ctrl-C ended a training.
    """

    classes: np.ndarray
    tables: dict[str, Any]
    parts: dict[str, np.ndarray]
    resolved: dict[str, Any]
    asked: tuple[int, int]
    interrupted: bool


def explained(data: AnnotationInputs, ask: Question, names: np.ndarray) -> Explanation:
    """Train the method, and ask it about cells of each class.

    Parameters
    ----------
    data
        Of :func:`~scgnn_tools.annotation.collect.collect`.
    ask
        What is asked.
    names
        Of the columns of the cells to label, where these do not know them.
    """
    genes_too, entries_too = _reached(ask.how, ask.method, ask.options, ask.n_seeds)
    classes, fitted, scored, codes, train = _train(data, ask.method, ask.options, ask.seed, see=ask.see)
    stopped = METHODS[ask.method].interruptible and cast("Interruptible", fitted).interrupted
    query = data.query.whole()
    predicted = fitted.scores(query).argmax(axis=1)
    chosen = _draw(query, predicted, ask.n_cells, ask.seed)
    cells, own = query.take(chosen), predicted[chosen]
    columns = safe_names(classes)
    dimensions = without_dimensions(fitted, cells, own, train[0].embedding.mean(axis=0))
    tables: dict[str, Any] = {
        "dimensions": pd.DataFrame(dimensions, columns=columns, index=[str(d) for d in range(len(dimensions))])
    }
    if genes_too:
        importance, at = _genes(ask, fitted, cells, own, train)
        index = pd.Index((names if query.genes is None else query.genes)[at].astype(str))
        tables["genes"] = pd.DataFrame(importance, index=index, columns=columns)
    if entries_too:
        first = _profile(_graph_of(ask, fitted), train, cells, own)
        seeds = [] if stopped else [(ask.seed + i) % 2**31 for i in range(ask.n_seeds)]
        name = cast("str", _with_gradients(ask.method, ask.options))
        made, ended = _trainings(data, name, _of_graph(ask.options), seeds, first, cells, own, see=ask.see)
        tables["entries"], stopped = _entries(*made, columns), stopped or ended
    each = parts(cast("WithParts", fitted), query) if METHODS[ask.method].parts else {}
    if each:
        tables["parts"] = _score_parts(cast("WithParts", fitted), scored, codes)
    as_held = resolved(ask.method, fitted, ask.options)
    return Explanation(classes, tables, each, as_held, (len(cells), len(np.unique(own))), stopped)


def _reached(how: str, method: str, options: dict[str, Any], n_seeds: int) -> tuple[bool, bool]:
    """Tell whether genes are reached and whether entries of vectors; refuse gradients without a graph, or that reach neither."""
    if how == "occlusion":
        return True, False
    name = _with_gradients(method, options)
    if name is None:
        able = " or ".join(n for n, e in METHODS.items() if e.gradients)
        msg = f"how={how!r} needs the graph of {able}; the method is {method!r}. Pass how='occlusion'."
        raise InputValueError(msg)
    graph = label_method(name, **_of_graph(options))
    (genes, entries), told = cast("WithGradients", graph).reached(how), resolved(name, graph, {})
    pathway = told["pathway"]
    if not (genes or entries):
        wanted = "nodes of genes that hear from others" if pathway.split("-")[-1] == "CG" else "genes in the last step"
        msg = (
            f"how={how!r} needs {wanted}; the pathway is {pathway}. Pass pathway='P2' (GC-CG), here and to tl.annotate, or "
            "how='occlusion'."
        )
        raise InputValueError(msg)
    if n_seeds > 1 and not entries:
        msg = (
            f"n_seeds={n_seeds} compares entries of the vectors, and none go into the graph of pathway {pathway} with "
            f"scheme={told['scheme']!r}. Pass pathway='P2' or 'P4', which start with cells, and scheme='embedding+logits'."
        )
        raise InputValueError(msg)
    return genes, entries


def _of_graph(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the graph alone, of those of an ensemble."""
    return {k: v for k, v in options.items() if k not in ("members", "weights")}


def _with_gradients(method: str, options: dict[str, Any]) -> str | None:
    """Return the name of the method whose gradients tell: itself, or a member of an ensemble; None if there is none."""
    names = options.get("members", MEMBERS) if METHODS[method].ensemble else (method,)
    return next((n for n in names if METHODS[n].gradients), None)


def _graph_of(ask: Question, fitted: LabelMethod) -> WithGradients:
    name = cast("str", _with_gradients(ask.method, ask.options))
    found = cast("Ensemble", fitted).members[name] if METHODS[ask.method].ensemble else fitted
    return cast("WithGradients", found)


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


def _draw(query: Cells, predicted: np.ndarray, n_cells: int, number: int) -> np.ndarray:
    """Return cells of each class that express something, at most ``n_cells`` of each; where a cell stands decides nothing."""
    order = by_content(query.expression)
    order = generator(number).permutation(order[np.diff(query.expression.indptr)[order] > 0])
    return np.sort(np.concatenate([order[predicted[order] == c][:n_cells] for c in np.unique(predicted)]))


def _genes(
    ask: Question, fitted: LabelMethod, cells: Cells, own: np.ndarray, train: tuple[Cells, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    if ask.how == "occlusion":
        at = telling_genes(class_means(train[0].expression, train[1]), ask.n_genes)
        return without_genes(fitted, cells, own, at), at
    return _graph_of(ask, fitted).gene_importance(ask.how, cells, own)


def _profile(graph: WithGradients, train: tuple[Cells, np.ndarray], cells: Cells, own: np.ndarray) -> np.ndarray:
    """Return the importance of the entries on both sides, scaled, (2, d, n_classes)."""
    return np.stack([of_entries.scaled(side) for side in graph.entry_importance(*train, cells, own)])


def _trainings(
    data: AnnotationInputs,
    method: str,
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
            _, graph, _, _, train = _train(replace(data, labels=labels), method, options, n, see=see)
            if cast("Interruptible", graph).interrupted:
                return made, True
            made[of].append(_profile(cast("WithGradients", graph), train, cells, own))
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
