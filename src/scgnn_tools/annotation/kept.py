"""A trained annotator as files: tensors, JSON, one seal over both. No pickle."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import fm
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools._log import printable
from scgnn_tools._write import as_path
from scgnn_tools.annotation.conformal import ConformalSets
from scgnn_tools.annotation.hierarchy import Hierarchy, from_json
from scgnn_tools.annotation.known import KnownCells
from scgnn_tools.annotation.labeller import Labeller
from scgnn_tools.annotation.naming import Namer
from scgnn_tools.annotation.novelty import Novelty
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.report import Report
from scgnn_tools.annotation.settings import AnnotationSettings, settings_of
from scgnn_tools.fm import saves
from scgnn_tools.labels import METHODS, Saved, label_method
from scgnn_tools.labels.saving import restored, state_of

CLASS, FORMAT = "Annotator", 2
KNOWN, METHOD, NOVELTY, SETS = "known.", "method.", "novelty.", "sets."
TABLES = ("evaluation", "calibration", "confusion")
PLAIN = (str, int, float, bool, type(None))


def check_method(method: object, what: str = "") -> None:
    """Refuse methods of which nothing can be kept for a query to come."""
    entry = METHODS.get(method) if isinstance(method, str) else None
    if entry is None or (entry.saved and not entry.transductive):
        return  # an unknown name is refused with the options
    able = ", ".join(n for n, e in METHODS.items() if e.saved and not e.transductive)
    why = "learns from the cells that it labels" if entry.transductive else "has no saved form"
    msg = f"{what}{method} {why} and cannot be kept for other queries; these can: {able}. Or call tl.annotate(query, reference=…)."
    raise InputValueError(msg)


def save(
    folder: str | Path,
    known: KnownCells,
    settings: AnnotationSettings,
    name: str,
    labeller: Labeller,
    *,
    overwrite: bool,
) -> None:
    """Write all of an annotator; see :meth:`scgnn_tools.annotation.Annotator.save`."""
    lost = [k for k, v in settings.options.items() if not _is_plain(v)]
    if lost:
        msg = f"No file can hold {', '.join(f'{printable(o)}=' for o in lost)}. Train without, or keep the Annotator in memory."
        raise InputValueError(msg)
    card = fm.load(fm.best_bundled()).card
    learnt, config = learnt_of(labeller)
    classes, codes = np.unique(known.labels, return_inverse=True)
    vectors = {} if known.vectors is None else {"vectors": known.vectors}
    counts = known.counts
    cells = {"data": counts.data, "indices": counts.indices, "indptr": counts.indptr, "labels": codes}
    cells |= {"experiments": known.experiments, "genes": known.genes, **vectors}
    if known.gene_graph is not None:
        cells |= {f"gene_graph.{k}": getattr(known.gene_graph, k) for k in ("data", "indices", "indptr")}
    tensors = {f"{KNOWN}{k}": np.asarray(v) for k, v in cells.items()} | learnt
    report = labeller.report
    about = {
        "class": CLASS,
        "format": FORMAT,
        "model": {"name": card.name, "sha256": card.sha256},
        "name": name,
        "settings": {**vars(settings), "device": "auto", "hierarchy": _plain(settings.hierarchy, classes)},
        "classes": [str(c) for c in labeller.classes],
        "labels": [str(c) for c in classes],
        "names": [str(n) for n in known.names],
        "experiment_names": list(known.experiment_names),
        "are_counts": known.are_counts,
        "method": config,
        "temperature": float(labeller.temperature),
        "interrupted": labeller.interrupted,
        "report": {t: _to_json(getattr(report, t)) for t in TABLES}
        | {"verdict": report.verdict, "conformal": report.conformal, "held_out": report.held_out},
        "shapes": {k: list(v.shape) for k, v in tensors.items()},
    }
    saves.save(folder, tensors, about, overwrite=overwrite)


def learnt_of(labeller: Labeller) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return all arrays that a labeller has learnt, and what its method wants in words to be made again."""
    arrays, config = state_of(cast("Saved", labeller.method))
    parts: dict[str, dict[str, np.ndarray]] = {METHOD: arrays}
    parts[NOVELTY] = {} if labeller.novelty is None else labeller.novelty.state()
    parts[SETS] = {} if labeller.sets is None else {"thresholds": labeller.sets.thresholds}
    return {f"{where}{k}": np.asarray(v) for where, part in parts.items() for k, v in part.items()}, config or {}


def load(folder: str | Path, *, device: str = "auto") -> tuple[KnownCells, AnnotationSettings, str, Labeller]:
    """Read what :func:`save` wrote; see :meth:`scgnn_tools.annotation.Annotator.load`."""
    folder = as_path("folder", folder)
    resolve_device(device)
    about = saves.read_raw(folder)
    _check(about, folder)
    with saves.understood(folder, "annotator that Annotator.save wrote"):
        tensors, about = saves.load(folder, {k: tuple(v) for k, v in about["shapes"].items()})
        settings = _settings({**about["settings"], "device": device})
        known, labeller = _known(_part(tensors, KNOWN), about), _labeller(tensors, about, settings)
        _try(labeller, known, settings)
    return known, settings, about["name"], labeller


def _is_plain(value: object) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, list | tuple) else isinstance(value, PLAIN)


def is_kept(path: Path) -> bool:
    """Tell whether a folder may be a saved annotator: it holds a checkpoint, and no cells."""
    return path.is_dir() and (path / saves.CONFIG).is_file()


def _check(about: dict[str, Any], folder: Path) -> None:
    if about.get("class") != CLASS:
        msg = f"{folder} holds a {printable(about.get('class') or about.get('model'))}; an Annotator was asked for."
        raise WeightsError(msg)
    if about.get("format") != FORMAT:
        msg = (
            f"{folder} was written by another version of scgnn_tools (format {printable(about.get('format'))}; this one reads {FORMAT}). "
            "Train it again: Annotator.fit(reference, labels_key).save(folder, overwrite=True)."
        )
        raise WeightsError(msg)
    card, model = fm.load(fm.best_bundled()).card, about.get("model")
    if model != {"name": card.name, "sha256": card.sha256}:
        name = printable(model.get("name") if isinstance(model, dict) else model)
        msg = f"{folder} was trained on vectors of another version of the bundled model ({name}; this one has {card.name}). Train it again."
        raise WeightsError(msg)


def _known(arrays: dict[str, np.ndarray], about: dict[str, Any]) -> KnownCells:
    genes, names = arrays["genes"], np.array(about["names"], dtype=object)
    shape = (len(names), len(genes))
    counts = sp.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
    vocabulary = len(fm.load(fm.best_bundled()).vocabulary)
    if len(genes) and not (genes.min() >= 0 and genes.max() < vocabulary and (np.diff(genes) > 0).all()):
        msg = "its genes are no positions in the vocabulary"
        raise ValueError(msg)
    experiments, called = arrays["experiments"], about["experiment_names"]
    if not isinstance(called, list) or not (experiments.min() >= 0 and experiments.max() < len(called)):
        msg = "its experiments have no names"
        raise ValueError(msg)
    counts.check_format(full_check=True)
    graph, edges = None, _part(arrays, "gene_graph.")
    if edges:
        graph = sp.csr_array((edges["data"], edges["indices"], edges["indptr"]), shape=(len(genes), len(genes)))
        graph.check_format(full_check=True)
    return KnownCells(
        counts,
        genes,
        np.array(about["labels"])[arrays["labels"]],
        names,
        experiments,
        tuple(called),
        bool(about["are_counts"]),
        arrays.get("vectors"),
        graph,
    )


def _settings(plain: dict[str, Any]) -> AnnotationSettings:
    """Return settings as JSON has them, checked as those of a user are; the seed is the number that it was."""
    above, see, number = plain.pop("hierarchy"), plain.pop("transductive"), plain.pop("seed")
    if not isinstance(see, bool) or not isinstance(number, int):
        msg = "its seed is no whole number, or transductive is no flag"
        raise TypeError(msg)
    hierarchy = None if above is None else from_json(above)
    try:
        return settings_of(**plain, hierarchy=hierarchy, rng=number, transductive=see, bundled=False)
    except InputValueError as error:
        raise ValueError(str(error)) from error


def _try(labeller: Labeller, known: KnownCells, settings: AnnotationSettings) -> None:
    """Label one known cell: arrays that do not fit each other show before a query is read."""
    one = known.take(np.zeros(1, dtype=np.int64)).cells(known.genes, fm.load(fm.best_bundled()))
    result = labeller.label(Query.of(one), alone=True, advance=lambda n: None)
    if result.proba.shape != (1, len(labeller.classes)) or not np.isfinite(result.proba).all():
        msg = "what it has learnt gives no probability to each of its classes"
        raise ValueError(msg)
    Namer(settings, labeller.classes)(result)


def _labeller(tensors: dict[str, np.ndarray], about: dict[str, Any], settings: AnnotationSettings) -> Labeller:
    told, temperature = about["classes"], about["temperature"]
    if not isinstance(told, list) or not isinstance(temperature, int | float) or not 0 < temperature < np.inf:
        msg = "its classes are no list, or its temperature is no positive number"
        raise ValueError(msg)
    new = cast("Saved", label_method(settings.method, **settings.made_with))
    made = restored(new, _part(tensors, METHOD), about["method"])
    sets = None
    if settings.coverage is not None:
        sets = ConformalSets(settings.coverage, settings.conformal)  # type: ignore[arg-type]
        sets.thresholds = _part(tensors, SETS)["thresholds"]
    classes, told = np.array(told), about["report"]
    tables = {t: _from_json(told[t]) for t in TABLES}
    report = Report(**tables, verdict=told["verdict"], conformal=told["conformal"], held_out=told["held_out"])
    novelty = Novelty().restore(_part(tensors, NOVELTY)) if settings.reject else None
    return Labeller(
        classes, settings.method, made, float(temperature), sets, novelty, report, bool(about["interrupted"])
    )


def _part(tensors: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)}


def _plain(hierarchy: Hierarchy | None, classes: np.ndarray) -> dict[str, Any] | None:
    return None if hierarchy is None else hierarchy.over(classes).to_json()


def _to_json(table: pd.DataFrame) -> dict[str, Any]:
    plain = table.astype(object)
    return {
        "index": list(map(str, table.index)) if table.index.dtype == object else table.index.tolist(),
        "columns": list(map(str, table.columns)),
        "rows": plain.where(plain.notna(), None).to_numpy().tolist(),
        "kinds": [str(k) for k in table.dtypes],
    }


def _from_json(plain: dict[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame(plain["rows"], index=plain["index"], columns=plain["columns"], dtype=object)
    return table.astype(dict(zip(plain["columns"], plain["kinds"], strict=True)))
