"""How well are batches mixed, and is the biology still there?"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from scgnn_tools._choices import integer
from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputTypeError, InputValueError, LabelError
from scgnn_tools._log import as_text, printable
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.metrics._clusters import kmeans, leiden
from scgnn_tools.metrics._neighbors import Neighbors, connectivity, kbet, lisi, nearest
from scgnn_tools.metrics._silhouettes import silhouettes

LEIDEN_K, LISI_K = 15, 90
"""Neighbours, the cell itself counted, of the graph that is clustered and of LISI."""

SCIB_SEED = 42
"""What scib-metrics seeds Leiden with."""

LABELLED = (
    "nmi", "ari", "resolution", "nmi_kmeans", "ari_kmeans", "asw_label", "clisi", "isolated", "asw_batch", "bras", "graph_connectivity"
)  # fmt: skip
AGGREGATES = {
    "paper": ("nmi", "ari", "paper_asw", "graph_connectivity"),
    "bio": ("nmi_kmeans", "ari_kmeans", "asw_label", "clisi"),
    "mixing": ("bras", "ilisi", "graph_connectivity"),
    "batch": ("bras", "ilisi", "graph_connectivity", "pcr"),
}
"""Means of these: the score of Cell-Graph Compass' paper, and scIB's; ``total`` is .6 bio + .4 batch."""

ALL = (
    "paper",
    "bio",
    "batch",
    "mixing",
    "total",
    "total_mixing",
    *LABELLED,
    "paper_asw",
    "ilisi",
    "pcr",
    "condition_clisi",
    "kbet",
)


@door_of_arrays
def integration(
    vectors: np.ndarray,
    batch: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    before: np.ndarray | None = None,
    condition: np.ndarray | None = None,
    which: Literal["all"] | Sequence[str] = "all",
    max_cells: int = 20_000,
    rng: RNG = 0,
) -> dict[str, float]:
    """Score vectors of cells that come from several batches; 1 is best for every number but ``resolution``.

    The formulas are those of scIB, as scib-metrics 0.5 has them, and of Cell-Graph Compass' paper. Read ``batch`` and
    ``bio`` together: vectors that hold nothing get a high ``batch``, and vectors that were never corrected a high
    ``bio``.

    Parameters
    ----------
    vectors
        (n_cells, d), finite.
    batch
        Batch of each cell, (n_cells,).
    labels
        Biological label of each cell, (n_cells,); without them only what needs none is returned.
    before
        Vectors before the correction, for ``pcr``.
    condition
        A biological condition that must survive, such as the stimulation; for ``condition_clisi``.
    which
        "all" (everything but ``kbet``, which is slow) or names of what is wanted.
    max_cells
        Above this many a random sample is scored, the same share of each batch: silhouettes grow with the square of the cells.
    rng
        Seed of the clusterings and the sample; with 0 Leiden draws as in scib-metrics.

    Returns
    -------
    dict
        Of labels: ``nmi``, ``ari`` (Leiden at the ``resolution`` of best NMI on UMAP's graph of 15 neighbours), ``nmi_kmeans``,
        ``ari_kmeans`` (k-means at the true number), ``asw_label``, ``clisi``, ``isolated`` (silhouette of labels in the
        fewest batches).
        Of batches: ``ilisi``, ``paper_asw`` (1 less the absolute mean silhouette of batches), ``asw_batch`` (scIB's), ``bras``,
        ``graph_connectivity``, ``kbet``, ``pcr`` (share of the batches' variance that is gone: subtracting means alone gives 1).
        ``condition_clisi``: purity of the condition among neighbours of one label.
        Aggregates: ``paper`` = mean(nmi, ari, paper_asw, graph_connectivity); ``bio`` = mean(nmi_kmeans, ari_kmeans, asw_label, clisi);
        ``mixing`` = mean(bras, ilisi, graph_connectivity); ``batch`` the same with pcr, where ``before`` is given; ``total`` = .6 bio +
        .4 batch; ``total_mixing`` = .6 bio + .4 mixing, in which subtracting the means of batches wins nothing by construction.

    Raises
    ------
    InputValueError, InputTypeError, LabelError
        If lengths differ, vectors are not finite, or there is one batch or one label.

    Examples
    --------
    >>> scores = sgt.metrics.integration(
    ...     adata.obsm["X_cgc-mini"], adata.obs["batch"].to_numpy(), adata.obs["cell_type"].to_numpy(), which=["ilisi", "clisi"]
    ... )
    >>> sorted(scores)
    ['clisi', 'ilisi']
    """
    x, batches, codes, conditions = _checked(vectors, batch, labels, condition)
    old = None if before is None else _matrix(before, len(batches), "before")
    max_cells = integer("max_cells", max_cells, least=2)
    if len(x) > max_cells:
        some = _sample(batches, max_cells, rng)
        x, batches = x[some], np.unique(batches[some], return_inverse=True)[1]
        codes, conditions = (
            None if c is None else np.unique(c[some], return_inverse=True)[1] for c in (codes, conditions)
        )
        old = None if old is None else old[some]
    wanted = _wanted(which)
    near = nearest(x, LISI_K, rng=rng)
    out: dict[str, float] = {}
    for name, value in _scores(x, near, batches, codes, old, conditions, rng).items():
        if name in wanted:
            out |= value()
    for name, parts in AGGREGATES.items():
        held = [out[p] for p in parts if p in out]
        if len(held) == len(parts) or (name == "batch" and len(held) == 3 and before is None):
            out[name] = float(np.mean(held))
    for name, mixed in (("total", "batch"), ("total_mixing", "mixing")):
        if "bio" in out and mixed in out:
            out[name] = 0.6 * out["bio"] + 0.4 * out[mixed]
    asked = ALL if which == "all" else list(which)
    return {name: out[name] for name in asked if name in out}


def _scores(
    x: np.ndarray,
    near: Neighbors,
    batch: np.ndarray,
    codes: np.ndarray | None,
    before: np.ndarray | None,
    condition: np.ndarray | None,
    rng: RNG,
) -> dict[str, Callable[[], dict[str, float]]]:
    """Return what can be computed, by name; several names may share a computation."""
    number = seed(rng)
    groupings = [batch] if codes is None else [batch, codes]
    of_batch, *of_label = silhouettes(x, *groupings)
    out: dict[str, Callable[[], dict[str, float]]] = {
        "paper_asw": lambda: {"paper_asw": 1 - abs(float(of_batch.mean()))},
        "ilisi": lambda: {"ilisi": float((np.median(lisi(near, batch)) - 1) / batch.max())},
    }
    if before is not None:
        out["pcr"] = lambda: {"pcr": pcr(before, x, batch)}
    if codes is None:
        return out
    few = isolated(codes, batch)
    out |= {
        "nmi": lambda: dict(
            zip(("nmi", "ari", "resolution"), leiden(near.first(LEIDEN_K), codes, rng=number + SCIB_SEED), strict=True)
        ),
        "nmi_kmeans": lambda: dict(zip(("nmi_kmeans", "ari_kmeans"), kmeans(x, codes, rng=number), strict=True)),
        "asw_label": lambda: {"asw_label": float((of_label[0].mean() + 1) / 2)},
        "clisi": lambda: {"clisi": _purity(near, codes)},
        "isolated": lambda: {"isolated": float(np.mean([(of_label[0][codes == c].mean() + 1) / 2 for c in few]))},
        "asw_batch": lambda: {"asw_batch": within_labels(x, batch, codes, cosine=False)},
        "bras": lambda: {"bras": within_labels(x, batch, codes, cosine=True)},
        "graph_connectivity": lambda: {"graph_connectivity": connectivity(near.first(LEIDEN_K), codes)},
        "kbet": lambda: {"kbet": kbet(x, batch, codes)},
    }
    if condition is not None:
        out["condition_clisi"] = lambda: {"condition_clisi": condition_purity(x, condition, codes)}
    return out


def _purity(near: Neighbors, codes: np.ndarray) -> float:
    n = int(codes.max()) + 1
    return float((n - np.median(lisi(near, codes))) / (n - 1))


def within_labels(x: np.ndarray, batch: np.ndarray, codes: np.ndarray, *, cosine: bool) -> float:
    """Return 1 - |silhouette of the batches| within each label, mean over labels: scIB's with Euclidean distances, else BRAS.

    Labels of a single batch, and those whose every cell is a batch of its own, are left out; NaN where none is left.
    """
    means = []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        present, inside = np.unique(batch[own], return_inverse=True)
        if 1 < len(present) < len(own):
            (s,) = silhouettes(x[own], inside, metric="cosine", other="all") if cosine else silhouettes(x[own], inside)
            means.append(np.mean(1 - np.abs(s)))
    return float(np.mean(means)) if means else float("nan")


def pcr(before: np.ndarray, after: np.ndarray, batch: np.ndarray) -> float:
    """Return the share of the variance between batches that a correction took away, at least 0.

    Summed over all principal components, the variance that the batch explains is that between batches over the total: no rotation needed.
    """
    was, now = _between(before, batch), _between(after, batch)
    return max(0.0, (was - now) / was) if was > 0 else 0.0


def _between(x: np.ndarray, batch: np.ndarray) -> float:
    centred = x - x.mean(axis=0)
    total = (centred**2).sum()
    parts = [(batch == b).sum() * (centred[batch == b].mean(axis=0) ** 2).sum() for b in np.unique(batch)]
    return float(np.sum(parts) / total) if total > 0 else 0.0


def isolated(codes: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Return the labels that are in the fewest batches."""
    spread = np.array([len(np.unique(batch[codes == c])) for c in np.unique(codes)])
    return np.flatnonzero(spread == spread.min())


def condition_purity(x: np.ndarray, condition: np.ndarray, codes: np.ndarray) -> float:
    """Return cLISI of the condition among the cells of each label, mean over labels that hold every condition; NaN where none does."""
    n, out = int(condition.max()) + 1, []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        if len(np.unique(condition[own])) == n and len(own) > n * 5:
            out.append(_purity(nearest(x[own], min(LISI_K, len(own) // 2)), condition[own]))
    return float(np.mean(out)) if out else float("nan")


@door_of_arrays
def integration_controls(batch: np.ndarray, labels: np.ndarray, *, rng: RNG = 0) -> dict[str, np.ndarray]:
    """Return vectors that show what a score is worth, by name.

    ``random`` holds nothing. ``labels`` is the labels, one-hot with a little noise, which is as good as it gets.
    ``labels x batch`` is one-hot within each batch: every label can be told, and no batch is mixed.

    Parameters
    ----------
    batch, labels
        Of each cell, (n_cells,).
    rng
        Seed of the noise.

    Examples
    --------
    >>> controls = sgt.metrics.integration_controls(adata.obs["batch"].to_numpy(), adata.obs["cell_type"].to_numpy())
    >>> list(controls)
    ['random', 'labels', 'labels x batch']
    """
    draws = generator(rng)
    codes = np.unique(as_text(labels), return_inverse=True)[1]
    both = np.unique(np.stack([codes, np.unique(as_text(batch), return_inverse=True)[1]]), axis=1, return_inverse=True)[
        1
    ]

    def one_hot(of: np.ndarray) -> np.ndarray:
        x = np.zeros((len(of), int(of.max()) + 1))
        x[np.arange(len(of)), of] = 1
        return (x + draws.normal(scale=0.1, size=x.shape)).astype(np.float32)

    random = draws.normal(size=(len(codes), 20)).astype(np.float32)
    return {"random": random, "labels": one_hot(codes), "labels x batch": one_hot(both.ravel())}


def _wanted(which: Literal["all"] | Sequence[str]) -> set[str]:
    if which == "all":
        return set(ALL) - {"kbet"}
    if isinstance(which, str) or (unknown := [w for w in which if w not in ALL]):
        odd = which if isinstance(which, str) else unknown[0]
        msg = f"which is 'all' or a list of names; {printable(odd)!r} is none of {', '.join(ALL)}."
        raise InputValueError(msg)
    out = set(which)
    if "total" in out:
        out |= {"bio", "batch"}
    if "total_mixing" in out:
        out |= {"bio", "mixing"}
    for name, parts in AGGREGATES.items():
        out |= set(parts) if name in out else set()
    together = {"ari": "nmi", "resolution": "nmi", "ari_kmeans": "nmi_kmeans"}
    return out | {together[n] for n in out if n in together}


def _checked(
    vectors: np.ndarray, batch: np.ndarray, labels: Any, condition: Any
) -> tuple[np.ndarray, np.ndarray, Any, Any]:
    n = len(np.asarray(batch))
    x = _matrix(vectors, n, "vectors")
    out: list[Any] = []
    for name, values in (("batch", batch), ("labels", labels), ("condition", condition)):
        if values is None:
            out.append(None)
            continue
        if len(values) != n:
            msg = f"{name} holds {len(values)} values for {n} cells; one a cell is wanted."
            raise InputValueError(msg)
        found, codes = np.unique(as_text(values), return_inverse=True)
        if len(found) < 2:
            msg = f"{name} holds one value, {printable(found[0])!r}; at least two are wanted to score integration."
            raise (InputValueError if name == "batch" else LabelError)(msg)
        out.append(codes)
    return x, out[0], out[1], out[2]


def _matrix(vectors: Any, n: int, name: str) -> np.ndarray:
    x = np.asarray(vectors)
    if x.ndim != 2 or x.dtype.kind not in "fiu" or not x.shape[1]:
        msg = f"{name} is a matrix of numbers, cells × dimensions; got dtype {x.dtype}, shape {x.shape}."
        raise InputTypeError(msg)
    if len(x) != n:
        msg = f"{name} has {len(x)} rows for {n} cells; one a cell is wanted."
        raise InputValueError(msg)
    if not np.isfinite(x).all():
        msg = f"{name} holds NaN or infinity in {int((~np.isfinite(x).all(axis=1)).sum())} of {n} cells; finite numbers are wanted."
        raise InputValueError(msg)
    return x.astype(np.float64)


def _sample(batch: np.ndarray, n: int, rng: RNG) -> np.ndarray:
    """Return positions of about ``n`` cells, the same share of each batch and at least two of each, sorted."""
    draws, out = generator(rng), []
    for b in np.unique(batch):
        own = np.flatnonzero(batch == b)
        out.append(draws.choice(own, min(len(own), max(2, round(n * len(own) / len(batch)))), replace=False))
    return np.sort(np.concatenate(out))
