"""``tl.gene_programs``: groups of genes whose vectors are alike, and how much each group of cells expresses them."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer, number
from scgnn_tools._columns import column_of, groups_column
from scgnn_tools._doors import door
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import ProgramKeys
from scgnn_tools._log import printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key
from scgnn_tools._random import RNG
from scgnn_tools.data import open_expression
from scgnn_tools.gene_tasks import find_programs
from scgnn_tools.gene_tasks.own_genes import OwnGenes, own_genes
from scgnn_tools.gene_tasks.program_scores import means_of_groups, score_programs, separation_of
from scgnn_tools.gene_tasks.vectors import gene_vectors
from scgnn_tools.genes import gene_names

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def gene_programs(
    adata: "AnnData | MuData",
    *,
    use_rep: str | None = None,
    groupby: str | None = None,
    genes: "list[str] | str | None" = None,
    n_neighbors: int = 15,
    resolution: float | Literal["auto"] = "auto",
    min_genes: int = 5,
    layer: str | None = None,
    gene_key: str | None = None,
    rng: RNG = 0,
    mod: str = RNA,
    key_added: str = "sgt_programs",
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Group genes into programs: similarity graph of their vectors, then Leiden.

    Parameters
    ----------
    adata
        Cells × genes, after :func:`scgnn_tools.tl.embed`.
    use_rep
        Key of ``varm`` with gene vectors; None takes the last embedding.
    groupby
        Column of ``obs``, for example the cell type: the mean expression of each program in each group.
    genes
        Names of genes, or a boolean column of ``var``, to work on; None takes "highly_variable" if that is there, else all genes with
        a vector that a cell expresses.
    n_neighbors
        Most similar genes, by cosine, that each gene is linked to.
    resolution
        Of Leiden; higher gives smaller programs. "auto" takes 40 as in the papers, for programs of a few genes, and halves it until
        there are two programs: a panel of a few hundred genes has none at 40.
    min_genes
        Smaller groups are no programs.
    layer
        As in :func:`scgnn_tools.tl.embed`.
    gene_key
        Column of ``var`` with the names of the genes, in ``genes`` and in what is written; None takes ``var_names``.
    rng
        Seed of Leiden.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields:

    ``adata.var[key_added]``
        Categorical: the program of each gene, "P1" the largest; missing for genes in none.
    ``adata.obsm[key_added]``
        DataFrame float32 (n_obs, n_programs): mean of the genes' log-normalised expression, each scaled to the highest that a cell has.
    ``adata.uns[key_added]``
        dict: ``scores`` (DataFrame groups × programs, means of ``obsm``; with ``groupby`` only), ``separation`` and ``params``. The rows
        of ``separation`` are the programs: ``n_genes``; ``top_genes``, the most expressed ones; ``cohesion``, the mean cosine within
        minus the mean to other genes; with ``groupby`` ``eta2``, the share of the score's variance that lies between groups, beside
        ``eta2_random``, that of random genes of like expression.

    Raises
    ------
    MissingKeyError, InputValueError
        Before anything is written.

    Notes
    -----
    Source: Cui et al., Nature Methods 2024 (scGPT); Fang et al., bioRxiv 2024.06.04.597354.

    Examples
    --------
    >>> sgt.tl.gene_programs(adata, groupby="cell_type")
    >>> adata.var["sgt_programs"].cat.categories[:2].tolist()
    ['P1', 'P2']
    >>> adata.uns["sgt_programs"]["scores"].index.tolist()[:2]
    ['B cell', 'CD14+ monocyte']
    """
    whole, adata = adata, modality(adata, mod)
    check_writable(whole, copy=copy, mod=mod)
    keys = ProgramKeys(check_key(key_added))
    check_own(adata, keys)
    grouped = None if groupby is None else groups_column(adata.obs, groupby, "groupby")
    if isinstance(genes, str):
        check_apart([keys.var], genes=genes)
    n_neighbors, min_genes = integer("n_neighbors", n_neighbors), integer("min_genes", min_genes)
    if resolution != "auto":
        resolution = number("resolution", resolution, above=0)
    called = adata.var_names if gene_key is None else pd.Index(gene_names(adata.var, gene_key=gene_key))
    rep, vectors, _ = gene_vectors(adata, use_rep, gene_key, symbols=False)
    expression = own_genes(open_expression(adata, layer=layer, every_feature=True), adata.var_names)
    chosen = _chosen(adata, called, vectors, genes, expression)
    by_name = np.argsort(adata.var_names.to_numpy(str), kind="stable")  # so that the order of the genes decides nothing
    chosen = by_name[np.isin(by_name, chosen)]
    program = np.full(adata.n_vars, -1)
    program[chosen], resolution = find_programs(
        vectors[chosen], n_neighbors=n_neighbors, resolution=resolution, min_genes=min_genes, rng=rng
    )
    if program.max() < 0:
        msg = f"No group of {min_genes} genes at resolution {resolution:g}. Pass a lower resolution or a smaller min_genes."
        raise InputValueError(msg)
    groups = None if grouped is None else grouped.astype("category").cat.remove_unused_categories()
    codes = None if groups is None else groups.cat.codes.to_numpy()
    scores = score_programs(expression, program, codes, by_name, rng)
    separation = separation_of(called, vectors, program, expression.peak_and_mean[1], scores)
    names = list(separation.index)
    table = pd.DataFrame(scores.cells, columns=names, index=adata.obs_names)
    result: dict[str, Any] = {} if groups is None else {"scores": means_of_groups(table, groups)}
    params = {"use_rep": rep, "groupby": groupby or "", "n_neighbors": n_neighbors, "resolution": float(resolution)}
    params |= {"min_genes": min_genes, "matrix": expression.name}
    params |= {"gene_key": gene_key} if gene_key is not None else {}
    result |= {"separation": separation, "params": params}
    fields = {
        "var": {keys.var: pd.Categorical.from_codes(program, names)},
        "obsm": {keys.obsm: table},
        "uns": {keys.uns: result},
    }
    changed = write(whole, fields, copy=copy, mod=mod)
    n, n_genes, more = len(names), int((program >= 0).sum()), ""
    if groupby is not None:
        more = f"; {(separation['eta2'] > separation['eta2_random']).mean():.0%} differ more between {groupby} than random genes do"
    say(f"gene_programs: {n} programs of {n_genes:,} genes ({rep}){more} -> var['{keys.var}'], uns['{keys.uns}']")
    return changed


def _chosen(
    adata: "AnnData", called: pd.Index, vectors: np.ndarray, genes: "list[str] | str | None", expression: OwnGenes
) -> np.ndarray:
    """Return the positions of the genes to work on, of those that have a vector; their names are ``called``."""
    known = np.isfinite(vectors).all(axis=1) & (np.abs(vectors).sum(axis=1) > 0)
    if genes is None:
        variable = "highly_variable" in adata.var
        wanted = _flags(adata, "highly_variable") if variable else expression.peak_and_mean[1] > 0
    elif isinstance(genes, str):
        wanted = _flags(adata, genes)
    else:
        missing = [g for g in genes if g not in called]
        if missing:
            where = "var_names" if called is adata.var_names else "the column gene_key= of var"
            msg = f"{len(missing)} of {len(genes)} genes are not in {where}, for example {printable(missing[0])!r}."
            raise MissingKeyError(msg)
        wanted = called.isin(genes)
    out = np.flatnonzero(known & wanted)
    if len(out) < 3:
        msg = f"{len(out)} of the chosen genes have a vector; at least 3 are wanted."
        raise InputValueError(msg)
    return out


def _flags(adata: "AnnData", key: str) -> np.ndarray:
    """Return a boolean column of ``var``, bool (n_vars,); a gene without a value is none of them."""
    flags = column_of(adata.var, key, "genes", "var")
    if not pd.api.types.is_bool_dtype(flags):
        msg = (
            f"genes={printable(key)!r} is no boolean column of var, but of {flags.dtype}. Pass one, or a list of names."
        )
        raise InputTypeError(msg)
    return flags.fillna(False).to_numpy(bool)
