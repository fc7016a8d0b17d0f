"""Fit a method, score it beside the baselines on held-out labelled cells, calibrate it, label the query."""

from dataclasses import replace
from typing import Any

import numpy as np

from scgnn_tools._errors import LabelError, warn
from scgnn_tools._log import duration, printable, say
from scgnn_tools._random import RNG, seed
from scgnn_tools.annotation import report
from scgnn_tools.annotation.across import Holdout, across, holdouts, renumbered
from scgnn_tools.annotation.conformal import Kind
from scgnn_tools.annotation.fitting import Fold, check_expressed, validation_share
from scgnn_tools.annotation.labeller import AnnotationResult, Labeller
from scgnn_tools.annotation.novelty import Novelty
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.within import within
from scgnn_tools.data.order import by_content
from scgnn_tools.labels import METHODS, Cells
from scgnn_tools.labels.auto import expected_seconds
from scgnn_tools.splits import split_cells


def run(
    labelled: Cells,
    labels: np.ndarray,
    query: Query,
    *,
    unlabeled: np.ndarray | None = None,
    vectors: bool = False,
    **how: Any,
) -> AnnotationResult:
    """Annotate a query.

    Parameters
    ----------
    labelled, labels
        Reference cells and their labels, str (n_cells,).
    query
        Cells to label.
    unlabeled
        Positions in ``query`` of the cells that training may look at without their labels; None trains without them.
    vectors
        Whether those of the query are kept.
    how
        As for :func:`train`.

    Examples
    --------
    >>> inputs = sgt.annotation.collect(
    ...     adata, "partly", None, unlabeled_category="Unknown", mod="rna", use_rep=None, layer=None, gene_key=None, organism=None
    ... )
    >>> result = sgt.annotation.run(inputs.labelled, inputs.labels, inputs.query, method="logreg_pca")
    >>> result.proba.shape
    (206, 5)
    """
    seen = None if unlabeled is None else query.take(unlabeled)
    return train(labelled, labels, unlabeled=seen, **how).label(query, vectors=vectors)


def train(
    labelled: Cells,
    labels: np.ndarray,
    *,
    method: str,
    reject: bool = True,
    experiments: np.ndarray | None = None,
    same_experiment: bool = True,
    coverage: float | None = None,
    conformal: Kind = "marginal",
    unlabeled: Cells | None = None,
    rng: RNG = 0,
    options: dict[str, Any] | None = None,
) -> Labeller:
    """Train a method and find out how good it is.

    70 % of the labelled cells train (75 % where a published protocol is asked for), 15 % (10 %) stop the training, set the temperature and
    the thresholds of the sets, 15 % are scored. The model that is returned is then trained again with the scored cells among the training
    cells. With several experiments each is held out in turn instead, and score, temperature and thresholds come from these.

    Parameters
    ----------
    labelled, labels
        Reference cells and their labels, str (n_cells,).
    method
        Name in ``METHODS``.
    reject
        Whether cells unlike the reference are found.
    experiments
        Which experiment each labelled cell is of, int (n_cells,); None for one.
    same_experiment
        Whether the cells to label are of these experiments.
    coverage, conformal
        Of the sets, as for :class:`ConformalSets`; None makes none.
    unlabeled
        Cells that training may look at without their labels; None trains without any. The cells that are scored are among them, since
        those to label are.
    rng
        Seed of the split and of the training.
    options
        Handed to the method.

    Raises
    ------
    LabelError
        If there are fewer than two classes.

    Warns
    -----
    SgtWarning
        If a class has a single labelled cell, or Ctrl-C ended the work: then the best weights so far label the query, baselines that were
        not scored yet are missing, and nothing is trained again. Before there are weights KeyboardInterrupt is raised.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        msg = f"Annotation needs at least two classes; the labels hold {len(classes)}: {', '.join(map(printable, classes))}."
        raise LabelError(msg)
    check_expressed(labelled)
    number = seed(rng)
    order = by_content(labelled.expression)  # who is drawn does not depend on the order of the object
    part, alone = split_cells(codes[order], validation=validation_share(method, options), rng=number)
    if len(alone):
        names = ", ".join(printable(classes[c]) for c in alone[:10]) + (", …" if len(alone) > 10 else "")
        msg = f"{len(alone):,} classes have a single labelled cell, which trains and is never scored: {names}."
        warn(msg)
    train, validation, test = (order[part == p] for p in range(3))
    if unlabeled is not None:
        unlabeled = unlabeled.take(by_content(unlabeled.expression))
    folds: list[Holdout] = []
    if experiments is not None:
        experiments = renumbered(experiments, order)  # nor on what experiments are called
        labelled = replace(labelled, experiments=experiments)  # an ensemble weighs its members by them
        folds = [Holdout(order[f.others], order[f.asked]) for f in holdouts(codes[order], experiments[order])]
    how: dict[str, Any] = {"coverage": coverage, "conformal": conformal}
    if METHODS[method].ensemble:
        times = len(folds) + 1 if folds else 2
        n_experiments = 1 if experiments is None else len(np.unique(experiments))
        seconds = duration(times * expected_seconds(len(labelled), n_experiments))
        say(
            f"annotate: {method} trains its members {times} times on {len(labelled):,} cells, about {seconds}; Ctrl-C ends it early"
        )
    if folds:
        everyone = Fold(labelled, codes, np.concatenate([train, test]), validation, unlabeled, number)
        outcome = across(method, everyone, folds, options, **how)
    else:
        outcome = within(method, Fold(labelled, codes, train, validation, unlabeled, number), test, options, **how)
    if outcome.interrupted:
        msg = f"{method}: the training was interrupted; the labels are of its best weights so far."
        warn(msg)
    novelty = None
    if reject:
        novelty = Novelty().fit(
            labelled.take(train),
            codes[train],
            labelled.take(np.concatenate([validation, test])),
            experiments=None if experiments is None else experiments[train],
            same_experiment=same_experiment,
        )
    told = report.make(outcome.rows, method, outcome.proba, outcome.codes, classes, outcome.promised, outcome.held_out)
    final = outcome.final
    return Labeller(classes, method, final.method, final.temperature, outcome.sets, novelty, told, outcome.interrupted)
