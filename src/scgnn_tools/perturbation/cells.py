"""Predicted cells: control cells with the change that a perturbation makes, and what lies in the middle of them."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import sequence, share
from scgnn_tools._random import RNG, generator
from scgnn_tools.data.conditions import Condition, condition_name
from scgnn_tools.perturbation._protocol import GivingCells, PerturbationMethod
from scgnn_tools.perturbation._registry import entry
from scgnn_tools.perturbation.inputs import CONTROL, Screen

DRAWN = 500
"""Control cells that quantiles are of, at most."""


def predicted_cells(name: str, fitted: PerturbationMethod, condition: Condition, controls: sp.csr_array) -> np.ndarray:
    """Return control cells after a perturbation, log values, float32 (n_cells, n_genes); none is below 0.

    Parameters
    ----------
    name, fitted
        The method. One that predicts means moves all cells alike.
    condition
        Perturbed genes.
    controls
        Log-normalised, CSR (n_cells, n_genes).
    """
    each = entry(name).gives_cells
    change = cast("GivingCells", fitted).predict_cells(condition, controls) if each else fitted.predict([condition])
    return np.maximum(controls.toarray() + change, 0).astype(np.float32)


def drawn_controls(cells: Screen, n: int, rng: RNG) -> np.ndarray:
    """Return positions of ``n`` control cells, or of all where there are fewer, sorted."""
    controls = np.flatnonzero(cells.condition == CONTROL)
    return np.sort(generator(rng).permutation(controls)[:n])


def check_quantiles(quantiles: "Sequence[float] | None") -> list[float]:
    """Return the quantiles, each once, sorted."""
    given = (
        [] if quantiles is None else [quantiles] if isinstance(quantiles, float) else sequence("quantiles", quantiles)
    )
    return sorted({share("quantiles", q) for q in given})


def quantiles_of(
    cells: Screen,
    name: str,
    fitted: PerturbationMethod,
    query: Sequence[Condition],
    quantiles: Sequence[float],
    *,
    rng: RNG,
) -> pd.DataFrame:
    """Return quantiles of predicted cells: columns ``condition`` and ``quantile``, then the genes."""
    controls = sp.csr_array(cells.expression[drawn_controls(cells, DRAWN, rng)])
    parts = []
    for condition in query:
        made = np.quantile(predicted_cells(name, fitted, condition, controls), quantiles, axis=0)
        about = pd.DataFrame({"condition": condition_name(condition), "quantile": list(quantiles)})
        parts.append(pd.concat([about, pd.DataFrame(made.astype(np.float32), columns=cells.genes)], axis=1))
    return pd.concat(parts, ignore_index=True)
