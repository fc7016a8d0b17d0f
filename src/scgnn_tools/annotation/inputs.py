"""From AnnData to the arrays that the methods see: one object partly labelled, or a reference beside a query."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import GeneMatchError, InputValueError, SgtWarning, warn
from scgnn_tools._fields import root
from scgnn_tools._keys import EmbeddingKeys
from scgnn_tools._log import printable
from scgnn_tools.annotation.asked import OpenQuery
from scgnn_tools.annotation.gene_graph import by_name, over, places_in, read_graph, read_graphs
from scgnn_tools.annotation.known import KnownCells, before_log
from scgnn_tools.data import Expression, open_expression
from scgnn_tools.data.organism import of_one_organism
from scgnn_tools.data.vectors import read_vectors
from scgnn_tools.fm import FoundationModel
from scgnn_tools.genes import gene_names
from scgnn_tools.labels import Cells

if TYPE_CHECKING:
    from scgnn_tools.genes import GeneMatch

REFUSE_GENES, WARN_GENES = 50, 500


def one_object(
    adata: ad.AnnData,
    model: FoundationModel,
    *,
    use_rep: str | None,
    layer: str | None,
    gene_key: str | None,
    organism: str | None,
    gene_graph: str | None = None,
) -> tuple[Cells, str]:
    """Return all cells of an object, with the graph of genes of ``varp[gene_graph]``, and where their vectors are from."""
    known = None if gene_graph is None else read_graph(adata, gene_graph)
    recorded = EmbeddingKeys(model.card.name)
    if use_rep is None and recorded.uns in root(adata) and recorded.obsm in adata.obsm:
        use_rep = recorded.obsm
    vectors = None if use_rep is None else own_vectors(adata, use_rep)
    expression = open_expression(adata, layer=layer)
    if vectors is None:
        found = model.match(expression, gene_key=gene_key, organism=organism)
        expression, found = of_one_organism(expression, found)
    x = expression.log_normalized()
    names = gene_names(expression.var, gene_key=gene_key if gene_key in expression.var else None)
    totals = expression.cell_totals()
    graph = None if known is None else by_name(known, adata.var_names, expression.var.index)
    if vectors is not None:
        return Cells(x, vectors, names, totals, gene_graph=graph), f"obsm['{use_rep}']"
    vectors = model.embed_expression(expression, found)[0]
    return Cells(x, vectors, names, totals, gene_graph=graph), model.card.name


@dataclass(frozen=True)
class ReferencePart:
    """One reference: the object, the label of each of its cells ("" for none) and what its experiments are called (n_cells,)."""

    adata: ad.AnnData
    labels: np.ndarray
    experiment: np.ndarray


def known_cells(
    parts: Mapping[str, ReferencePart],
    model: FoundationModel,
    *,
    use_rep: str | None,
    layer: str | None,
    gene_key: str | None,
    gene_graph: str | None = None,
) -> KnownCells:
    """Return the labelled cells of all references over the genes that all of them have; genes go by the model's names.

    The graph of genes is that of ``varp[gene_graph]`` of the references that have one, joined.
    """
    graphs = read_graphs({n: p.adata for n, p in parts.items()}, gene_graph)
    opened = {}
    with warnings.catch_warnings():  # what is lost on the side of a reference shows in the shared genes
        warnings.simplefilter("ignore", SgtWarning)
        for name, part in parts.items():
            found = open_expression(part.adata, layer=layer if layer in part.adata.layers else None)
            key = gene_key if gene_key in part.adata.var else None
            opened[name] = found, model.match(found, gene_key=key)
    genes = _in_all({n: match for n, (_, match) in opened.items()}, model)
    counts, labels, names, experiments, vectors = [], [], [], [], []
    for name, part in parts.items():
        at = np.flatnonzero(part.labels != "")
        counts.append(_counts(*opened[name], genes)[at])
        labels.append(part.labels[at])
        names.append(part.adata.obs_names.to_numpy(dtype=object)[at])
        experiments.append(part.experiment[at])
        if use_rep is not None:
            vectors.append(own_vectors(part.adata, use_rep)[at])
    if len(widths := {v.shape[1] for v in vectors}) > 1:
        msg = f"obsm[{printable(use_rep)!r}] has {' and '.join(map(str, sorted(widths)))} columns; embed all references alike."
        raise InputValueError(msg)
    codes, called = pd.factorize(np.concatenate(experiments))
    graph = None
    if graphs:
        place = {n: places_in(parts[n].adata.var_names, opened[n][0].var.index, opened[n][1], genes) for n in graphs}
        graph = over([(g, place[n]) for n, g in graphs.items()], len(genes))
    return KnownCells(
        sp.csr_array(sp.vstack(counts, format="csr")),
        genes,
        np.concatenate(labels),
        np.concatenate(names),
        codes,
        tuple(map(str, called)),
        all(expression.kind.kind == "counts" for expression, _ in opened.values()),
        np.concatenate(vectors) if vectors else None,
        graph,
    )


def open_query(
    query: ad.AnnData,
    model: FoundationModel,
    *,
    use_rep: str | None,
    layer: str | None,
    gene_key: str | None,
    organism: str | None,
) -> OpenQuery:
    """Open the cells to label; none of them is read yet."""
    opened = open_expression(query, layer=layer)
    found = model.match(opened, gene_key=gene_key, organism=organism)
    return OpenQuery(opened, found, None if use_rep is None else own_vectors(query, use_rep))


def shared_genes(known: KnownCells, asked: OpenQuery, model: FoundationModel) -> np.ndarray:
    """Return the genes that both have, as positions in the model's vocabulary, int (n_shared,).

    Raises
    ------
    GeneMatchError
        If there are fewer than fifty.

    Warns
    -----
    SgtWarning
        If there are fewer than five hundred.
    """
    shared = np.intersect1d(asked.genes, known.genes)
    if len(shared) < REFUSE_GENES:
        msg = (
            f"The reference and query share {len(shared)} genes that {model.card.name} knows (of {len(asked.genes):,} of the query and "
            f"{len(known.genes):,} of the reference); at least {REFUSE_GENES} are wanted. Pass a reference= measured on more of the genes."
        )
        raise GeneMatchError(msg)
    if len(shared) < WARN_GENES:
        msg = (
            f"Reference and query share only {len(shared)} genes: labels and the search for unknown cells are less certain. Use a "
            "reference that was measured on the genes of this panel, or trust only labels of broad classes."
        )
        warn(msg)
    if known.vectors is not None and asked.vectors is not None and known.vectors.shape[1] != asked.vectors.shape[1]:
        msg = (
            f"use_rep has {asked.vectors.shape[1]} columns in the query and {known.vectors.shape[1]} in the reference; both have to be "
            "of one model. Embed both the same way, or leave use_rep out."
        )
        raise InputValueError(msg)
    return shared


def vectors_of(known: KnownCells, shared: np.ndarray, model: FoundationModel, use_rep: str | None) -> str:
    """Say where the vectors are from."""
    return use_rep or f"{model.card.name} on {len(shared):,} shared genes"


def _in_all(matches: "Mapping[str, GeneMatch]", model: FoundationModel) -> np.ndarray:
    """Return the genes that all references have, as positions in the vocabulary."""
    genes: np.ndarray | None = None
    for name, match in matches.items():
        own = np.unique(match.index[match.matched])
        before, genes = genes, own if genes is None else np.intersect1d(genes, own)
        if len(genes) < REFUSE_GENES:
            others = "" if before is None else f", of {len(before):,} in the references before"
            msg = (
                f"Reference {printable(name)!r} has {len(genes)} genes that {model.card.name} knows{others}; at least {REFUSE_GENES} are "
                "wanted in all references together. Pass a reference= measured on more of the genes."
            )
            raise GeneMatchError(msg)
    assert genes is not None
    return genes


def _counts(expression: Expression, found: "GeneMatch", genes: np.ndarray) -> sp.csr_array:
    to_genes = sp.csr_array(found.projection()[:, genes])
    blocks = [before_log(rows, expression.kind.kind) @ to_genes for _, rows in expression.rows()]
    out = sp.csr_array(sp.vstack(blocks, format="csr"))
    out.sort_indices()
    return out


def own_vectors(adata: ad.AnnData, use_rep: str) -> np.ndarray:
    """Return the vectors of cells that the user brings in ``obsm``, as :func:`~scgnn_tools.data.vectors.read_vectors`."""
    return read_vectors(adata, use_rep, "obsm", todo="Leave it out to embed with the best bundled model.")
