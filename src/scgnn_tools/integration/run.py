"""Fit a method and its baselines on the same cells, score them, and say who wins."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError, LabelError, MissingExtraError, warn
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, seed
from scgnn_tools.integration._protocol import Batches, IntegrationMethod
from scgnn_tools.integration._registry import METHODS, entry, integration_method
from scgnn_tools.integration.evaluation import BEFORE as PCA
from scgnn_tools.integration.evaluation import Evaluation, evaluate, verdict
from scgnn_tools.integration.inputs import Column, Inputs


@dataclass(frozen=True)
class IntegrationResult:
    """What a run made.

    Attributes
    ----------
    vectors
        Of every cell, float32 (n_cells, d).
    method
        Fitted.
    row
        Its name in ``evaluation``: with that of the embedding before it, if it corrects one.
    evaluation
        A row a method; None if it was not asked for, or nothing could be scored.
    verdict
        In words.
    """

    vectors: np.ndarray
    method: IntegrationMethod
    row: str
    evaluation: pd.DataFrame | None
    verdict: str


def check(
    method: str, n_obs: int, *, labels: bool, options: dict[str, Any], use_rep: str | None = None
) -> IntegrationMethod:
    """Return the method, unfitted; a wrong name or option, or too few cells, is an error before any work."""
    found = entry(method)
    if use_rep is not None and found.needs != "vectors":
        able = ", ".join(n for n, e in METHODS.items() if e.needs == "vectors")
        seen = f"use_rep={printable(repr(use_rep))}"
        msg = f"{method} reads expression and no vectors: {seen} is for {able}. Leave it out, or take one of these."
        raise InputValueError(msg)
    made = integration_method(method, **options)
    if n_obs < found.least_cells:
        few = found.least_cells == 2
        kind, todo = ("wants", "Pass more") if few else ("is a network and wants", "Take method='harmony' or 'center'")
        msg = f"{method} {kind} at least {found.least_cells} cells; there {'is' if n_obs == 1 else 'are'} {n_obs}. {todo}."
        raise InputValueError(msg)
    if found.sees_labels and not labels:
        msg = f"{method} learns from labels. Pass labels_key='cell_type', the column of obs that holds them."
        raise LabelError(msg)
    return made


def check_baselines(baselines: "tuple[str, ...] | list[str]") -> list[str]:
    """Return the baselines as a list; an unknown name is an error."""
    if isinstance(baselines, str):
        msg = f"baselines is a list of names, such as ('pca', 'center'); got {baselines!r}."
        raise InputValueError(msg)
    for name in baselines:
        if name != PCA:
            entry(name)
    return list(dict.fromkeys(PCA if name == "none" else name for name in baselines))


def seen_by(method: str, cells: Batches, labels: Column | None) -> Batches:
    """Return the cells as the method may see them: labels only for those that learn from labels."""
    sees = entry(method).sees_labels and labels is not None
    return replace(cells, labels=labels.codes if sees and labels is not None else None)


def fit(
    made: IntegrationMethod, method: str, cells: Batches, labels: Column | None, order: np.ndarray, rng: RNG
) -> np.ndarray:
    """Return the vectors of a method, checked; it sees the cells in ``order``, and they are put back."""
    found = np.asarray(made.fit(seen_by(method, cells, labels).take(order), rng=seed(rng)), dtype=np.float32)
    vectors = np.empty_like(found)
    vectors[order] = found
    if not np.isfinite(vectors).all():
        msg = f"{method} gave vectors that are not finite; nothing is written. Try another rng=, or fewer max_epochs=."
        raise InputValueError(msg)
    return vectors


def run(
    inputs: Inputs,
    labels: Column | None,
    *,
    made: IntegrationMethod,
    method: str,
    baselines: list[str],
    condition: Column | None = None,
    scored: bool = True,
    rng: RNG = 0,
) -> IntegrationResult:
    """Integrate, and score beside the baselines on the principal components of the same cells."""
    start = time.perf_counter()
    order = inputs.order
    labels, condition = (None if c is None else c.as_met(order) for c in (labels, condition))
    vectors = fit(made, method, inputs.cells, labels, order, rng)
    seconds = {row_name(method, inputs): time.perf_counter() - start}
    row = next(iter(seconds))
    if not scored:
        return IntegrationResult(vectors, made, row, None, f"{row}: not scored")
    shown = {row: vectors}
    kinds = {row: "method"}  # what was asked for, whatever it is among methods
    on_pca = replace(inputs.cells, vectors=inputs.pca)
    for name in (b for b in baselines if b != row):
        start = time.perf_counter()
        if name == PCA:
            shown[name] = inputs.pca
        else:
            try:
                other = integration_method(name)
            except MissingExtraError as error:
                warn(f"The baseline {name} is left out: {error}")
                continue
            shown[name] = fit(other, name, on_pca, labels, order, rng)
        kinds[name], seconds[name] = "baseline", time.perf_counter() - start
    columns = [None if c is None else c.take(order) for c in (labels, condition)]
    found = evaluate(
        {n: x[order] for n, x in shown.items()},
        kinds,
        inputs.batch.take(order),
        columns[0],
        before=inputs.pca[order],
        condition=columns[1],
        rng=rng,
    )
    return IntegrationResult(vectors, made, row, _table(found, seconds), verdict(found, row))


def _table(found: Evaluation | None, seconds: dict[str, float]) -> pd.DataFrame | None:
    if found is None:
        return None
    table = found.table.copy()
    table["sees_labels"] = [n in METHODS and METHODS[n].sees_labels for n in table.index]
    table["seconds"] = pd.Series(seconds).reindex(table.index)
    return table


def row_name(method: str, inputs: Inputs) -> str:
    """Return the name of a method's row: "harmony", "X_scgpt+harmony", and for what is not corrected "pca" or "X_scgpt"."""
    rep = inputs.params["use_rep"]
    corrects = entry(method).needs == "vectors"
    if method == "none":
        return rep or PCA
    return f"{rep}+{method}" if rep and corrects else method
