"""Where labelled cells come from: objects, files, the reference that ships; and which of them are of one experiment."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from scgnn_tools import assets
from scgnn_tools._choices import did_you_mean
from scgnn_tools._columns import column_of, whole_column, without_value
from scgnn_tools._errors import InputValueError, LabelError, warn
from scgnn_tools._log import as_text, printable
from scgnn_tools._modality import is_mudata, modality
from scgnn_tools._write import as_path
from scgnn_tools.annotation import published
from scgnn_tools.annotation.inputs import ReferencePart, known_cells
from scgnn_tools.annotation.known import KnownCells
from scgnn_tools.data.labels import clean_labels
from scgnn_tools.data.readers import read_cells
from scgnn_tools.fm import FoundationModel

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

One: TypeAlias = "AnnData | MuData | str | Path"
Reference: TypeAlias = "One | Sequence[One] | Mapping[str, One] | None"

DEFAULT_LABELS = "cell_type"
IMMUNE = "immune"
"""Name of the bundled reference."""
BUNDLED = "the bundled immune reference"
WANTED = "an AnnData, a path, the name of a bundled reference, or a list or dict of them"


def references() -> pd.DataFrame:
    """List the references that ship with the package, and those that others have published and :func:`download` fetches.

    A row each: ``bundled``, ``downloaded``, ``cells``, ``classes`` (of those that ship), ``experiments``, ``organism``, ``description``,
    ``labels_key``, ``batch_key``, ``licence``, ``source``, ``sha256`` (where it is known) and ``megabytes`` (of what is here).

    Examples
    --------
    >>> sgt.annotation.list().index[0]
    'immune'
    """
    card, cells = assets.card("immune_reference"), assets.immune_reference().obs
    row = {
        "bundled": True,
        "downloaded": True,
        "cells": card["n_rows"],
        "classes": ", ".join(sorted(cells["cell_type"].unique())),
        "experiments": str(cells["dataset"].nunique()),
        "organism": "human",
        "description": card["description"],
        "labels_key": DEFAULT_LABELS,
        "batch_key": "dataset",
        "licence": card["licence"],
        "source": card["source"],
        "sha256": card["sha256"],
    }
    rows = {IMMUNE: row | {"megabytes": round(assets.path("immune_reference").stat().st_size / 1e6, 1)}}
    for name, one in published.PUBLISHED.items():
        path = published.path_of(name)
        rows[name] = {
            "bundled": False,
            "downloaded": path.is_file(),
            "cells": one.cells,
            "classes": "",
            "experiments": "",
            "organism": one.organism,
            "description": one.description,
            "labels_key": one.labels_key,
            "batch_key": one.batch_key,
            "licence": one.licence,
            "source": one.source,
            "sha256": one.file.sha256 or "",
            "megabytes": round(path.stat().st_size / 1e6, 1) if path.is_file() else np.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def is_bundled(reference: object) -> bool:
    """Tell whether a reference is the one that ships."""
    return reference is None or (isinstance(reference, str) and reference == IMMUNE)


def gather(
    reference: Reference,
    labels_key: str | None,
    model: FoundationModel,
    *,
    unlabeled_category: str,
    mod: str,
    batch_key: str | None = None,
    donor_key: str | None = None,
    use_rep: str | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    gene_graph: str | None = None,
) -> tuple[KnownCells, str]:
    """Return the labelled cells of a reference, and what to call it.

    An experiment is one of several references, or within them what ``batch_key`` and ``donor_key`` tell apart. ``gene_graph`` is the key
    of ``varp`` of the graph of genes that is taken along.
    """
    if is_bundled(reference):
        labels_key, name, objects = DEFAULT_LABELS, BUNDLED, _immune()
    else:
        if isinstance(reference, str) and reference in published.PUBLISHED:
            labels_key = published.of(reference).labels_key if labels_key is None else labels_key
        objects = _named(reference, mod)
        name = " and ".join(f"reference {n!r}" if n else "reference" for n in objects)
    key = DEFAULT_LABELS if labels_key is None else labels_key
    parts = {}
    for one, adata in objects.items():
        whose = f"reference[{one!r}]" if one else "reference"
        labels = labels_of(adata, key, unlabeled_category, whose)
        parts[one] = ReferencePart(
            adata, labels, experiments_of(adata, one, labels != "", batch_key, donor_key, f"{whose}.obs")
        )
    known = known_cells(parts, model, use_rep=use_rep, layer=layer, gene_key=gene_key, gene_graph=gene_graph)
    check_labels(known.labels, known.experiments, batch_key, donor_key)
    return known, name


def check_labels(labels: np.ndarray, experiments: np.ndarray | None, batch_key: object, donor_key: object) -> None:
    """Refuse experiments that are one, and warn of labels that no other experiment has or that are spelt in two ways."""
    if experiments is not None:
        _check_experiments(experiments, labels, batch_key, donor_key)
    _check_spelling(labels)


def labels_of(adata: "AnnData", key: str, unlabeled: str, whose: str) -> np.ndarray:
    """Return the label of each cell, "" for none, str (n_obs,)."""
    labels = clean_labels(column_of(adata.obs, key, "labels_key", f"{whose}.obs"), unlabeled_category=unlabeled)
    if not (labels != "").any():
        msg = f"{whose}.obs[{key!r}] labels no cell: all are missing, empty or {unlabeled!r}. Pass a column with labels, or reference=."
        raise LabelError(msg)
    return labels


def experiments_of(
    adata: "AnnData", name: str, labelled: np.ndarray, batch_key: str | None, donor_key: str | None, where: str = "obs"
) -> np.ndarray:
    """Return what the experiment of each cell is called, object (n_obs,).

    Two labelled cells are of one experiment if they share a batch or a donor, or there is another cell with which both do.

    Raises
    ------
    InputValueError
        If a labelled cell is of none, or batches and donors are crossed, so that nothing can be held out by both.
    """
    keys = {"batch_key": batch_key, "donor_key": donor_key}
    columns = [
        as_text(whole_column(adata.obs, k, a, where, asked=labelled).astype(object))
        for a, k in keys.items()
        if k is not None
    ]
    if not columns:
        return np.full(adata.n_obs, name, dtype=object)
    groups = columns[0]
    if len(columns) == 2:
        # a cell of no donor joins no batches
        known = ~np.any([without_value(adata.obs[k]) for k in keys.values()], axis=0)
        groups = columns[0].copy()
        groups[known] = _joined(*(c[known] for c in columns))
        if len(np.unique(groups[labelled])) == 1 and min(len(np.unique(c[labelled])) for c in columns) > 1:
            msg = (
                f"Batches of {where}[{printable(batch_key)!r}] and donors of {where}[{printable(donor_key)!r}] are crossed: nothing can "
                "be held out by both. Pass one of batch_key= and donor_key=."
            )
            raise InputValueError(msg)
    return np.array([_told((name, g), ": ") if name else g for g in groups], dtype=object)


def _joined(batch: np.ndarray, donor: np.ndarray) -> np.ndarray:
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    (a, batches), (b, donors) = (pd.factorize(x) for x in (batch, donor))
    n = len(batches) + len(donors)
    _, part = connected_components(sp.coo_array((np.ones(len(a)), (a, b + len(batches))), shape=(n, n)), directed=False)
    called = pd.Series(batches).groupby(part[: len(batches)]).agg(lambda names: _told(names, " + "))
    return called.loc[part[a]].to_numpy(dtype=object)


def _check_experiments(experiments: np.ndarray, labels: np.ndarray, batch_key: object, donor_key: object) -> None:
    """Refuse keys that tell nothing apart, and warn of classes that only one experiment has."""
    named = [f"{a}={printable(k)!r}" for a, k in (("batch_key", batch_key), ("donor_key", donor_key)) if k is not None]
    n = len(np.unique(experiments))
    if named and n < 2:
        msg = (
            f"{' and '.join(named)} names one experiment; at least two are wanted, so that each can be held out in turn. Leave it out: "
            "the score is then within one experiment, and says so."
        )
        raise InputValueError(msg)
    if n < 2:
        return
    table = pd.crosstab(labels, experiments) > 0
    alone = [printable(c) for c, here in table.sum(axis=1).items() if here == 1]
    if alone and named:
        msg = f"{len(alone)} classes are in one experiment only and are not scored on another: {', '.join(alone[:10])}."
        warn(msg)


def _check_spelling(labels: np.ndarray) -> None:
    """Warn of labels that differ by case, blanks or underscores alone: they train as two classes."""
    spelt: dict[str, list[str]] = {}
    for label in np.unique(labels):
        spelt.setdefault("".join(str(label).casefold().replace("_", " ").split()), []).append(str(label))
    alike = [" and ".join(map(repr, map(printable, some))) for some in spelt.values() if len(some) > 1]
    if alike:
        msg = f"Labels differ by case or blanks alone and are two classes: {'; '.join(alike[:5])}. Give them one name first."
        warn(msg)


def _immune() -> "dict[str, AnnData]":
    adata = assets.immune_reference()
    sets = adata.obs["dataset"].astype(str)
    return {str(name): adata[(sets == name).to_numpy()] for name in sets.unique()}


def _named(reference: Reference, mod: str) -> "dict[str, AnnData]":
    """Return references by name: "" for a single one, "0", "1", … in a list."""
    if is_mudata(reference) or not isinstance(reference, Mapping | list | tuple):
        return {"": _opened(reference, mod, "reference")}
    if not reference:
        msg = f"reference={reference!r} holds no object. Pass an AnnData, or a list or dict of them; or leave it out."
        raise InputValueError(msg)
    named = reference.items() if isinstance(reference, Mapping) else enumerate(reference)
    out: dict[str, AnnData] = {}
    for k, one in named:
        if str(k) in out:
            msg = f"reference= names two objects {printable(str(k))!r}, one as a text. Give each a name of its own."
            raise InputValueError(msg)
        out[str(k)] = _opened(one, mod, f"reference[{printable(repr(k))}]")
    return out


def _opened(one: object, mod: str, name: str) -> "AnnData":
    if isinstance(one, str | Path):
        if isinstance(one, str) and not as_path(name, one).exists() and not Path(one).suffix:
            one = _published(one, name)
        return modality(read_cells(one), mod, name=name, wanted=WANTED)
    return modality(one, mod, name=name, wanted=WANTED)  # type: ignore[arg-type]


def _published(called: str, name: str) -> Path:
    """Return the file of a reference that was downloaded; what it is called is no file."""
    if called not in published.PUBLISHED:
        folder = as_path(name, called).parent
        files = [str(folder / p.name) for p in folder.iterdir()] if folder.is_dir() else []
        meant = did_you_mean(called, [IMMUNE, *published.PUBLISHED, *files])
        msg = (
            f"{name}={printable(repr(called))} is no file and no bundled reference; there is: {IMMUNE}, and to be downloaded "
            f"{', '.join(published.PUBLISHED)}.{meant} Pass a path of cells, for example "
            "'atlas.h5ad'."
        )
        raise InputValueError(msg)
    if not (path := published.path_of(called)).is_file():
        msg = f"{name}={called!r} was not downloaded yet. Call sgt.annotation.download({called!r}) first; it tells of the licence."
        raise InputValueError(msg)
    return path


def _told(names: Iterable[str], between: str) -> str:
    """Return names in one text that no other names make: those that could be taken for more than one are quoted."""
    return between.join(repr(n) if between in n or n[:1] in ("'", '"') else n for n in names)
