"""From AnnData to the arrays that the methods see: one object partly labelled, or a reference beside a query."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import GeneMatchError, InputValueError, SgtWarning
from scgnn_tools._fields import root
from scgnn_tools._keys import EmbeddingKeys
from scgnn_tools._log import printable
from scgnn_tools.annotation.query import BLOCK, Query, joined
from scgnn_tools.data import Expression, noted, open_expression
from scgnn_tools.data.batches import CHUNK
from scgnn_tools.data.normalize import log_normalize
from scgnn_tools.data.organism import of_one_organism
from scgnn_tools.data.vectors import read_vectors
from scgnn_tools.fm import FoundationModel
from scgnn_tools.genes import gene_names
from scgnn_tools.labels import Cells

if TYPE_CHECKING:
    from scgnn_tools.genes import GeneMatch

REFUSE_GENES, WARN_GENES = 100, 500


def one_object(
    adata: ad.AnnData,
    model: FoundationModel,
    *,
    use_rep: str | None,
    layer: str | None,
    gene_key: str | None,
    organism: str | None,
) -> tuple[Cells, str]:
    """Return all cells of an object, and where their vectors are from."""
    recorded = EmbeddingKeys(model.card.name)
    if use_rep is None and recorded.uns in root(adata) and recorded.obsm in adata.obsm:
        use_rep = recorded.obsm
    vectors = None if use_rep is None else _vectors(adata, use_rep)
    expression = open_expression(adata, layer=layer)
    if vectors is None:
        found = model.match(expression, gene_key=gene_key, organism=organism)
        expression, found = of_one_organism(expression, found)
    x = expression.log_normalized()
    names = gene_names(expression.var, gene_key=gene_key if gene_key in expression.var else None)
    totals = expression.cell_totals()
    if vectors is not None:
        return Cells(x, vectors, names, totals), f"obsm['{use_rep}']"
    return Cells(x, model.embed_expression(expression, found)[0], names, totals), model.card.name


def references_and_query(
    references: Mapping[str, ad.AnnData],
    query: ad.AnnData,
    model: FoundationModel,
    *,
    use_rep: str | None,
    layer: str | None,
    gene_key: str | None,
    organism: str | None,
) -> tuple[Cells, Query, str]:
    """Return the cells of all references and those of the query over the genes that all have, and where the vectors are from.

    Genes go by the model's names. Expression is normalised and embedded over the shared genes only, so that a gene that one side lacks
    tells nothing. The query is made a block at a time, when it is asked for; its values are looked at here.
    """
    opened = open_expression(query, layer=layer)
    for _ in opened.rows():  # what is wrong in it is said before any work
        pass
    found = model.match(opened, gene_key=gene_key, organism=organism)
    sides = {}
    with warnings.catch_warnings():  # what is lost on the side of a reference shows in the shared genes
        warnings.simplefilter("ignore", SgtWarning)
        for name, one in references.items():
            of_reference = open_expression(one, layer=layer if layer in one.layers else None)
            sides[name] = of_reference, model.match(of_reference, gene_key=gene_key if gene_key in one.var else None)
    shared = np.unique(found.index[found.matched])
    n_query = len(shared)
    for name, (_, match) in sides.items():
        before = len(shared)
        shared = np.intersect1d(shared, match.index[match.matched])
        if len(shared) < REFUSE_GENES:
            who = f"Reference {printable(name)!r}" if len(sides) > 1 else "The reference"
            msg = (
                f"{who} and query share {len(shared)} genes that {model.card.name} knows (of {n_query:,} of the query"
                f"{f', {before:,} of them in the references before' if before < n_query else ''}, and {match.matched.sum():,}); at least "
                f"{REFUSE_GENES} are wanted. Pass a reference= measured on more of the genes."
            )
            raise GeneMatchError(msg)
    if len(shared) < WARN_GENES:
        msg = f"Reference and query share only {len(shared)} genes: labels and the search for unknown cells are less certain."
        warnings.warn(msg, SgtWarning, stacklevel=4)
    parts = [_over(*side, shared, model) for side in sides.values()]
    of_query = None
    if use_rep is not None:
        parts = [replace(c, embedding=_vectors(a, use_rep)) for c, a in zip(parts, references.values(), strict=True)]
        of_query = _vectors(query, use_rep)
        _same_width(parts, of_query, use_rep)

    def blocks() -> Iterator[Cells]:
        for start, cells in _blocks(opened, found, shared, model, BLOCK):
            yield cells if of_query is None else replace(cells, embedding=of_query[start : start + len(cells)])

    asked = Query(opened.n_obs, blocks)
    return joined(parts), asked, use_rep or f"{model.card.name} on {len(shared):,} shared genes"


def _over(expression: Expression, found: "GeneMatch", shared: np.ndarray, model: FoundationModel) -> Cells:
    """Return cells over some genes of the model's vocabulary, normalised and embedded over these alone."""
    return joined([cells for _, cells in _blocks(expression, found, shared, model, CHUNK)])


def _blocks(
    expression: Expression, found: "GeneMatch", shared: np.ndarray, model: FoundationModel, size: int
) -> Iterator[tuple[int, Cells]]:
    """Yield (first cell, at most ``size`` cells) over some genes of the vocabulary, normalised and embedded over these alone."""
    to_shared = sp.csr_array(found.projection()[:, shared])
    names = model.vocabulary[shared].astype(object)
    for start, rows in expression.rows(size):
        if expression.kind.kind == "log1p":  # undo the logarithm: sums over other genes need new totals
            rows = sp.csr_array((np.expm1(np.minimum(rows.data, 25)), rows.indices, rows.indptr), shape=rows.shape)
        counts = sp.csr_array(rows @ to_shared)
        x = log_normalize(counts)
        log = model.card.input == "log1p"
        part = ad.AnnData(sp.csr_matrix(x if log else counts), var=pd.DataFrame(index=names))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SgtWarning)  # cells without counts are reported by the caller
            noted(part, "log1p" if log else "counts")
            vectors = model.embed_cells(part, layer="X", organism=model.card.organism)
        totals = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel() if expression.kind.kind == "counts" else None
        yield start, Cells(x, vectors, names, totals)


def _vectors(adata: ad.AnnData, use_rep: str) -> np.ndarray:
    return read_vectors(adata, use_rep, "obsm", todo="Leave it out to embed with the best bundled model.")


def _same_width(parts: list[Cells], query: np.ndarray, use_rep: str) -> None:
    widths = sorted({part.embedding.shape[1] for part in parts})
    if widths != [query.shape[1]]:
        msg = (
            f"obsm[{printable(use_rep)!r}] has {query.shape[1]} columns in the query and {', '.join(map(str, widths))} in the "
            "reference; both have to be of one model. Embed both the same way, or leave use_rep out."
        )
        raise InputValueError(msg)
