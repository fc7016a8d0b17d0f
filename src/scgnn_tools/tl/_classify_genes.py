"""``tl.classify_genes``: do genes' vectors, or their states in cells, tell classes of genes apart, and better than simple ones?"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer, sequence
from scgnn_tools._choices import number as number_of
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, LabelError
from scgnn_tools._log import printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG, seed
from scgnn_tools._threads import by_size
from scgnn_tools.genes import canonical_symbols, gene_names
from scgnn_tools.tl._gene_vectors import cell_baselines, cell_tables, gene_vectors, model_vectors, random_vectors

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools.fm import FoundationModel

Fold = Callable[[np.ndarray, np.ndarray], np.ndarray]

CLASSIFIERS = ("logistic regression", "SVM")
"""On the same vectors beside the forest: is it the vectors, or what reads them?"""

GRID = np.linspace(0, 1, 101)
"""False positives at which curves are kept."""

CURVES = "curves"
"""Entry of ``attrs`` of the table: ``fpr``, and ``tpr`` of each row, for :func:`scgnn_tools.pl.gene_classes`."""

LEAST = 10
"""Genes that the smaller class of a task needs."""


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
        Class name -> genes, or a Series of classes by gene; symbols or Ensembl ids. Genes in two classes are left out of both.
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
    choice("baselines", baselines, (True, False, "paper"))
    if baselines == "paper" and adata is None:
        msg = 'baselines="paper" are of counts and ranks in cells: pass an object.'
        raise InputValueError(msg)
    integer("n_folds", n_folds, least=2)
    integer("n_trees", n_trees)
    integer("n_cells", n_cells)
    integer("max_epochs", max_epochs)
    choice("adapt", adapt, ("lora", "full", "head"))
    number_of("lr", lr, above=0, or_none=True)
    labels = _labels(classes)
    if isinstance(model, str):
        from scgnn_tools import fm

        model = fm.load(model)
    number, tuned = seed(rng), None
    peers: dict[str, np.ndarray] = {}
    keys = [use_rep] if use_rep is None or isinstance(use_rep, str) else sequence("use_rep", use_rep)
    if not keys:
        msg = "use_rep is a key of varm, or several; the list is empty. Leave it out to take the last embedding."
        raise InputValueError(msg)
    if method == "finetune":
        tuned = _Contexts(adata, model, n_cells, layer, gene_key, number)
        key, vectors, names = tuned.vectors()
    else:
        key, vectors, names = _vectors(adata, model, keys[0], gene_key)
        others = [_vectors(adata, model, k, gene_key) for k in keys[1:]]
        peers |= {name: table for name, table, _ in others}
    label, at, n_lost = _with_vectors(labels, np.hstack([vectors, *peers.values()]), names)
    if n_folds > (smallest := int(label.value_counts().min())):
        msg = f"n_folds={n_folds} is more than the smallest class has genes with a vector, {smallest}; each fold tests one of each class."
        raise InputValueError(msg)
    # numbers, since scikit-learn reads classes that are called "0" and "1" as such
    y = np.unique(label.to_numpy(), return_inverse=True)[1]
    tables = {key: [vectors[at]], **{k: [x[at]] for k, x in peers.items()}}
    if baselines:
        tables["random"] = random_vectors(len(at), vectors.shape[1], number)
    if baselines and adata is not None:
        tables |= {name: [table[at]] for name, table in cell_baselines(adata, layer=layer).items()}
    folds: dict[str, list[Folds]] = {}
    if tuned is not None:
        how: dict[str, Any] = {"adapt": adapt, "max_epochs": max_epochs, "lr": lr}
        folds[f"{key}, tuned"] = [_auc(y, n_folds, number, partial(tuned.probabilities, at, y, **how))]
    for name, draws in tables.items():
        folds[name] = [_auc(y, n_folds, number, partial(_forest, x, y, n_trees, number)) for x in draws]
    for name in CLASSIFIERS if baselines else ():
        folds[f"{key}, {name}"] = [_auc(y, n_folds, number, partial(_linear, name, vectors[at], y, number))]
    if baselines == "paper" and adata is not None:
        for of, table in cell_tables(adata, layer=layer, n_cells=n_cells, rng=number).items():
            readers = {"forest": partial(_forest, table[at], y, n_trees, number)}
            readers |= {name: partial(_linear, name, table[at], y, number) for name in CLASSIFIERS}
            folds |= {f"{of}, {name}": [_auc(y, n_folds, number, fold)] for name, fold in readers.items()}
    out = _table(folds).assign(n_genes=len(at), n_lost=n_lost)
    same = [f"{key}, {name}" for name in CLASSIFIERS]  # of the same vectors: no baseline
    key = out.index[0]
    others = out["auc"].drop([key, *same], errors="ignore")
    best = others.idxmax() if len(others) else None
    more = f"; best baseline: {best} {out.loc[best, 'auc']:.3f}" if best else ""
    say(
        f"classify_genes: {key} {out.loc[key, 'auc']:.3f} AUC over {n_folds} folds, {len(at)} genes, {n_lost} lost{more}"
    )
    return out


def _vectors(
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


def _with_vectors(label: pd.Series, vectors: np.ndarray, names: np.ndarray) -> tuple[pd.Series, np.ndarray, int]:
    """Return the classes of the genes that have a vector, its row, and how many genes have none."""
    usable = np.isfinite(vectors).all(axis=1) & ~pd.Index(names).duplicated() & (names != "")
    row = pd.Series(np.flatnonzero(usable), index=names[usable]).reindex(label.index)
    n_lost = int(row.isna().sum())
    label, at = label[row.notna()], row.dropna().to_numpy(dtype=np.int64)
    sizes = label.value_counts()
    if len(sizes) < 2 or sizes.min() < LEAST:
        seen = ", ".join(f"{printable(k)}: {v}" for k, v in sizes.items()) or "none"
        msg = f"At least 2 classes of at least {LEAST} genes that have a vector are wanted; there are {seen} ({n_lost} genes without one)."
        raise LabelError(msg)
    return label, at, n_lost


class Folds(NamedTuple):
    """Area under the ROC curve of each fold, and the mean curve over the folds at :data:`GRID`."""

    auc: np.ndarray
    curve: np.ndarray


def _table(folds: dict[str, list[Folds]]) -> pd.DataFrame:
    """Return a row a kind of vectors from its folds, one a draw; the first row is compared with all."""
    first, rows = np.mean([d.auc for d in next(iter(folds.values()))], axis=0), []
    for name, scored in folds.items():
        draws = [d.auc for d in scored]
        auc = np.mean(draws, axis=0)
        paired = first - auc
        line = {"vectors": name, "auc": auc.mean(), "sd": auc.std(ddof=1)}
        line["spread"] = np.std([d.mean() for d in draws], ddof=1) if len(draws) > 1 else np.nan
        line |= {"difference": paired.mean(), "standard_error": paired.std(ddof=1) / np.sqrt(len(auc))}
        rows.append(line)
    out = pd.DataFrame(rows).set_index("vectors")
    curves = {name: np.mean([d.curve for d in scored], axis=0).tolist() for name, scored in folds.items()}
    out.attrs[CURVES] = {"fpr": GRID.tolist(), "tpr": curves}
    return out


def _labels(classes: "Mapping[str, Sequence[str]] | pd.Series") -> pd.Series:
    """Return the class of each gene by its symbol, sorted by it, without the genes of several classes."""
    if isinstance(classes, pd.Series) and not isinstance(classes.index, pd.MultiIndex):
        table = classes.dropna().astype(str)
    elif isinstance(classes, Mapping) and classes:
        lists = {str(name): sequence(f"classes[{printable(repr(name))}]", genes) for name, genes in classes.items()}
        table = pd.concat([pd.Series(name, index=pd.Index(genes, dtype=object)) for name, genes in lists.items()])
    else:
        seen = "an empty one" if isinstance(classes, Mapping) else type(classes).__name__
        seen += " with an index of several levels" if isinstance(classes, pd.Series) else ""
        msg = f"classes is a mapping of names to genes, or a Series of names by gene; got {seen}."
        raise InputValueError(msg)
    table.index = pd.Index(canonical_symbols(table.index.to_numpy().astype(str), organism="human"))
    table = table[table.index != ""]
    table = table[~pd.DataFrame({"gene": table.index, "class": table.to_numpy()}).duplicated().to_numpy()]
    return table[~table.index.duplicated(keep=False)].sort_index()  # the order of genes and classes decides no fold


def _auc(y: np.ndarray, n_folds: int, seed: int, fold: "Fold") -> Folds:
    """Return the area under the ROC curve of each fold; ``fold`` gives the classes' probabilities of its test genes."""
    from sklearn.metrics import roc_auc_score, roc_curve
    from sklearn.model_selection import StratifiedKFold

    out, curves, names = [], [], np.unique(y)
    for train, test in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(y, y):
        proba = fold(train, test)
        binary = proba.shape[1] == 2
        out.append(roc_auc_score(y[test], proba[:, 1] if binary else proba, multi_class="ovr", labels=names))
        for i in [1] if binary else range(len(names)):
            fpr, tpr, _ = roc_curve(y[test] == names[i], proba[:, i])
            curves.append(np.interp(GRID, fpr, tpr))
    return Folds(np.array(out), np.mean(curves, axis=0))


def _forest(x: np.ndarray, y: np.ndarray, n_trees: int, seed: int, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    forest: Any = RandomForestClassifier(n_trees, random_state=seed, n_jobs=-1, class_weight="balanced")
    return forest.fit(x[train], y[train]).predict_proba(x[test])


def _linear(name: str, x: np.ndarray, y: np.ndarray, seed: int, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the probabilities of classes by logistic regression, or of a support vector machine with a Gaussian kernel."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    kind: Any = (
        LogisticRegression(max_iter=2000, class_weight="balanced")
        if name == "logistic regression"
        else SVC(class_weight="balanced", random_state=seed)
    )
    fitted = make_pipeline(StandardScaler(), kind).fit(x[train], y[train])
    if name == "logistic regression":
        return fitted.predict_proba(x[test])
    margin = fitted.decision_function(x[test])
    if margin.ndim == 1:
        margin = np.stack([-margin, margin], axis=1)
    odds = np.exp(margin - margin.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)  # rows that sum to one: an area needs their order alone


class _Contexts:
    """Some cells as tokens of a network, and where the genes of the object are in its vocabulary."""

    def __init__(
        self,
        adata: "AnnData | None",
        model: "FoundationModel | None",
        n_cells: int,
        layer: str | None,
        gene_key: str | None,
        number: int,
    ) -> None:
        from scgnn_tools.fm import NetworkModel

        if not isinstance(model, NetworkModel):
            msg = f"method='finetune' wants model=, a network loaded with sgt.fm.load; got {model!r}."
            raise InputValueError(msg)
        if adata is None:
            msg = "method='finetune' sees genes in cells: pass an object; only method='forest' does without."
            raise InputValueError(msg)
        self.model, self.number = model.contextual(), number
        cells = np.sort(np.random.default_rng(number).permutation(adata.n_obs)[:n_cells])
        self.tokens = self.model.tokenize(adata[cells], layer=layer, gene_key=gene_key)
        self.names = gene_names(adata.var, gene_key=gene_key)
        self.index = self.model.match_names(self.names, None).index.astype(np.int64)

    def vectors(self) -> tuple[str, np.ndarray, np.ndarray]:
        """Return the name of the network, its gene table by gene of the object (NaN for one that no cell shows), and symbols."""
        position = self.model.gene_of_token(self.tokens)
        seen = np.zeros(len(self.model.vocabulary) + 1, dtype=bool)
        seen[position[position >= 0]] = True
        table = self.model.gene_table()
        out = np.full((len(self.index), table.shape[1]), np.nan, dtype=np.float32)
        there = (self.index >= 0) & seen[self.index]
        out[there] = table[self.index[there]]
        return self.model.card.name, out, np.asarray(canonical_symbols(self.names, organism=None)).astype(str)

    def probabilities(
        self, at: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, **how: Any
    ) -> np.ndarray:
        """Tune on the training genes of a fold; ``at`` are the genes of the object that have a class, ``y`` these classes."""
        from scgnn_tools.train.gene_classes import fold_probabilities

        gene, codes = self.index[at], np.full(len(self.model.vocabulary), -1, dtype=np.int64)
        codes[gene] = np.unique(y, return_inverse=True)[1]
        return fold_probabilities(self.model, self.tokens, codes, gene[train], gene[test], seed=self.number, **how)
