"""How well is the change that a perturbation makes predicted?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._log import as_text, printable
from scgnn_tools.data.conditions import genes_of
from scgnn_tools.data.order import largest_first


@door_of_arrays
def perturbation(
    truth: "np.ndarray | pd.DataFrame",
    predicted: "np.ndarray | pd.DataFrame",
    control: np.ndarray,
    *,
    reference: np.ndarray | None = None,
    conditions: Sequence[Any] | None = None,
    genes: np.ndarray | None = None,
    t: np.ndarray | None = None,
    error: np.ndarray | None = None,
    significant: np.ndarray | None = None,
    others: np.ndarray | None = None,
    central: "Mapping[int, tuple[np.ndarray, np.ndarray]] | None" = None,
    top: Sequence[int] = (20, 50, 100),
    exclude_target: bool = True,
) -> pd.DataFrame:
    """Score predicted means of perturbed cells, a row a condition.

    Truth and prediction have to be changes against *different* control cells. If both sides use the same control
    cells, their noise is on both sides. A perturbation that does nothing then correlates with the mean of the others
    (.26 for six pseudo-perturbations cut from controls).

    Parameters
    ----------
    truth, predicted
        Mean log values, (n_conditions, n_genes); the index and the columns of a DataFrame name conditions and genes.
    control
        Means of the control cells that the truth is compared with, (n_genes,), or (n_conditions, n_genes).
    reference
        The same of the control cells that the prediction starts from. None takes ``control``; the column ``shared_control`` then says so.
    conditions
        Perturbed genes of each condition: lists of names, or "A+B".
    genes
        Names of the columns.
    t
        Statistic of a test of each true change, which ranks the genes for ``top``; None ranks by the change itself.
    error
        Standard error of each true change; for ``direction3``.
    significant
        Whether each true change is, bool; for the recovery of changed genes.
    others
        Mean log values of the other perturbations as the prediction knew them, (n_genes,) or (n_conditions, n_genes).
    central
        By a share in percent, 10 for the central tenth: the two quantiles of the true cells that it lies between, (n_conditions, n_genes)
        each; a gene that is NaN there is not asked for.
    top
        Numbers of most changed genes.
    exclude_target
        Leave the perturbed genes out: that they fall is no prediction.

    Returns
    -------
    DataFrame
        ``mse``, ``mae``, ``rmse`` of the changes; ``pearson_delta``, the correlation of predicted and true change (0 for a prediction
        that changes nothing); ``slope``, of predicted on true change: 0.2 for a prediction a fifth as large as the truth, 0 for none, and
        below 1 for noise in the truth alone; for each k of ``top``: ``mse_k``, ``pearson_delta_k``, ``direction_k`` (share of equal signs),
        ``overlap_k`` (share of the k that are among the k of the largest predicted change), with ``error`` ``direction3_k`` (up, none,
        down; a change below its standard error is none). ``centroid`` and ``centroid_l1``: share of the other conditions' truths that are
        farther from the prediction than its own (chance .5; ties count half). With ``others`` ``pearson_delta_ref`` (Systema), where a
        prediction without any change can score high: never alone. With ``significant`` ``auprc_de``, ``auprc_de_base`` (the share of the
        genes that change) and ``auprc_de_chance`` (what a random order reaches on the mean, which is more where few genes change), all
        NaN where no gene changes; ``precision_k`` and ``spearman_de``. With ``central`` ``in_central_10``: share of the most changed genes
        (the first number of ``top``) whose predicted mean lies in the central tenth of the true cells.
        ``pearson``, of the means themselves, is .99 for no change and
        says nothing. ``shared_control``.

    Raises
    ------
    InputValueError, InputTypeError
        If shapes differ or numbers are not finite.

    Examples
    --------
    >>> control = adata[adata.obs["guide"] == "control"].to_df().mean().to_numpy()
    >>> truth = adata.to_df().groupby(adata.obs["guide"]).mean().loc[["LYZ", "B2M"]]
    >>> scores = sgt.metrics.perturbation(truth, truth * 0.9, control)
    >>> scores.index.tolist()
    ['LYZ', 'B2M']
    """
    y, p, names, columns = _tables(truth, predicted, conditions, genes)
    base = _like(control, y.shape, "control")
    start = base if reference is None else _like(reference, y.shape, "reference")
    mean = None if others is None else _like(others, y.shape, "others")
    given = {"t": t, "error": error, "significant": significant}
    found = {k: None if v is None else _like(v, y.shape, k) for k, v in given.items()}
    top = [integer("top", k) for k in top]
    within = {k: tuple(_like(q, y.shape, "central", nan=True) for q in v) for k, v in (central or {}).items()}
    keep = _kept(names, columns, y.shape) if exclude_target else np.ones(y.shape, dtype=bool)
    true, made = y - base, p - start
    called = np.arange(y.shape[1]) if columns is None else columns
    rows = []
    for i in range(len(y)):
        own = keep[i]
        row = _changes(made[i, own], true[i, own])
        if mean is not None:
            middle = (mean[i] - start[i])[own]
            row["pearson_delta_ref"] = pearson(made[i, own] - middle, true[i, own] - middle)
        row |= {f"centroid{k}": v for k, v in _centroids(made[i, own], true[:, own], i).items()}
        picks = {k: None if v is None else v[i, own] for k, v in found.items()}
        row |= _top(made[i, own], true[i, own], top, called[own], **picks)
        if within:
            rank = np.abs(true[i, own] if found["t"] is None else found["t"][i, own])
            first = np.flatnonzero(own)[largest_first(rank, called[own])[: top[0]]]
            row |= {
                f"in_central_{k}": _inside(p[i, first], low[i, first], high[i, first])
                for k, (low, high) in within.items()
            }
        row["pearson"] = pearson(p[i, own], y[i, own])
        rows.append(row)
    table = pd.DataFrame(rows, index=pd.Index(names, name="condition"))
    table["shared_control"] = reference is None
    return table


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation, 0 where one of them does not vary."""
    x, y = a - a.mean(), b - b.mean()
    size = np.sqrt((x @ x) * (y @ y)) if len(x) > 1 else 0.0
    return float(x @ y / size) if size > 1e-12 else 0.0


def slope(made: np.ndarray, true: np.ndarray) -> float:
    """Return the slope of the line through predicted (y) over true (x) changes, 0 where the true ones do not vary."""
    x = true - true.mean()
    size = float(x @ x)
    return float(x @ (made - made.mean())) / size if size > 1e-24 else 0.0


def _changes(made: np.ndarray, true: np.ndarray) -> dict[str, float]:
    off = made - true
    mse = float((off**2).mean())
    return {
        "mse": mse,
        "mae": float(np.abs(off).mean()),
        "rmse": float(np.sqrt(mse)),
        "pearson_delta": pearson(made, true),
        "slope": slope(made, true),
    }


def _centroids(made: np.ndarray, all_true: np.ndarray, own: int) -> dict[str, float]:
    """Return the share of other truths that are farther from the prediction than its own, by Euclidean ("") and city-block distance."""
    out = {}
    for name, power in (("", 2), ("_l1", 1)):
        far = (np.abs(all_true - made) ** power).sum(axis=1)
        rest = np.delete(far, own)
        out[name] = float(((rest > far[own]) + 0.5 * (rest == far[own])).mean()) if len(rest) else float("nan")
    return out


def _top(
    made: np.ndarray,
    true: np.ndarray,
    top: list[int],
    called: np.ndarray,
    *,
    t: np.ndarray | None,
    error: np.ndarray | None,
    significant: np.ndarray | None,
) -> dict[str, float]:
    """Return the scores of the most changed genes."""
    order = largest_first(true if t is None else t, called)
    by_size = largest_first(made, called)
    says = np.abs(made).max() > 0  # a prediction without any change ranks nothing
    out = {}
    for k in top:
        some = order[:k]
        x, y = made[some], true[some]
        out[f"mse_{k}"] = float(((x - y) ** 2).mean())
        out[f"pearson_delta_{k}"] = pearson(x, y)
        out[f"direction_{k}"] = float((np.sign(x) == np.sign(y)).mean())
        if error is not None:
            dead = error[some]
            out[f"direction3_{k}"] = float(
                (np.sign(x) * (np.abs(x) >= dead) == np.sign(y) * (np.abs(y) >= dead)).mean()
            )
        out[f"overlap_{k}"] = len(np.intersect1d(some, by_size[:k])) / len(some) if says else 0.0
        if significant is not None:
            out[f"precision_{k}"] = float(significant[by_size[:k]].mean()) if says else 0.0
    if significant is not None:
        out |= _recovery(made, true, significant.astype(bool))
    return out


def _inside(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Return the share of values between two others, of those where these are known; NaN where none is."""
    known = np.isfinite(low) & np.isfinite(high)
    return float(((value >= low) & (value <= high))[known].mean()) if known.any() else float("nan")


def _recovery(made: np.ndarray, true: np.ndarray, significant: np.ndarray) -> dict[str, float]:
    from scipy.stats import rankdata

    n = int(significant.sum())
    size, some = len(significant), 0 < n < len(significant)
    # all are NaN where no gene changes, so that means over conditions are over the same ones
    out = {"auprc_de": average_precision(significant, np.abs(made))}
    out["auprc_de_base"] = n / size if some else float("nan")
    out["auprc_de_chance"] = chance_precision(n, size) if some else float("nan")
    ranks = pearson(rankdata(made[significant]), rankdata(true[significant])) if n > 2 else float("nan")
    return out | {"spearman_de": ranks}


def chance_precision(n: int, size: int) -> float:
    """Return the mean average precision of all orders of ``size`` genes of which ``n`` change; with n = 1 it is H(size) / size."""
    pairs = (n - 1) / max(size - 1, 1)
    return float(pairs + (1 - pairs) * (1 / np.arange(1, size + 1)).mean())


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the average precision of scores, equal ones taken together, as in scikit-learn; NaN where all labels are the same."""
    n = int(labels.sum())
    if not 0 < n < len(labels):
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(labels[order])
    last = np.r_[np.diff(scores[order]) != 0, True]
    hits, at = found[last], np.flatnonzero(last) + 1
    return float((np.diff(np.r_[0, hits]) * hits / at).sum() / n)


def _tables(
    truth: Any, predicted: Any, conditions: Sequence[Any] | None, genes: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray | None]:
    if isinstance(truth, pd.DataFrame):
        conditions = list(truth.index) if conditions is None else conditions
        genes = truth.columns.to_numpy() if genes is None else genes
        if isinstance(predicted, pd.DataFrame):
            lacking = [c for c in truth.index if c not in predicted.index]
            if lacking or not truth.columns.equals(predicted.columns):
                what = f"the condition {printable(lacking[0])!r}" if lacking else "other genes"
                msg = f"predicted lacks {what}: truth and predicted have the same conditions and the same genes."
                raise InputValueError(msg)
            predicted = predicted.loc[truth.index]
    y, p = (_matrix(x, n) for x, n in ((truth, "truth"), (predicted, "predicted")))
    if y.shape != p.shape:
        msg = f"truth is {y.shape}, predicted is {p.shape}; conditions × genes of the same shape are wanted."
        raise InputValueError(msg)
    if conditions is None:
        names = [str(i) for i in range(len(y))]
    else:
        names = [c if isinstance(c, str) else "+".join(map(str, c)) for c in conditions]
    for name, n, wanted in (
        ("conditions", len(names), len(y)),
        ("genes", y.shape[1] if genes is None else len(genes), y.shape[1]),
    ):
        if n != wanted:
            msg = f"{name} holds {n} names for {wanted}."
            raise InputValueError(msg)
    return y, p, names, None if genes is None else as_text(genes)


def _matrix(x: Any, name: str) -> np.ndarray:
    values = np.asarray(x)
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        msg = f"{name} is a matrix of numbers, conditions × genes; got dtype {values.dtype}, shape {values.shape}."
        raise InputTypeError(msg)
    if not np.isfinite(values).all():
        msg = f"{name} holds NaN or infinity in {int((~np.isfinite(values)).any(axis=1).sum())} of {len(values)} conditions."
        raise InputValueError(msg)
    return values.astype(np.float64)


def _like(x: Any, shape: tuple[int, ...], name: str, *, nan: bool = False) -> np.ndarray:
    values = np.asarray(x, dtype=np.float64)
    if values.shape not in ((shape[1],), shape):
        msg = f"{name} has the shape {values.shape}; {(shape[1],)} or {shape} is wanted, as truth is."
        raise InputValueError(msg)
    if not nan and not np.isfinite(values).all():
        msg = f"{name} holds NaN or infinity; finite numbers are wanted."
        raise InputValueError(msg)
    return np.broadcast_to(values, shape)


def _kept(names: list[str], genes: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    keep = np.ones(shape, dtype=bool)
    if genes is not None:
        for i, name in enumerate(names):
            keep[i] = ~np.isin(genes, genes_of(name.split("+")))
    return keep
