"""What link predictors learn from in an inference, and one predictor fitted on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._random import generator
from scgnn_tools.links import PREDICTORS, link_predictor

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class LinkInputs:
    """What the predictors may use.

    Attributes
    ----------
    pairs
        Labelled pairs over the whole prior: ``tf``, ``target``, ``label``.
    embedding
        Vector of each gene, indexed by symbol.
    genes
        Symbols of the data that can be scored.
    expression
        The data, ``var_names`` the symbols; None if no matrix fits.
    """

    pairs: pd.DataFrame
    embedding: pd.DataFrame
    genes: np.ndarray
    expression: "AnnData | None"


def fit(
    name: str, inputs: LinkInputs, train: pd.DataFrame, validation: pd.DataFrame | None, rng: int, **options: Any
) -> Any:
    """Fit a predictor; None if it needs an expression that there is not."""
    if missing(name, inputs, options):
        return None
    predictor = link_predictor(name, rng=rng, **options)
    if validation is None and options.get("protocol") in PREDICTORS[name].validates:
        held = split_held(train, rng)
        train, validation = train[~held], train[held]
    # every gene of the prior and of the data is a node, so that all methods score the same pairs; which genes there are is
    # no label
    every = np.union1d(inputs.genes, inputs.pairs[["tf", "target"]].to_numpy(dtype=object).ravel())
    return predictor.fit(train, validation, genes=every, expression=inputs.expression, embedding=inputs.embedding)


def split_held(train: pd.DataFrame, rng: int) -> np.ndarray:
    """Return which pairs validate where a method wants such and there are none: a tenth of the edges and of the others, bool (n,)."""
    label, order = train["label"].to_numpy(), generator(rng).permutation(len(train))
    held = np.zeros(len(train), dtype=bool)
    for value in (0, 1):
        mine = order[label[order] == value]
        held[mine[: -(-len(mine) // 10)]] = True
    return held


def stop_if_interrupted(name: str, fitted: Any) -> None:
    """Raise KeyboardInterrupt after a training that Ctrl-C ended early: what it was for would not be what it is called."""
    if fitted is not None and PREDICTORS[name].interruptible and fitted.interrupted:
        raise KeyboardInterrupt


def missing(name: str, inputs: LinkInputs, options: Mapping[str, Any]) -> list[str]:
    """Name what a predictor needs and the data do not have."""
    return sorted(n for n in PREDICTORS[name].needed(options) if getattr(inputs, n) is None)
