"""Do the transcription factors that have many edges receive much attention?"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError
from scgnn_tools.data import open_expression
from scgnn_tools.fm.scnetformer.model import ScNetFormer
from scgnn_tools.genes import gene_names, human_symbols, transcription_factors

if TYPE_CHECKING:
    from anndata import AnnData


def tf_importance(model: ScNetFormer, adata: "AnnData", *, gene_key: str | None = None, **names: Any) -> pd.DataFrame:
    """Return the attention that transcription factors receive beside their degree in the graph.

    Parameters
    ----------
    model
        A scNetFormer.
    adata
        The cells.
    gene_key, names
        ``gene_key``, ``layer``, ``organism`` as in :func:`scgnn_tools.tl.embed`.

    Returns
    -------
    pandas.DataFrame
        A row a factor that some cell expresses: ``attention`` (mean over heads, queries and the cells that express it, in the last block),
        ``degree`` in the graph, ``n_cells`` that express it. In ``attrs``:
        ``spearman`` and ``p_value`` of attention and degree, and ``spearman_cells`` of attention and ``n_cells``, which it may come from;
        ``mean_factors`` and ``mean_others``, the mean attention of factors and of all other genes (Fig. 4.4 of the thesis), ``above``, how
        often a factor receives more than another gene, and ``p_value_others`` (Mann–Whitney); ``above_cells``, the same of ``n_cells``.
    """
    from scipy.stats import mannwhitneyu, spearmanr

    received = model.attention_received(adata, gene_key=gene_key, **names)
    symbols = human_symbols(gene_names(adata.var, gene_key=gene_key))
    found = model.match_names(gene_names(adata.var, gene_key=gene_key), names.get("organism"))
    degree = np.diff(model.graph.union.indptr)
    is_tf = np.isin(symbols, transcription_factors()) & found.matched & received.notna().to_numpy()
    if is_tf.sum() < 3:
        msg = f"{int(is_tf.sum())} transcription factors are known to the model and expressed; at least 3 are wanted."
        raise InputValueError(msg)
    expression = open_expression(adata, layer=names.get("layer"))
    seen = np.zeros(len(expression.var), dtype=np.int64)
    for _, rows in expression.rows():
        seen += np.bincount(rows.indices[rows.data != 0], minlength=len(seen))
    n_cells = pd.Series(seen, index=expression.var.index).reindex(adata.var_names).to_numpy()
    attention, others = received.to_numpy(), found.matched & received.notna().to_numpy() & ~is_tf
    out = pd.DataFrame(
        {"attention": attention[is_tf], "degree": degree[found.index[is_tf]], "n_cells": n_cells[is_tf]},
        index=pd.Index(symbols[is_tf], name="tf"),
    )
    test = spearmanr(out["attention"], out["degree"])
    out.attrs = {"spearman": float(test.statistic), "p_value": float(test.pvalue)}
    out.attrs["spearman_cells"] = float(spearmanr(out["attention"], out["n_cells"]).statistic)
    if others.any():
        more, of_cells = (mannwhitneyu(v[is_tf], v[others]) for v in (attention, n_cells))
        pairs = is_tf.sum() * others.sum()
        out.attrs |= {"mean_factors": float(attention[is_tf].mean()), "mean_others": float(attention[others].mean())}
        out.attrs |= {"above": float(more.statistic / pairs), "p_value_others": float(more.pvalue)}
        out.attrs["above_cells"] = float(of_cells.statistic / pairs)
    return out.sort_values("attention", ascending=False)
