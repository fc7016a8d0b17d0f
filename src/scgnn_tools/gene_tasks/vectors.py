"""The vectors of genes that are asked: those of an object, or of a whole model."""

from typing import TYPE_CHECKING, cast

import numpy as np

from scgnn_tools._choices import key, listed
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._fields import root
from scgnn_tools._keys import EmbeddingKeys
from scgnn_tools.data.vectors import read_vectors
from scgnn_tools.genes import canonical_symbols, gene_names

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.fm import FoundationModel


def vectors_of(
    adata: "AnnData | None", model: "FoundationModel | None", use_rep: str | None, gene_key: str | None
) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the name of the vectors, the vectors (n, d) and the symbol of each gene: of the object, or of a whole model."""
    if model is None and adata is None:
        msg = "Without an object every gene of a model is classified: pass model=, for example sgt.fm.load('cgc-mini')."
        raise InputValueError(msg)
    if model is None:
        return gene_vectors(cast("AnnData", adata), use_rep, gene_key)
    if use_rep is not None:
        msg = f"The vectors are those of model= or of use_rep={use_rep!r}, not of both. Leave one of them out."
        raise InputValueError(msg)
    return model_vectors(model, adata, gene_key)


def gene_vectors(
    adata: "AnnData", use_rep: str | None, gene_key: str | None, *, symbols: bool = True
) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the name of an embedding of genes, its vectors (n_vars, d) and the canonical symbol of each gene.

    Without ``symbols`` it is the name as it stands, which asks nothing of ``var``.
    """
    if use_rep is None:
        written = [k for k in root(adata) if EmbeddingKeys(k).varm in adata.varm]
        if not written:
            there = listed(adata.varm)
            msg = f"No vectors of genes were written into varm; there is: {there}. Run sgt.tl.embed(adata) first, or pass use_rep=."
            raise MissingKeyError(msg)
        use_rep = EmbeddingKeys(written[-1]).varm
    use_rep = key("use_rep", use_rep, adata.varm, "varm", todo="Run sgt.tl.embed(adata) first.")
    vectors = read_vectors(adata, use_rep, "varm")
    if not symbols:
        return use_rep, vectors, adata.var_names.to_numpy(dtype=str)
    names = gene_names(adata.var, gene_key=gene_key)
    return use_rep, vectors, np.asarray(canonical_symbols(names, organism=None)).astype(str)


def model_vectors(
    model: "FoundationModel", adata: "AnnData | None", gene_key: str | None
) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the name of a model, its vectors and the canonical symbol of each gene: those of an object, or all that it knows."""
    if adata is None:
        names, vectors = np.asarray(model.vocabulary).astype(str), model.gene_table()
    else:
        names = gene_names(adata.var, gene_key=gene_key)
        vectors = model.gene_vectors(model.match_names(names, None))
    return model.card.name, vectors, np.asarray(canonical_symbols(names, organism=None)).astype(str)
