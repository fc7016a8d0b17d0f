"""Experiments out of a table of log2 fold changes, a row an experiment."""

from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._log import as_text, printable
from scgnn_tools.perturbation.bulk.read import column, matrix, studies
from scgnn_tools.perturbation.bulk.units import LEAST_EXPRESSION

if TYPE_CHECKING:
    from anndata import AnnData

TARGET = "target"
"""Column of the targets, in whose place a table of fold changes may have "source" where nobody named another."""

MOST_LOG = 30.0
"""No log1p of an expression is larger: that of 10 million millions is."""


def of_fold_changes(
    adata: "AnnData",
    x: np.ndarray,
    *,
    target_key: str,
    role_key: str,
    study_key: str | None,
    min_expression: float | None,
) -> dict[str, Any]:
    """Return what fold changes say of the experiments: all of :class:`~scgnn_tools.perturbation.bulk.inputs.Bulk` but the genes.

    Parameters
    ----------
    adata, x
        The experiments and the matrix of their changes.
    target_key, role_key, study_key, min_expression
        As in :func:`scgnn_tools.tl.knockout_bulk`.
    """
    if not (x < 0).any():
        msg = (
            f"obs has no column {printable(role_key)!r}, so the rows would be log2 fold changes, and none is negative. "
            "For bulk samples pass role_key= with the column that says which is the control."
        )
        raise MissingKeyError(msg)
    key = "source" if target_key == TARGET and TARGET not in adata.obs and "source" in adata.obs else target_key
    target, study = column(adata, key, "target_key"), studies(adata, study_key)
    control, expressed = None, np.ones(x.shape, dtype=bool)
    if "control" in adata.layers:
        control = _log_control(adata)
        expressed = np.expm1(control) >= (LEAST_EXPRESSION if min_expression is None else min_expression)
    elif min_expression is not None:
        msg = "min_expression= wants the expression of the controls, log1p, in layers['control']; there is none."
        raise MissingKeyError(msg)
    return {
        "names": as_text(adata.obs_names),
        "target": target,
        "study": study,
        "control": control,
        "change": x * np.log(2),
        "expressed": expressed,
        "halves": None,
        "params": {
            "input": "log2 fold changes",
            "n_samples": len(x),
            "min_expression": 0.0 if min_expression is None else min_expression,
        },
    }


def _log_control(adata: "AnnData") -> np.ndarray:
    """Return the expression of the controls; what is no log1p of it is an error."""
    control = matrix(adata, "control")
    if control.min() < 0:
        seen = f"negative values (min {control.min():.3g})"
    elif control.max() > MOST_LOG or (control.any() and (control == np.rint(control)).all()):
        seen = f"values up to {control.max():.6g}, counts or TPM it seems"
    else:
        return control
    msg = (
        f"layers['control'] holds {seen}; the log1p of the controls' expression is wanted, such as "
        "adata.layers['control'] = np.log1p(controls)."
    )
    raise InputValueError(msg)
