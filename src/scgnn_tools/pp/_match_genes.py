"""``pp.match_genes``: which genes of the data does a model know?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools import genes
from scgnn_tools._doors import door
from scgnn_tools._fields import check_writable, root, write
from scgnn_tools._keys import GENES, ROOT
from scgnn_tools._log import say
from scgnn_tools._modality import RNA, modality

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def match_genes(
    adata: "AnnData | MuData",
    model: "str | Sequence[str]" = "auto",
    *,
    gene_key: str | None = None,
    organism: str | None = None,
    mod: str = RNA,
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Report which genes of the data a model knows, how each was found, and what is lost.

    Parameters
    ----------
    adata
        Any AnnData; its matrix is read only for the share of the counts that is lost.
    model
        Name of a model, "auto" for the best bundled one, or the genes of a vocabulary themselves (human symbols).
    gene_key
        Column of ``var`` that holds the gene names; None takes ``var_names``.
    organism
        "human" or "mouse"; None finds it out from the names.
    mod
        Modality of a MuData; what is written is written there.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following field:

    ``adata.uns["sgt"]["genes"]``
        dict: ``model``, ``n_genes``, ``n_matched``, ``share_matched``, ``n_lost``, ``n_exact``, ``n_ensembl``, ``n_alias``,
        ``n_ortholog``, …, ``share_counts_lost``, ``organism``, ``looks_like``, and ``table``, a DataFrame with one row a
        gene: ``name``, ``matched``, ``how``.

    Raises
    ------
    GeneMatchError
        If fewer than 20 % of the genes are known. Under 70 % there is a warning.

    Examples
    --------
    >>> sgt.pp.match_genes(adata)
    >>> adata.uns["sgt"]["genes"]["table"].columns.tolist()
    ['name', 'matched', 'how']
    """
    whole, adata = adata, modality(adata, mod)
    check_writable(whole, copy=copy, mod=mod)
    written = root(adata)
    if isinstance(model, str):
        from scgnn_tools import fm

        name = fm.best_bundled() if model == "auto" else model
        vocabulary = fm.load(name).vocabulary
    else:
        name, vocabulary = "vocabulary", np.asarray(list(model))
    found = genes.match(genes.gene_names(adata.var, gene_key=gene_key), vocabulary, organism=organism)
    weights = _gene_sums(adata)
    found.check(name, weights=weights)
    report: dict[str, Any] = {"model": name, **found.summary(weights), "table": found.table()}
    changed = write(whole, {"uns": {ROOT: {**written, GENES: report}}}, copy=copy, mod=mod)
    say(f"match_genes: {report['n_matched']:,} of {report['n_genes']:,} genes are known to {name}")
    return changed


def _gene_sums(adata: "AnnData") -> np.ndarray | None:
    """Return the sum of each gene, or None if the matrix cannot be summed (scaled values, no cells)."""
    from scgnn_tools._errors import InputScaleError
    from scgnn_tools.data import open_expression

    try:
        expression = open_expression(adata, every_feature=True)
    except InputScaleError:
        return None
    return expression.gene_totals() if len(expression.var) == adata.n_vars else None
