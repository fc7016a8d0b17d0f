"""Knock-out experiments out of an AnnData: bulk samples with their roles, or a table of fold changes; checked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import key as known_key
from scgnn_tools._choices import listed, number, text
from scgnn_tools._columns import column_of, without_value
from scgnn_tools._errors import InputValueError, LabelError, MissingKeyError, warn
from scgnn_tools._log import as_text, printable
from scgnn_tools.data import describe_matrix
from scgnn_tools.data.conditions import is_control as names_control
from scgnn_tools.data.order import content_keys, sorted_by
from scgnn_tools.genes import gene_names, match, prior
from scgnn_tools.genes.match import spelled_as
from scgnn_tools.perturbation.bulk._protocol import CLASSES, STRONG

if TYPE_CHECKING:
    from anndata import AnnData

LEAST_COUNTS, LEAST_EXPRESSION = 20.0, 1.0
"""Control and knock-out together, below which a gene does not count: of counts, and of TPM or FPKM."""

MOST_LOG = 30.0
"""No log1p of an expression is larger: that of 10 million millions is."""

STUDY = "study"
"""Column of the studies, which may be missing where nobody named another."""

TARGET = "target"
"""Column of the targets, in whose place a table of fold changes may have "source" where nobody named another."""

PER_MILLION = 1e6
LEVEL = 1e-3
"""Share by which totals of samples that were scaled to the same may differ."""

APART = 3.0
"""Totals of control and knock-out that differ by more were normalised in two ways."""


@dataclass(frozen=True)
class Bulk:
    """Experiments as arrays.

    Attributes
    ----------
    names, target, study
        Of each, object (n,).
    control, change
        log1p of the control (None where unknown) and natural log ratio, float64 (n, n_genes).
    expressed
        Whether a gene is expressed enough to count, bool (n, n_genes).
    genes
        Names of the columns.
    halves
        Changes of two halves of the replicates, NaN for an experiment that has none; None where no experiment has.
    organism
        Of the genes.
    params
        What was found and chosen.
    """

    names: np.ndarray
    target: np.ndarray
    study: np.ndarray
    control: np.ndarray | None
    change: np.ndarray
    expressed: np.ndarray
    genes: np.ndarray
    halves: tuple[np.ndarray, np.ndarray] | None
    organism: str
    params: dict[str, Any]


def bulk(
    adata: "AnnData",
    *,
    target_key: str,
    pair_key: str,
    role_key: str,
    control: str,
    study_key: str,
    pseudocount: float,
    min_expression: float | None,
    layer: str | None,
    gene_key: str | None,
) -> Bulk:
    """Read the experiments: samples where ``obs`` has a column of roles, else fold changes."""
    for name, value in {"role_key": role_key, "control": control, "study_key": study_key}.items():
        text(name, value, or_none=name != "control")
    text("layer", layer, or_none=True)
    pseudocount = number("pseudocount", pseudocount, above=0)
    min_expression = number("min_expression", min_expression, least=0, or_none=True)
    names = as_text(gene_names(adata.var, gene_key=gene_key))
    organism = _checked_genes(names)
    x = _matrix(adata, layer)
    if role_key in adata.obs:
        found = _of_samples(adata, x, target_key, pair_key, role_key, control, study_key, pseudocount, min_expression)
    else:
        found = _of_changes(adata, x, target_key, role_key, study_key, min_expression)
    target, study, names_of, log_control, change, expressed, halves, params = found
    if not expressed.any():
        msg = (
            f"No gene of any experiment counts as expressed: control and knock-out together are below {params['min_expression']:g} "
            "everywhere. Lower min_expression=, or pass layer= for another matrix."
        )
        raise InputValueError(msg)
    out = Bulk(names_of, target, study, log_control, change, expressed, names, halves, organism, params)
    _say_of_targets(out)
    return out


def labels(
    change: np.ndarray, expressed: np.ndarray, target: np.ndarray, genes: np.ndarray, log_fold: float, n_classes: int
) -> np.ndarray:
    """Return the class of each change, -1 where the gene does not count or is the target, int8 (n, n_genes)."""
    edges = [-log_fold, log_fold]
    if n_classes == 5:
        strong = log_fold + np.log(STRONG)
        edges = [-strong, *edges, strong]
    out = np.full(change.shape, len(CLASSES[n_classes]) // 2, dtype=np.int8)
    for e in edges:
        out += np.where(e > 0, change >= e, -(change <= e).astype(np.int8)).astype(np.int8)
    out[~expressed | (genes == target[:, None]) | ~np.isfinite(change)] = -1
    return out


def prior_edges(target: np.ndarray, genes: np.ndarray, organism: str) -> np.ndarray:
    """Return the sign of the edge target → gene in TRRUST, 0.5 where it is unknown, 0 without one, float32 (n, n_genes)."""
    table = prior(organism=organism)
    sign = table["mode"].map({"Activation": 1.0, "Repression": -1.0}).fillna(0.5)
    column = pd.Series(np.arange(len(genes)), index=spelled_as(genes, table["target"], organism=organism))
    out = np.zeros((len(target), len(genes)), dtype=np.float32)
    by_source = dict(table.groupby("source").indices)
    for row, name in enumerate(spelled_as(target, by_source, organism=organism)):
        own = by_source.get(name, np.array([], dtype=np.int64))
        at = column.reindex(table["target"].iloc[own]).to_numpy()
        there = np.isfinite(at)
        out[row, at[there].astype(np.int64)] = sign.iloc[own].to_numpy()[there]
    return out


def _matrix(adata: "AnnData", layer: str | None) -> np.ndarray:
    if layer is not None and layer != "X":
        known_key("layer", layer, adata.layers, "layers")
    values = adata.X if layer in (None, "X") else adata.layers[layer]
    if values is None or 0 in adata.shape:
        msg = f"The object holds no values ({adata.n_obs} samples × {adata.n_vars} genes). Pass one with samples, or layer=."
        raise InputValueError(msg)
    for name in ("to_memory", "compute"):  # the sparse matrix of a backed object, and what dask has not read yet
        values = getattr(values, name)() if hasattr(values, name) else values
    x = np.asarray(values.todense() if sp.issparse(values) else values)
    if x.dtype.kind not in "fiu" or not np.isfinite(x.astype(np.float64)).all():
        msg = f"{'X' if layer is None else layer} holds NaN, infinity or no numbers; finite values are wanted."
        raise InputValueError(msg)
    return x.astype(np.float64)


def _checked_genes(names: np.ndarray) -> str:
    unique, counts = np.unique(names, return_counts=True)
    if (counts > 1).any():
        msg = f"{int((counts > 1).sum())} symbols stand more than once ({printable(unique[counts > 1][0])}, …). Keep one of each."
        raise InputValueError(msg)
    found = match(names, unique)
    if found.mixed:
        msg = "The genes are of human and mouse; experiments of one organism are wanted. Map one onto the orthologs of the other."
        raise InputValueError(msg)
    return found.organism


def _column(adata: "AnnData", name: str, argument: str, *, asked: np.ndarray | None = None) -> np.ndarray:
    """Return a column as text, "" for none; a row that is ``asked`` and holds nothing is an error."""
    values = column_of(adata.obs, name, argument)
    lacks = without_value(values)
    bad = lacks if asked is None else lacks & asked
    if bad.any():
        msg = f"obs[{printable(name)!r}] holds NaN or blank text in {int(bad.sum())} rows. Fill it, or leave those out."
        raise LabelError(msg)
    out = as_text(values)
    out[lacks] = ""
    return out


def _study(adata: "AnnData", study_key: str) -> np.ndarray:
    if study_key is None or (study_key == STUDY and study_key not in adata.obs):
        return np.full(adata.n_obs, "", dtype=object)
    return _column(adata, study_key, "study_key")


def _of_samples(
    adata: "AnnData",
    x: np.ndarray,
    target_key: str,
    pair_key: str,
    role_key: str,
    control: str,
    study_key: str,
    pseudocount: float,
    min_expression: float | None,
) -> tuple:
    """Return targets, studies, names, controls, changes, what is expressed, halves and params of bulk samples."""
    if (x < 0).any():
        msg = (
            f"{int((x < 0).any(axis=1).sum())} of {len(x)} samples hold negative values: a microarray, or ratios. "
            f"Bulk samples are counts, TPM or FPKM; for a table of log2 fold changes leave obs[{printable(role_key)!r}] out."
        )
        raise InputValueError(msg)
    order = sorted_by(content_keys(sp.csr_array(x)))  # which replicates make a half
    adata, x = adata[order], x[order]
    pair, role = _column(adata, pair_key, "pair_key"), _column(adata, role_key, "role_key")
    is_control = _controls(role, control, role_key)
    target, study = _column(adata, target_key, "target_key", asked=~is_control), _study(adata, study_key)
    kind = describe_matrix(sp.csr_array(x))
    if kind.kind != "counts":
        _check_base(x)
    linear, what = (x, kind.kind) if kind.kind == "counts" else (np.expm1(x), "log1p, undone")
    raw = linear
    counts = kind.kind == "counts" and kind.integer
    totals = linear.sum(axis=1)
    scale = 0.0
    if counts:
        scale = float(min(PER_MILLION, np.median(totals[totals > 0]))) if (totals > 0).any() else 1.0
        linear = linear * (scale / np.where(totals > 0, totals, 1))[:, None]
    least = (LEAST_COUNTS if counts else LEAST_EXPRESSION) if min_expression is None else min_expression
    names = np.unique(pair)
    rows = [_one(pair == n, is_control, n, target) for n in names]
    _say_of_roles(rows, names, role, role_key)
    if not counts:
        _say_of_units(rows, names, totals)
    sides = [(linear[c].mean(axis=0), linear[k].mean(axis=0)) for c, k in rows]
    base = np.stack([a for a, _ in sides])
    done = np.stack([b for _, b in sides])
    together = np.stack(
        [raw[c].sum(axis=0) + raw[k].sum(axis=0) if counts else linear[c].mean(0) + linear[k].mean(0) for c, k in rows]
    )
    change = np.log(done + pseudocount) - np.log(base + pseudocount)
    first = np.array([k[0] for _, k in rows])
    params = {
        "input": "samples",
        "matrix_holds": what,
        "scaled_to": scale,
        "pseudocount": pseudocount,
        "min_expression": least,
        "n_samples": len(x),
        "n_genes_without_values": int((x.max(axis=0) == 0).sum()),
    }
    halves = _halves(rows, linear, pseudocount)
    return target[first], study[first], names, np.log1p(base), change, together >= max(least, 1e-12), halves, params


def _controls(role: np.ndarray, control: str, role_key: str) -> np.ndarray:
    """Return which samples are controls; none, and another spelling of the same word, is an error."""
    names, shown = sorted(set(role)), f"obs[{printable(role_key)!r}]"
    if control not in names:
        msg = f"{shown} never holds {printable(control)!r}; it holds {listed(names)}. Pass control=."
        raise InputValueError(msg)
    alike = [n for n in names if n != control and (names_control(n) or n.strip().lower() == control.strip().lower())]
    if alike:
        msg = (
            f"{shown} holds {printable(control)!r} and {listed(alike)}, which would count as knock-outs. Give controls one name: "
            f"adata.obs[{printable(role_key)!r}] = adata.obs[{printable(role_key)!r}].astype(str).replace({alike[0]!r}, {control!r})."
        )
        raise InputValueError(msg)
    return role == control


def _say_of_roles(rows: list, names: np.ndarray, role: np.ndarray, role_key: str) -> None:
    """Warn where samples of several roles are averaged as one knock-out."""
    mixed = [name for name, (_, done) in zip(names, rows, strict=True) if len(set(role[done])) > 1]
    if mixed:
        msg = (
            f"{len(mixed):,} of {len(names):,} experiments hold samples of several roles beside their control, which are averaged as "
            f"one; {printable(mixed[0])!r} is one. obs[{printable(role_key)!r}] holds {listed(sorted(set(role)))}. Leave out what is none."
        )
        warn(msg)


def _check_base(x: np.ndarray) -> None:
    """Refuse logarithms to the base of 2 where the totals tell: samples of TPM all add up to the same, undone with the right base only."""
    two, e = (f(x).sum(axis=1) for f in (np.exp2, np.exp))
    two, e = two - x.shape[1], e - x.shape[1]
    if len(x) > 2 and two.min() > 0 and np.ptp(two) < LEVEL * two.mean() and np.ptp(e) > 10 * LEVEL * e.mean():
        msg = (
            f"X looks like log2(x + 1): with the base of 2 every sample adds up to {two.mean():,.0f}, with that of natural logarithms they "
            "differ. Pass the values themselves: adata.layers['linear'] = 2**adata.X - 1, and layer='linear'."
        )
        raise InputValueError(msg)


def _one(own: np.ndarray, is_control: np.ndarray, name: str, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the control samples and the knock-out samples of an experiment."""
    controls, done = np.flatnonzero(own & is_control), np.flatnonzero(own & ~is_control)
    if not len(controls) or not len(done):
        lacks = "control" if not len(controls) else "knock-out"
        msg = f"The experiment {printable(name)!r} has no {lacks} sample; each wants both. Leave it out, or see to pair_key= and control=."
        raise InputValueError(msg)
    if len(set(target[done])) > 1:
        msg = (
            f"The experiment {printable(name)!r} has several targets: {listed(sorted(set(target[done])))}. Give each its own; "
            "a control that several share stands once in each."
        )
        raise InputValueError(msg)
    return controls, done


def _say_of_units(rows: list, names: np.ndarray, totals: np.ndarray) -> None:
    """Warn once of all experiments whose two sides add up to unlike totals."""
    ratio = np.array([(totals[k].mean() + 1e-12) / (totals[c].mean() + 1e-12) for c, k in rows])
    ratio = np.maximum(ratio, 1 / ratio)
    apart = np.flatnonzero(ratio >= APART)
    if len(apart):
        worst = int(ratio.argmax())
        msg = (
            f"The totals of control and knock-out differ {APART:g}-fold or more in {len(apart):,} of {len(rows):,} experiments; most in "
            f"{printable(names[worst])!r}, {ratio[worst]:.0f}-fold. Were they normalised in two ways? Bring the samples to one unit."
        )
        warn(msg)


def _halves(rows: list, linear: np.ndarray, pseudocount: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the changes of odd and even replicates."""
    out = np.full((2, len(rows), linear.shape[1]), np.nan)
    for i, (controls, done) in enumerate(rows):
        if min(len(controls), len(done)) > 1:
            for half in (0, 1):
                a, b = linear[controls[half::2]].mean(axis=0), linear[done[half::2]].mean(axis=0)
                out[half, i] = np.log(b + pseudocount) - np.log(a + pseudocount)
    return (out[0], out[1]) if np.isfinite(out).any() else None


def _of_changes(
    adata: "AnnData", x: np.ndarray, target_key: str, role_key: str, study_key: str, min_expression: float | None
) -> tuple:
    """Return the same of a table of log2 fold changes, a row an experiment."""
    if not (x < 0).any():
        msg = (
            f"obs has no column {printable(role_key)!r}, so the rows would be log2 fold changes, and none is negative. "
            "For bulk samples pass role_key= with the column that says which is the control."
        )
        raise MissingKeyError(msg)
    column = "source" if target_key == TARGET and TARGET not in adata.obs and "source" in adata.obs else target_key
    target, study = _column(adata, column, "target_key"), _study(adata, study_key)
    control = None
    expressed = np.ones(x.shape, dtype=bool)
    if "control" in adata.layers:
        control = _log_control(adata)
        expressed = np.expm1(control) >= (LEAST_EXPRESSION if min_expression is None else min_expression)
    elif min_expression is not None:
        msg = "min_expression= wants the expression of the controls, log1p, in layers['control']; there is none."
        raise MissingKeyError(msg)
    params = {
        "input": "log2 fold changes",
        "n_samples": len(x),
        "min_expression": 0.0 if min_expression is None else min_expression,
    }
    return target, study, as_text(adata.obs_names), control, x * np.log(2), expressed, None, params


def _log_control(adata: "AnnData") -> np.ndarray:
    """Return the expression of the controls; what is no log1p of it is an error."""
    control = _matrix(adata, "control")
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


def _say_of_targets(found: Bulk) -> None:
    """Note how many targets are measured, and of those fall in their own knock-out; warn where many do not."""
    genes = spelled_as(found.genes, found.target, organism=found.organism)
    at = pd.Series(np.arange(len(genes)), index=genes).reindex(found.target).to_numpy()
    there = np.flatnonzero(np.isfinite(at))
    falls = found.change[there, at[there].astype(np.int64)] < 0
    found.params.update(n_target_measured=len(there), n_target_falls=int(falls.sum()))
    if len(there) and falls.mean() < 0.5:
        msg = (
            f"The target itself falls in {int(falls.sum())} of the {len(there)} experiments that measure it. "
            "Are control and knock-out the right way round?"
        )
        warn(msg)
