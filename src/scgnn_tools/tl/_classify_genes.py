"""``tl.classify_genes``: do genes' vectors, or their states in cells, tell classes of genes apart, and better than simple ones?"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer, sequence
from scgnn_tools._choices import number as number_of
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG, seed
from scgnn_tools._threads import by_size
from scgnn_tools.gene_tasks.baselines import baseline_vectors, cell_tables
from scgnn_tools.gene_tasks.classes import class_by_symbol, with_vectors
from scgnn_tools.gene_tasks.contexts import contexts_of
from scgnn_tools.gene_tasks.readers import Reader, readers
from scgnn_tools.gene_tasks.scoring import best_baseline, compare
from scgnn_tools.gene_tasks.vectors import vectors_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools.fm import FoundationModel


@door
@by_size
def classify_genes(
    adata: "AnnData | MuData | None",
    classes: "Mapping[str, Sequence[str]] | pd.Series",
    *,
    method: Literal["forest", "finetune"] = "forest",
    model: "str | FoundationModel | None" = None,
    use_rep: "str | Sequence[str] | None" = None,
    n_folds: int = 5,
    n_trees: int = 500,
    n_cells: int = 500,
    max_epochs: int = 5,
    adapt: Literal["lora", "full", "head"] = "full",
    lr: float | None = None,
    baselines: 'bool | Literal["paper"]' = True,
    layer: str | None = None,
    gene_key: str | None = None,
    mod: str = RNA,
    rng: RNG = 0,
) -> pd.DataFrame:
    """Score how well gene vectors tell classes of genes apart, as in the gene tasks of Geneformer and Cell-Graph Compass.

    Nothing is written into the object: the table is the result, and :func:`scgnn_tools.pl.gene_classes` draws it.

    Parameters
    ----------
    adata
        Cells × genes; None takes every gene of ``model``, as published: no cells are needed to ask what its gene table holds, and
        those at hand measure only some of its genes. Baselines from cells are then left out.
    classes
        Class name -> genes, or a Series of classes by gene; symbols or Ensembl ids. Genes in two classes are left out of both, genes
        without one (NaN, None, a blank name) of all.
    method
        "forest", a random forest on one vector a gene; "finetune", a head on the hidden states of the genes in the cells, tuned together
        with the network. Folds are over genes in both: a gene that is scored was in no cell's loss.
    model
        A foundation model, or its name, whose gene table gives the vectors; with "finetune" the network to tune, which is left as it is.
    use_rep
        Key of ``varm``, written by :func:`scgnn_tools.tl.embed`, or several, which are scored beside the first on the genes that all of
        them know: Gene2vec or BioBERT, if you put their vectors there. None takes the last embedding, where there is no ``model``.
    n_folds
        Folds of the cross-validation, stratified.
    n_trees
        Of the forest.
    n_cells, max_epochs, adapt, lr
        Of "finetune": cells, drawn at random, in which the genes are seen (``baselines="paper"`` takes as many); most epochs; "full" tunes
        every weight, "lora" adapters, "head" the head alone; learning rate (None: 1e-4 for "full", else 1e-3).
    baselines
        Score random vectors (the mean of ten draws: one is no baseline), the singular vectors of the expression matrix and the mean
        expression on the same genes and folds, and a logistic regression and a support vector machine on the same vectors. "paper" adds
        the baselines of Geneformer and scNetFormer: forest, logistic regression and support vector machine on the counts of the genes in
        ``n_cells`` cells, and on their ranks in each cell.
    layer, gene_key
        As in :func:`scgnn_tools.tl.embed`.
    mod
        Modality of a MuData.
    rng
        Seed of folds, forest and random vectors.

    Returns
    -------
    pandas.DataFrame
        A row a kind of vectors, with "finetune" the tuned network first: ``auc`` (mean area under the ROC curve over the folds; one class
        against the rest, averaged, where there are more than two), ``sd`` over the folds, ``spread`` (standard deviation of ``auc`` over
        the draws of random vectors, NaN for all others), ``difference`` of the first row to this one with ``standard_error``, paired over
        the folds, ``n_genes`` and ``n_lost`` (genes of the classes that have no vector). ``attrs["curves"]`` holds the mean ROC curve of
        each row, which :func:`scgnn_tools.pl.gene_classes` draws.

    Raises
    ------
    MissingKeyError
        If there is no such embedding.
    LabelError
        If a class has fewer than 10 genes with a vector (and, for "finetune", in the cells), or there is one class only.
    InputValueError
        If ``method="finetune"`` is asked for without cells or a network, there are neither cells nor a model, or both ``model`` and
        ``use_rep`` are given.

    Notes
    -----
    Source: Theodoris et al., Nature 2023 (tasks); Fang et al., bioRxiv 2024.06.04.597354 (random forest on static vectors, 5 folds).

    Examples
    --------
    >>> classes = {
    ...     "ribosomal": [g for g in adata.var_names if g.startswith("RPL")],
    ...     "mitochondrial": [g for g in adata.var_names if g.startswith(("NDUF", "ATP5", "COX"))],
    ... }
    >>> table = sgt.tl.classify_genes(adata, classes, n_trees=100, baselines=False)
    >>> table.columns[:2].tolist()
    ['auc', 'sd']
    """
    adata = None if adata is None else modality(adata, mod)
    choice("method", method, ("forest", "finetune"))
    baselines = choice("baselines", baselines, (True, False, "paper"))
    if baselines == "paper" and adata is None:
        msg = 'baselines="paper" are of counts and ranks in cells: pass an object.'
        raise InputValueError(msg)
    integer("n_folds", n_folds, least=2)
    integer("n_trees", n_trees)
    integer("n_cells", n_cells)
    integer("max_epochs", max_epochs)
    choice("adapt", adapt, ("lora", "full", "head"))
    number_of("lr", lr, above=0, or_none=True)
    of_tuning = {
        "n_cells": n_cells != 500,
        "adapt": adapt != "full",
        "lr": lr is not None,
        "max_epochs": max_epochs != 5,
    }
    unread = [n for n, changed in of_tuning.items() if changed and not (n == "n_cells" and baselines == "paper")]
    if method == "forest" and unread:
        msg = f"{', '.join(f'{n}=' for n in unread)} would not be read by method='forest'. Pass method='finetune', or leave them out."
        raise InputValueError(msg)
    labels = class_by_symbol(classes)
    if isinstance(model, str):
        from scgnn_tools import fm

        model = fm.load(model)
    number = seed(rng)
    keys = [use_rep] if use_rep is None or isinstance(use_rep, str) else sequence("use_rep", use_rep)
    if not keys:
        msg = "use_rep is a key of varm, or several; the list is empty. Leave it out to take the last embedding."
        raise InputValueError(msg)
    if repeated := [k for i, k in enumerate(keys) if k in keys[:i]]:
        msg = f"use_rep holds {printable(repr(repeated[0]))} twice. Pass each key of varm once."
        raise InputValueError(msg)
    contexts = None
    if method == "finetune":
        if use_rep is not None:
            msg = "method='finetune' tunes model=, and no vectors of use_rep=. Leave one of them out."
            raise InputValueError(msg)
        contexts = contexts_of(adata, model, n_cells=n_cells, layer=layer, gene_key=gene_key, rng=number)
        given, names = {contexts.model.card.name: contexts.vectors()}, contexts.symbols
    else:
        found = [vectors_of(adata, model, k, gene_key) for k in keys]
        given, names = {name: vectors for name, vectors, _ in found}, found[0][2]
    label, at, n_lost = with_vectors(labels, np.hstack(list(given.values())), names)
    if n_folds > (smallest := int(label.value_counts().min())):
        msg = f"n_folds={n_folds} is more than the smallest class has genes with a vector, {smallest}; each fold tests one of each class."
        raise InputValueError(msg)
    # numbers, since scikit-learn reads classes that are called "0" and "1" as such
    y = np.unique(label.to_numpy(), return_inverse=True)[1]
    key, first = next(iter(given.items()))
    simple, in_cells = {}, {}
    if baselines:
        simple = baseline_vectors(adata, at, first.shape[1], layer=layer, rng=number)
    if baselines == "paper" and adata is not None:
        in_cells = {name: x[at] for name, x in cell_tables(adata, layer=layer, n_cells=n_cells, rng=number).items()}
    rows: dict[str, list[Reader]] = {}
    if contexts is not None:
        tuned = partial(contexts.probabilities, at, y, adapt=adapt, max_epochs=max_epochs, lr=lr, seed=number)
        rows[f"{key}, tuned"] = [tuned]
    vectors = {name: x[at] for name, x in given.items()}
    rows |= readers(vectors, y, simple=simple, in_cells=in_cells, n_trees=n_trees, rng=number)
    out = compare(y, rows, n_folds=n_folds, rng=number).assign(n_genes=len(at), n_lost=n_lost)
    best = best_baseline(out, key)
    more = f"; best baseline: {best} {out.loc[best, 'auc']:.3f}" if best else ""
    key = out.index[0]
    say(
        f"classify_genes: {key} {out.loc[key, 'auc']:.3f} AUC over {n_folds} folds, {len(at)} genes, {n_lost} lost{more}"
    )
    return out
