"""Experiments out of bulk samples: each knock-out beside its control, and halves of the replicates."""

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.data.order import content_keys, sorted_by
from scgnn_tools.perturbation.bulk.read import column, studies
from scgnn_tools.perturbation.bulk.roles import Sides, controls, sides, warn_of_roles
from scgnn_tools.perturbation.bulk.units import LEAST_COUNTS, LEAST_EXPRESSION, scaled, undone, warn_of_units

if TYPE_CHECKING:
    from anndata import AnnData


def of_samples(
    adata: "AnnData",
    x: np.ndarray,
    *,
    target_key: str,
    pair_key: str,
    role_key: str,
    control: str,
    study_key: str | None,
    pseudocount: float,
    min_expression: float | None,
) -> dict[str, Any]:
    """Return what samples say of the experiments: all of :class:`~scgnn_tools.perturbation.bulk.inputs.Bulk` but the genes.

    Parameters
    ----------
    adata, x
        The samples and their matrix.
    target_key, pair_key, role_key, control, study_key, pseudocount, min_expression
        As in :func:`scgnn_tools.tl.knockout_bulk`.
    """
    if (x < 0).any():
        msg = (
            f"{int((x < 0).any(axis=1).sum())} of {len(x)} samples hold negative values: a microarray, or ratios. "
            f"Bulk samples are counts, TPM or FPKM; for a table of log2 fold changes leave obs[{printable(role_key)!r}] out."
        )
        raise InputValueError(msg)
    order = sorted_by(content_keys(sp.csr_array(x)))  # which replicates make a half
    adata, x = adata[order], x[order]
    pair, role = column(adata, pair_key, "pair_key"), column(adata, role_key, "role_key")
    is_control = controls(role, control, role_key)
    target, study = column(adata, target_key, "target_key", asked=~is_control), studies(adata, study_key)
    raw, what, counts = undone(x)
    values, scale = scaled(raw) if counts else (raw, 0.0)
    names = np.unique(pair)
    rows = [sides(pair == n, is_control, n, target) for n in names]
    warn_of_roles(rows, names, role, role_key)
    if not counts:
        warn_of_units(rows, names, raw.sum(axis=1))
    base, done = (np.stack([values[own].mean(axis=0) for own in side]) for side in zip(*rows, strict=True))
    together = np.stack([raw[c].sum(axis=0) + raw[k].sum(axis=0) for c, k in rows]) if counts else base + done
    least = (LEAST_COUNTS if counts else LEAST_EXPRESSION) if min_expression is None else min_expression
    first = np.array([k[0] for _, k in rows])
    return {
        "names": names,
        "target": target[first],
        "study": study[first],
        "control": np.log1p(base),
        "change": _log_ratio(done, base, pseudocount),
        "expressed": together >= max(least, 1e-12),
        "halves": _halves(rows, values, pseudocount),
        "params": {
            "input": "samples",
            "matrix_holds": what,
            "scaled_to": scale,
            "pseudocount": pseudocount,
            "min_expression": least,
            "n_samples": len(x),
            "n_genes_without_values": int((x.max(axis=0) == 0).sum()),
        },
    }


def _log_ratio(done: np.ndarray, base: np.ndarray, pseudocount: float) -> np.ndarray:
    return np.log(done + pseudocount) - np.log(base + pseudocount)


def _halves(rows: list[Sides], values: np.ndarray, pseudocount: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the changes of odd and even replicates."""
    out = np.full((2, len(rows), values.shape[1]), np.nan)
    for i, (base, done) in enumerate(rows):
        if min(len(base), len(done)) > 1:
            for half in (0, 1):
                a, b = (values[own[half::2]].mean(axis=0) for own in (base, done))
                out[half, i] = _log_ratio(b, a, pseudocount)
    return (out[0], out[1]) if np.isfinite(out).any() else None
