"""Experiments with classes, the run over held-out ones, and the prediction of those that were asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._random import RNG, seed
from scgnn_tools.genes.match import spelled_as
from scgnn_tools.perturbation.bulk._protocol import Experiments, KnockoutMethod
from scgnn_tools.perturbation.bulk._registry import METHODS, knockout_method
from scgnn_tools.perturbation.bulk.evaluation import (
    CEILING,
    HeldOutTargets,
    ceiling,
    held_out_targets,
    paired,
    summary,
    verdict,
)
from scgnn_tools.perturbation.bulk.inputs import Bulk
from scgnn_tools.perturbation.bulk.labels import labels
from scgnn_tools.perturbation.bulk.prior import prior_edges
from scgnn_tools.perturbation.relations import Relations, relations


@dataclass(frozen=True)
class KnockoutResult:
    """Tables as :func:`scgnn_tools.tl.knockout_bulk` describes them."""

    found: HeldOutTargets
    evaluation: pd.DataFrame
    paired: pd.DataFrame
    verdict: str


def check(method: str, options: dict[str, Any], *, model: Any = None) -> Callable[[], KnockoutMethod]:
    """Return what makes the method; a wrong name or option is an error before any work, a model for one that has no use for it too."""
    if model is not None:
        options = {"model": model, **options}
    knockout_method(method, **options)
    return partial(knockout_method, method, **options)


def experiments(
    found: Bulk, features: Sequence[str], extra: Sequence[str], *, fold: float, n_classes: int
) -> Experiments:
    """Return the experiments as methods see them: classes, and of ``features`` what was asked for."""
    log_fold = float(np.log(fold))
    related: Relations = relations(
        [(t,) for t in {*found.target, *extra}], ["go"] if "go" in features else [], organism=found.organism
    )
    genes = spelled_as(found.genes, found.target, extra, organism=found.organism)
    edges = (
        prior_edges(found.target, genes, found.organism)
        if "prior" in features
        else np.zeros(found.change.shape, np.float32)
    )
    return Experiments(
        found.target,
        found.study,
        found.change,
        labels(found.change, found.expressed, found.target, genes, log_fold, n_classes),
        found.control if "expression" in features else None,
        genes,
        related,
        edges,
        log_fold,
        n_classes,
    )


def unknown_to(of: Experiments, query: Sequence[str], organism: str) -> list[str]:
    """Return the targets of which no source that is used knows anything: Gene Ontology, and edges of the prior network to these genes."""
    by_source = [of.relations.genes[own] for own in of.relations.known.values()]
    if of.edges.any():
        names = np.array(query, dtype=object)
        by_source.append(names[prior_edges(names, of.genes, organism).any(axis=1)])
    known = {str(g) for genes in by_source for g in genes}
    return [name for name in query if name not in known]


def evaluate(
    of: Experiments,
    split: pd.DataFrame,
    method: str,
    make: Callable[[], KnockoutMethod],
    halves: tuple[np.ndarray, np.ndarray] | None,
    *,
    rng: RNG,
) -> KnockoutResult:
    """Score the method and all baselines on held-out experiments, and what a replicate says."""
    names = [n for n, e in METHODS.items() if n != method and (e.kind == "baseline" or n == "counting")]
    methods: dict[str, Callable[[], KnockoutMethod]] = {method: make}
    methods |= {n: partial(knockout_method, n) for n in names}
    found = held_out_targets(of, split, methods, rng=rng)
    scores = dict(found.scores)
    tested = np.unique(split.loc[split["part"] == "test", "experiment"])
    top = ceiling(of, halves, tested)
    if top is not None:
        scores[CEILING] = top
    kinds = {m: "method" if m == method else "baseline" for m in methods} | {CEILING: CEILING}
    table = summary(scores, kinds, rng=seed(rng))
    differences = paired(found.scores, method, names, rng=seed(rng))
    return KnockoutResult(found, table, differences, verdict(table, differences, method))


def predict(
    of: Experiments, make: Callable[[], KnockoutMethod], query: Sequence[str], organism: str, *, rng: RNG
) -> tuple[np.ndarray, np.ndarray, KnockoutMethod]:
    """Return probabilities and changes of knock-outs that were asked for, in the mean control, from all experiments."""
    target = np.array(list(query), dtype=object)
    shape = (len(target), len(of.genes))
    new = replace(
        of,
        target=target,
        study=np.full(len(target), "", dtype=object),
        change=np.zeros(shape),
        label=np.full(shape, -1, dtype=np.int8),
        control=None if of.control is None else np.tile(of.control.mean(axis=0), (len(target), 1)),
        edges=prior_edges(target, of.genes, organism) if of.edges.any() else np.zeros(shape, np.float32),
    )
    method = make()
    method.fit(of, rng=seed(rng))
    p, change = method.predict(new)
    return p, change, method
