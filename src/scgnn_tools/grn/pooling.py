"""Gene vectors of a foundation model over the cells of a data set, as scTransNet pools them."""

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from scgnn_tools._errors import InputValueError
from scgnn_tools.fm import FoundationModel, NetworkModel
from scgnn_tools.fm.readouts import mean_gene_vectors

if TYPE_CHECKING:
    from anndata import AnnData

Pooling = Literal["attention", "attention_softmax", "mean"]
POOLINGS = ("attention", "attention_softmax", "mean")


def attentive_pooling(
    model: FoundationModel,
    adata: "AnnData",
    *,
    pooling: Pooling = "attention",
    blocks: Literal["all", "last"] = "all",
    **names: Any,
) -> pd.DataFrame:
    r"""Return a vector for each gene, :math:`Z_t = \sum_n a^n_t H^n_t`, streamed over cells.

    :math:`H^n_t` is the last hidden state of gene ``t`` in cell ``n``, and :math:`a^n_t` the attention that it receives there: the column
    sums of the attention, mean over heads and blocks, so that they sum to 1 in each cell, and then brought to sum to 1 over the cells.
    For a Performer they come from the random features, in linear time. A network that has every gene as a token (scBERT) gives a
    vector for each, expressed or not.

    Parameters
    ----------
    model
        A network; those without gene vectors in context have no attention.
    adata
        The cells.
    pooling
        "attention"; "attention_softmax", with a softmax over the cells instead of a division by the sum, which makes nearly equal weights;
        "mean", the ablation.
    blocks
        Whose attention: of "all" blocks, or of the "last" one.
    names
        ``layer``, ``gene_key``, ``organism`` as in :func:`scgnn_tools.tl.embed`.

    Returns
    -------
    DataFrame
        float32, indexed by ``var_names``; NaN for a gene that no cell has.
    """
    if pooling not in POOLINGS:
        msg = f"pooling is one of {', '.join(POOLINGS)}; got {pooling!r}."
        raise InputValueError(msg)
    if not isinstance(model, NetworkModel):
        msg = f"{model.card.name} has no vectors of genes in context. Pass a network, or its gene table as embedding=."
        raise InputValueError(msg)
    weights = None if pooling == "mean" else pooling
    vectors = mean_gene_vectors(model, adata, groupby=None, weights=weights, blocks=blocks, everywhere=True, **names)
    return pd.DataFrame(vectors, index=adata.var_names)
