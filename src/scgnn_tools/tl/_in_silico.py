"""``tl.in_silico``: genes taken out of the input of a model, or turned up, and how far its cells move."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._choices import choice, integer, listed
from scgnn_tools._doors import door
from scgnn_tools._errors import InputTypeError, InputValueError, warn
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import IN_SILICO, PerturbationKeys
from scgnn_tools._log import counted, printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_key
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.perturbation.silico import shifts_of
from scgnn_tools.perturbation.silico.inputs import ALL, GOAL, chosen_cells, chosen_genes, like_genes, read
from scgnn_tools.perturbation.silico.run import TOGETHER, Edits, in_components, of_genes, summary
from scgnn_tools.perturbation.silico.shifts import KINDS
from scgnn_tools.perturbation.silico.statistics import NEAREST

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools.fm import FoundationModel

MOST_BY_GENE = 100
"""Perturbed genes of which the states of all other genes are compared."""


@door
def in_silico(
    adata: "AnnData | MuData",
    genes: "str | Sequence[str]" = ALL,
    *,
    kind: str = "delete",
    together: bool = False,
    model: "str | FoundationModel | None" = None,
    groupby: str | None = None,
    start: str | None = None,
    goal: str | None = None,
    alternatives: Sequence[str] = (),
    level: str = "cell",
    max_cells: int = 500,
    n_like: int | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    mod: str = RNA,
    key_added: str = IN_SILICO,
    rng: RNG = 0,
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Measure how far cells move in a model when genes are deleted from its input or turned up; this is not what a knock-out does to cells.

    Much of what moves a cell is how much of the gene there was. Three comparisons therefore stand beside each shift:
    the shifts of genes of like expression, the same deletion in principal components, and what is left after a
    regression on the gene's rank.

    Parameters
    ----------
    adata
        Cells × genes, counts or log-normalised.
    genes
        Names, or "all": each gene that is detected, in turn.
    kind
        "delete": the gene's token goes, ranks close up; cells without it are left out. "overexpress": Geneformer's token moves to the
        front, and is put there in cells that lack it if genes are named; scGPT and Cell-Graph Compass get the top bin; a linear model
        the largest value of the cell.
    together
        All genes at once.
    model
        A name or a loaded model: linear (in closed form), Geneformer, scGPT or Cell-Graph Compass. None takes the bundled one.
    groupby
        Column of ``obs`` that holds the states.
    start, goal, alternatives
        States: cells of ``start`` (None: all but the goal's) are perturbed, and the shift is measured towards the mean of ``goal``,
        and of the others.
    level
        "cell", or "gene": the states of all other genes are compared, too (networks, up to 100 genes).
    max_cells
        Cells of each kind, at most; of more a random sample, which the order of the object does not decide.
    n_like
        Genes of like expression that are perturbed beside each named gene, so that its shift can be compared; they get no row. None:
        20 with a linear model, 0 with a network, where each costs as much as a named gene.
    layer, gene_key
        As in :func:`scgnn_tools.tl.embed`.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result.
    rng
        Seed of the cells and of the genes that a gene is tested against.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following field:

    ``adata.uns[key_added]``
        dict with these entries:

        - ``genes``: a row for each gene, most moved first; genes of fewer than three cells are last. ``cosine`` is that of cells before
          and after, as published: for Geneformer the mean over the genes that stay, in the second-to-last layer, else of the cell's
          vector. ``shift`` is 1 − cosine. With a goal it is ``shift_goal``, the cosine with the goal's mean after, less before, and
          ``shift_<state>`` for the others. Its ``sd`` is over ``n_cells``. ``p`` is of a rank-sum test against other genes, ``fdr`` is
          Benjamini-Hochberg. Beside them stand ``like_genes``, ``pca``, ``residual``, and ``mean_rank``. A gene is compared with all
          that were perturbed in the same call, those of ``n_like`` too: without these ``p``, ``like_genes`` and ``residual`` of one gene
          are NaN.
        - ``affected``, for ``level="gene"``: the long table of other genes.
        - ``params``: how it was made, with ``n_like_genes``, the number of genes of like expression, and how much rank explains.

    Raises
    ------
    GeneMatchError
        If genes are not in the model's vocabulary; the message lists them.
    InputValueError, MissingKeyError
        Before anything is written.

    Warns
    -----
    SgtWarning
        If a gene that was named is expressed in none of the cells.

    Examples
    --------
    >>> sgt.tl.in_silico(adata, ["CD3D", "LYZ"])
    >>> sorted(adata.uns["sgt_in_silico"]["genes"].index)
    ['CD3D', 'LYZ']
    """
    from scgnn_tools import fm

    inner = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = PerturbationKeys(check_key(key_added))
    check_own(inner, keys, {"uns": [keys.uns]})
    choice("kind", kind, KINDS)
    choice("level", level, ("cell", "gene"))
    max_cells = integer("max_cells", max_cells, least=2)
    n_like = integer("n_like", n_like, least=0, or_none=True)
    if n_like and together:
        msg = "n_like= finds genes that are like one gene; genes that are perturbed together have none. Leave it out, or together=."
        raise InputValueError(msg)
    loaded = (
        fm.load(fm.best_bundled() if model is None else model) if model is None or isinstance(model, str) else model
    )
    if not isinstance(loaded, fm.FoundationModel):
        msg = f"model is the name of a model, a loaded model or None; got {type(loaded).__name__}. See sgt.fm.list()."
        raise InputTypeError(msg)
    by_gene = level == "gene"
    if n_like is None:
        n_like = 0 if together or loaded.card.kind != "linear" else NEAREST
    if by_gene and loaded.card.kind == "linear":
        msg = f"{loaded.card.name} has no states of genes in a cell, so level='gene' needs a network. Pass level='cell', or another model=."
        raise InputValueError(msg)
    chosen = chosen_cells(inner, groupby, start, goal, alternatives, max_cells, generator(seed(rng)), layer=layer)
    cells = read(inner, chosen.start, loaded, layer, gene_key)
    states = {s: read(inner, at, loaded, layer, gene_key) for s, at in chosen.states.items()}
    detected = np.asarray((cells.log != 0).sum(axis=0)).ravel() > 0
    at = chosen_genes(genes, loaded, detected)
    if by_gene and len(at) > MOST_BY_GENE:
        msg = f"level='gene' holds a row a pair of genes; {len(at):,} genes are too many. Name up to {MOST_BY_GENE}."
        raise InputValueError(msg)
    controls, named = like_genes(cells, at, n_like), not (isinstance(genes, str) and genes == ALL)
    asked = Edits(at, kind, together, insert=kind == "overexpress" and named, by_gene=by_gene, controls=controls)
    found = shifts_of(loaded, cells, states, asked)
    names = np.array([TOGETHER], dtype=object) if together else loaded.vocabulary[at].astype(object)
    table, about = summary(names, found, in_components(cells, states, asked), cells, asked, goal, rng=seed(rng))
    if named and len(silent := table.index[table["n_cells"] == 0]):
        msg = f"{listed(silent)}: expressed in none of the {len(chosen.start):,} cells that were looked at; such a row holds NaN."
        warn(msg)
    params: dict[str, Any] = {
        "kind": kind,
        "model": loaded.card.name,
        "together": together,
        "groupby": groupby or "",
        "start": start or "",
        "goal": goal or "",
        "alternatives": list(alternatives),
        "n_cells": len(chosen.start),
        "n_like_genes": len(controls),
        **about,
    }
    record: dict[str, Any] = {"genes": table, "params": params}
    if by_gene:
        record["affected"] = of_genes(found, names, loaded.vocabulary.astype(object))
    changed = write(adata, {"uns": {keys.uns: record}}, copy=copy, mod=mod)
    said = _said(table, params, goal)
    say(f"in_silico: {loaded.card.name}, {kind}, {len(chosen.start):,} cells, {said} -> uns['{keys.uns}']")
    return changed


def _said(table: "pd.DataFrame", about: dict[str, Any], goal: str | None) -> str:
    """Return what moved most, and what explains it; with few genes nothing can be compared."""
    if not len(table):
        return "no gene was perturbed"
    measure, moved = (
        ("shift", "most moved") if goal is None else (f"shift_{GOAL}", f"moved furthest towards {printable(goal)}")
    )
    first = f"{table.index[0]} ({table[measure].iloc[0]:.2g})"
    if not np.isfinite(about["explained_by_rank"]):
        few = (
            "too few genes for like_genes, p and residual to mean much: pass n_like=20, ask for more genes, or for all"
        )
        return f"{moved} by {first} of {len(table):,}; {few}" if len(table) > 1 else f"{first}; {few}"
    explained = f"rank explains {about['explained_by_rank']:.0%}, Spearman with PCA {about['spearman_pca']:.2f}"
    return f"{counted(len(table), 'gene')}; {moved} by {first}; genes like it: {table['like_genes'].iloc[0]:.2g}; {explained}"
