"""Labels of cells in a store: chunk by chunk, on any number of machines, with the same bits as in one go.

Two things need all cells of a query: which of them the reference holds, and what they have in common. The worker that begins the store
finds them out in one pass, the second from a sample of cells that is chosen by content, and notes both in the store, where the others read
them. All else is said of each cell by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import LabelKeys
from scgnn_tools._log import say
from scgnn_tools.annotation.asked import OpenQuery
from scgnn_tools.annotation.company import Company
from scgnn_tools.annotation.differences import Differences
from scgnn_tools.annotation.inputs import shared_genes
from scgnn_tools.annotation.kept import learnt_of
from scgnn_tools.annotation.labeller import AnnotationResult, Labeller
from scgnn_tools.annotation.matching import Fit, fit_on
from scgnn_tools.annotation.naming import NOTHING, WHY, Namer
from scgnn_tools.annotation.novelty import Shift
from scgnn_tools.annotation.same_cells import both, fingerprints
from scgnn_tools.annotation.settings import AnnotationSettings
from scgnn_tools.annotation.writing import agreed, distance, entry_of, params_of, warn_of
from scgnn_tools.fm import FoundationModel
from scgnn_tools.labels import METHODS
from scgnn_tools.store import CellStore, Field, digest, make_chunks, plan_of_cells, whole_of

if TYPE_CHECKING:
    from scgnn_tools.annotation.annotator import Annotator
    from scgnn_tools.store.work import Make

SAMPLE = 5_000
"""Cells that say what a query has in common."""
Retrain = Literal["auto"] | bool


def check_stored(
    settings: AnnotationSettings, *, majority: bool | str, copy: bool, shard: object, trained: bool
) -> None:
    """Refuse, before any work, what needs all cells at once, or an object to write into."""
    entry = METHODS[settings.method]
    wrong = {
        f"method={settings.method!r}": (
            entry.transductive or not entry.saved,
            "it learns from all cells of the query, or what it has learnt cannot be compared between workers: take another",
        ),
        "majority=": (
            majority is not False,
            "clusters are made of all cells: label without it, then let clusters of your own vote",
        ),
        "copy=True": (copy, "the store is written, and the object stays as it is: leave it out"),
        "use_rep=": (settings.use_rep is not None, "vectors are made chunk by chunk: leave it out"),
        "transductive=True": (settings.transductive, "it learns from all cells of the query: leave it out"),
        "shard= with cells as reference=": (
            shard is not None and not trained,
            "each worker would train: train once, Annotator.fit(reference).save(folder), and pass reference=folder",
        ),
    }
    for name, (is_given, why) in wrong.items():
        if is_given:
            msg = f"{name} does not go with store=; {why}."
            raise InputValueError(msg)


@dataclass(frozen=True)
class Whole:
    """What was found out from all cells: which labelled cells are among them, bool (n_known,), and their shift."""

    same: np.ndarray
    shift: Shift | None

    def to_json(self, of: str) -> dict[str, Any]:
        """Return it as it stands in a store."""
        shift = None
        if self.shift is not None:
            shift = asdict(replace(self.shift, company=None, differences=None)) | {"away": self.shift.away.tolist()}
            for part in ("company", "differences"):
                one = getattr(self.shift, part)
                shift[part] = None if one is None else one.to_json()
        return {"of": of, "same": np.flatnonzero(self.same).tolist(), "shift": shift}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], n_known: int) -> "Whole":
        """Return what :meth:`to_json` was asked of."""
        same, shift = np.zeros(n_known, dtype=bool), plain["shift"]
        same[plain["same"]] = True
        if shift is None:
            return cls(same, None)
        parts = {
            part: None if shift[part] is None else kind.from_json(shift[part])
            for part, kind in (("company", Company), ("differences", Differences))
        }
        return cls(same, Shift(**{**shift, "away": np.array(shift["away"]), **parts}))


def label_to_store(
    annotator: "Annotator",
    asked: OpenQuery,
    names: tuple[pd.Index, pd.Index],
    model: FoundationModel,
    keys: LabelKeys,
    *,
    where: str | Path,
    shard: tuple[int, int],
    resume: bool,
    retrain: Retrain,
    options: Mapping[str, Any],
) -> None:
    """Label this worker's chunks, set the flag if they were the last ones, and say what was done.

    Parameters
    ----------
    annotator, asked, model, keys
        What labels, the cells, the foundation model, and where the labels go.
    names
        Of the cells and of the genes of the object.
    where, shard, resume
        As in :func:`scgnn_tools.tl.annotate`.
    retrain
        As for :meth:`scgnn_tools.annotation.Annotator.annotate`.
    options
        What else decides, in words.
    """
    known, settings = annotator.known, annotator.settings
    shared = shared_genes(known, asked, model)
    cells, genes = (pd.Index(n.astype(str), name=None) for n in names)
    plan = plan_of_cells(asked.expression, cells, asked.found.index)

    def fit(same: np.ndarray) -> Fit:
        return fit_on(known, shared, same, settings, model, annotator.name, ready=annotator.labeller, retrain=retrain)

    of = digest(plan, shared, known.counts, known.labels)
    there = whole_of(where)
    if there and there.get("of") == of:
        whole = Whole.from_json(there, len(known))
        fitted = fit(whole.same)
    else:
        marks, some = asked.looked_over(shared, SAMPLE)
        same = both(fingerprints(known.over(shared)), marks)
        fitted = fit(same)
        whole = Whole(same, fitted.labeller.shift(asked.part(some, fitted.genes, model)))
    namer = Namer(settings, fitted.labeller.classes)
    plan |= {
        "what the method has learnt": _learnt(fitted.labeller),
        "names of the labels": digest(namer.categories, _tree(settings, fitted.labeller)),
        "what all cells have in common": digest(whole.to_json(of)),
        **{k: str(v) for k, v in {**settings.params, **options}.items()},
    }
    params = params_of(
        fitted.labeller.report, fitted.labeller.method, settings, fitted.params, whole.shift, interrupted=False
    )
    store = CellStore(
        where,
        plan,
        fields=_fields(keys, fitted.labeller, namer),
        entry=("uns", keys.uns),
        rest=_rest(keys, fitted.labeller, namer, params | {"sample": min(SAMPLE, len(cells))}, cells, genes),
        whole=whole.to_json(of),
        empty=lambda values: values[1] == NOTHING,
    )
    make = _maker(fitted, asked, model, namer, whole.shift, alone=settings.unknown == "cell")
    done = make_chunks(store, shard, asked.expression, cells, make, what="annotate", resume=resume)
    say(f"annotate: {settings.method}, labels of {params['labels']}: {done.said(store, shard)}")
    if not done.missing:
        _tell(store, namer, fitted.labeller, (whole.shift, params), keys)


def _learnt(labeller: Labeller) -> str:
    arrays, config = learnt_of(labeller)
    return digest(labeller.name, labeller.classes, float(labeller.temperature), config, arrays)


def _tree(settings: AnnotationSettings, labeller: Labeller) -> Any:
    return "" if settings.hierarchy is None else settings.hierarchy.over(labeller.classes).to_json()


def _fields(keys: LabelKeys, labeller: Labeller, namer: Namer) -> list[Field]:
    """Return what every cell gets, in the order of :func:`_values`."""
    out = [
        Field("obs", keys.obs, "int16", fill=-1, categories=namer.categories),
        Field("obs", keys.reason, "int8", fill=-1, categories=WHY),
        Field("obs", keys.confidence, "float32"),
    ]
    if labeller.novelty is not None:
        out.append(Field("obs", keys.novelty, "float32"))
    if METHODS[labeller.name].ensemble:
        out.append(Field("obs", keys.agreement, "float32"))
    if labeller.sets is not None:
        out.append(Field("obsm", keys.set, "bool", len(labeller.classes), fill=False))
    return out


def _values(result: AnnotationResult, namer: Namer, *, reject: bool) -> list[np.ndarray]:
    named = namer(result)
    out = [named.code, named.why, named.confidence]
    if reject:
        out.append(result.strange)
    if result.agreement is not None:
        out.append(np.where(result.empty, 0, result.agreement))
    return out if result.sets is None else [*out, result.sets]


def _maker(
    fitted: Fit, asked: OpenQuery, model: FoundationModel, namer: Namer, shift: Shift | None, *, alone: bool
) -> "Make":
    def make(rows: sp.csr_array, start: int, advance: Callable[[int], None]) -> list[np.ndarray]:
        query = asked.part(rows, fitted.genes, model)
        result = fitted.labeller.label(query, alone=alone, shift=shift, advance=advance)
        return _values(result, namer, reject=fitted.labeller.novelty is not None)

    return make


def _rest(
    keys: LabelKeys, labeller: Labeller, namer: Namer, params: dict[str, Any], cells: pd.Index, genes: pd.Index
) -> Any:
    """Return the AnnData that the store is, but for the labels."""
    import anndata as ad

    entry = entry_of(labeller.report, labeller.classes, params)
    if labeller.sets is not None:
        entry["conformal"] = labeller.report.conformal
    if (namer.ids != "").any():
        entry["ontology_term_ids"] = namer.ids.astype(object)
    return ad.AnnData(obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=genes), uns={keys.uns: entry})


def _tell(
    store: CellStore, namer: Namer, labeller: Labeller, query: tuple[Shift | None, dict[str, Any]], keys: LabelKeys
) -> None:
    """Say of a finished store what :func:`scgnn_tools.tl.annotate` says of an object."""
    (shift, params), unknown, n = query, len(namer.categories) - 1, 0
    at = [field.key for field in store.fields].index(keys.agreement) if METHODS[labeller.name].ensemble else None
    agreement = []
    for values in map(store.read, range(store.n_chunks)):
        if values is not None:
            n += int((values[0] == unknown).sum())
            agreement += [] if at is None else [values[at]]
    say(f"annotate: {n:,} of {store.n_obs:,} cells {namer.categories[unknown]} -> obs['{keys.obs}']")
    if shift is not None:
        say(f"annotate: {distance(params)}")
    if agreement:
        say(f"annotate: {agreed(np.concatenate(agreement), labeller.report)}")
    say(f"annotate: {labeller.report.verdict}")
    warn_of(n, store.n_obs, shift, keys)
