"""What an object holds of this package, a section a result: its words, its tables, its figures."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn_tools import pl
from scgnn_tools._keys import (
    ROOT,
    UNKNOWN,
    EmbeddingKeys,
    GrnKeys,
    IntegrationKeys,
    LabelKeys,
    PerturbationKeys,
    ProgramKeys,
)
from scgnn_tools.annotation.writing import distance

if TYPE_CHECKING:
    from anndata import AnnData

Table = tuple[str, pd.DataFrame]
Drawing = tuple[str, Callable[[], Any]]


@dataclass(frozen=True)
class Section:
    """One result.

    Attributes
    ----------
    title
        What was done.
    where
        Where the result is in the object.
    words
        What the call said of it, a line each.
    params
        What was asked, by name.
    tables
        Caption and table.
    figures
        Caption, which is also the alternative text, and what draws it.
    """

    title: str
    where: str
    words: list[str] = field(default_factory=list)
    params: Mapping[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    figures: list[Drawing] = field(default_factory=list)


def sections(adata: "AnnData") -> list[Section]:
    """Return the sections of an object, embeddings first."""
    out = list(_embeddings(adata))
    for kind in (_labels, _integration, _perturbation, _programs, _network):
        for key, entry in adata.uns.items():
            if key != ROOT and isinstance(entry, Mapping):
                out += kind(adata, str(key), entry)
    return out


def _embeddings(adata: "AnnData") -> Iterator[Section]:
    entries = adata.uns.get(ROOT, {})
    for key, entry in entries.items() if isinstance(entries, Mapping) else ():
        keys = EmbeddingKeys(str(key))
        if keys.obsm not in adata.obsm or not isinstance(entry, Mapping):
            continue
        genes = entry.get("genes", {})
        told = (
            {k: v for k, v in genes.items() if isinstance(v, int | float | str)} if isinstance(genes, Mapping) else {}
        )
        yield Section(
            f"Embedding with {key}",
            f"obsm[{keys.obsm!r}]",
            params={
                **entry.get("params", {}),
                **told,
                "licence": entry.get("licence", ""),
                "sha256": entry.get("sha256", ""),
            },
            figures=[
                (f"The cells in the space of {key}", partial(pl.embedding_report, adata, str(key), return_fig=True))
            ],
        )


def _labels(adata: "AnnData", key: str, entry: Mapping[str, Any]) -> Iterator[Section]:
    if "confusion" not in entry or LabelKeys(key).obs not in adata.obs:
        return
    counts = adata.obs[LabelKeys(key).obs].value_counts()
    tables = [
        ("Cells of each label", counts[counts > 0].rename("cells").to_frame()),
        (
            "The method beside its baselines, on labelled cells that were held out",
            _some(entry["evaluation"], LABEL_COLUMNS),
        ),
    ]
    why = adata.obs[LabelKeys(key).reason].value_counts() if LabelKeys(key).reason in adata.obs else counts[:0]
    why = why[(why > 0) & (why.index != "")]
    if len(why):
        tables.insert(1, (f"Why cells are {UNKNOWN}", why.rename("cells").to_frame()))
    params = entry.get("params", {})
    of_reference = "query_unlike" in params and "trained_for_this_query" in params
    said = [*([distance(params)] if of_reference else []), *_said(entry)]
    basis = next((k for k in ("X_umap", "X_tsne") if k in adata.obsm), None)
    figures: list[Drawing] = [
        ("Labels on a map of the cells", partial(pl.annotation, adata, key, basis=basis, return_fig=True)),
        (
            "Predicted against true labels of held-out cells of the reference",
            lambda: pl.confusion(adata, key, return_fig=True),
        ),
        ("How often labels of each confidence are right", lambda: pl.calibration(adata, key, return_fig=True)),
    ]
    yield Section("Labels of cells", f"obs[{key!r}]", said, params, tables, figures)


def _integration(adata: "AnnData", key: str, entry: Mapping[str, Any]) -> Iterator[Section]:
    keys = IntegrationKeys(key)
    if "batches" not in entry or keys.obsm not in adata.obsm:
        return
    tables: list[Table] = [("Cells of each batch", entry["batches"])]
    if "evaluation" in entry:
        tables.append(
            ("The method beside its baselines and controls; 1 is best", _some(entry["evaluation"], INTEGRATION_COLUMNS))
        )
    figures: list[Drawing] = [
        ("Scores, and the cells by batch and label", lambda: pl.integration(adata, key, return_fig=True))
    ]
    params = entry.get("params", {})
    yield Section("Integration of batches", f"obsm[{keys.obsm!r}]", _said(entry), params, tables, figures)


def _perturbation(adata: "AnnData", key: str, entry: Mapping[str, Any]) -> Iterator[Section]:
    if "signal" not in entry or ("predictions" not in entry and "top" not in entry):
        return
    tables: list[Table] = [("Perturbations: does anything change?", entry["signal"])]
    figures: list[Drawing] = []
    if "evaluation" in entry:
        tables.insert(
            0,
            (
                "Held-out perturbations: the method beside its baselines and the ceiling",
                entry["evaluation"].iloc[:, :8],
            ),
        )
        figures = [
            (
                "The most changed genes of a held-out perturbation",
                lambda: pl.perturbation(adata, key=key, return_fig=True),
            )
        ]
    where = f"uns[{PerturbationKeys(key).uns!r}]"
    yield Section("Perturbations", where, _said(entry), entry.get("params", {}), tables, figures)


def _programs(adata: "AnnData", key: str, entry: Mapping[str, Any]) -> Iterator[Section]:
    if "separation" not in entry or ProgramKeys(key).uns not in adata.uns:
        return
    table = entry["separation"].copy()
    table = table.sort_values(table.columns[-1], ascending=False)
    figures: list[Drawing] = [("The programs that differ most", lambda: pl.gene_programs(adata, key, return_fig=True))]
    yield Section(
        "Gene programs", f"uns[{key!r}]", _said(entry), entry.get("params", {}), [("Programs", table)], figures
    )


def _network(adata: "AnnData", key: str, entry: Mapping[str, Any]) -> Iterator[Section]:
    if not isinstance(entry.get("edges"), pd.DataFrame):
        return
    edges, evaluation = entry["edges"], entry.get("evaluation", {})
    tables: list[Table] = []
    if isinstance(evaluation.get("table"), pd.DataFrame):
        tables.append(
            ("The method beside its baselines, on edges that were held out", _some(evaluation["table"], GRN_COLUMNS))
        )
    for name, caption in CONTROLS.items():
        if isinstance(evaluation.get(name), pd.DataFrame):
            tables.append((caption, evaluation[name].iloc[:, :7]))
    if "known" in edges:
        new = edges[~edges["known"].astype(bool)].sort_values("score", ascending=False)
        tables.append(("The best edges that the prior does not know", _some(new, EDGE_COLUMNS).set_index("source")))
        supported = (
            new[new["data_score"] > SUPPORTED] if {"data_score", "probability"} <= set(new.columns) else new.head(0)
        )
        if len(supported):
            caption = f"Of these the edges that the cells support (data_score above {SUPPORTED}), the likeliest first"
            likeliest = supported.sort_values("probability", ascending=False, kind="stable")
            tables.append((caption, _some(likeliest, EDGE_COLUMNS).set_index("source")))
    texts = [evaluation[k] for k in ("verdict", "cells") if isinstance(evaluation.get(k), str)]
    said = [line for text in texts for line in text.splitlines()]
    figures: list[Drawing] = [("The network", lambda: pl.grn(adata, key=key, return_fig=True))]
    yield Section(
        "Gene regulatory network", f"uns[{GrnKeys(key).uns!r}]", said, entry.get("params", {}), tables, figures
    )


LABEL_COLUMNS = ("kind", "n", "accuracy", "macro_f1", "balanced_accuracy", "ece", "difference", "standard_error")
INTEGRATION_COLUMNS = ("kind", "total", "bio", "batch", "ari_kmeans", "asw_label", "ilisi", "graph_connectivity")
GRN_COLUMNS = (
    "kind",
    "n",
    "auroc",
    "auprc",
    "auprc_low",
    "auprc_high",
    "difference",
    "difference_low",
    "difference_high",
)
EDGE_COLUMNS = ("source", "target", "group", "score", "probability", "prior_score", "data_score", "stability", "sign")
SUPPORTED = 2
"""Standard deviations of permuted cells from which the report says that the cells support an edge."""

CONTROLS = {
    "reliability": "How well halves of the cells agree: below .3 a group's network is the one of all cells",
    "recovery": "Known edges against others of like degree (.5 is chance), beside cells whose genes were permuted",
    "held_out": "Expression of other cells that the network tells, beside rewired networks",
}


def _said(entry: Mapping[str, Any]) -> list[str]:
    return [str(entry["verdict"])] if entry.get("verdict") else []


def _some(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    return table[[c for c in columns if c in table]]
