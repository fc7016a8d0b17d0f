"""What link predictors learn from in an inference, and one predictor fitted on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

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
    if missing(name, inputs):
        return None
    predictor = link_predictor(name, rng=rng, **options)
    # every gene of the prior and of the data is a node, so that all methods score the same pairs; which genes there are is
    # no label
    every = np.union1d(inputs.genes, inputs.pairs[["tf", "target"]].to_numpy(dtype=object).ravel())
    return predictor.fit(train, validation, genes=every, expression=inputs.expression, embedding=inputs.embedding)


def stop_if_interrupted(name: str, fitted: Any) -> None:
    """Raise KeyboardInterrupt after a training that Ctrl-C ended early: what it was for would not be what it is called."""
    if fitted is not None and PREDICTORS[name].interruptible and fitted.interrupted:
        raise KeyboardInterrupt


def missing(name: str, inputs: LinkInputs) -> list[str]:
    """Name what a predictor needs and the data do not have."""
    return sorted(n for n in PREDICTORS[name].needs if getattr(inputs, n) is None)
