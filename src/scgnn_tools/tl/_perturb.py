"""``tl.perturb``: the change that a perturbation makes, predicted from those that others made, beside its baselines and the ceiling."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import PERTURB, PerturbationKeys
from scgnn_tools._log import say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_key, safe_names
from scgnn_tools._random import RNG, seed
from scgnn_tools.genes import gene_names
from scgnn_tools.perturbation import METHODS
from scgnn_tools.perturbation.cells import check_quantiles, quantiles_of
from scgnn_tools.perturbation.collect import collect
from scgnn_tools.perturbation.run import Evaluated, check, predict, unrelated
from scgnn_tools.perturbation.run import evaluate as hold_out
from scgnn_tools.perturbation.said import lines, warn_unknown
from scgnn_tools.perturbation.split import check_split, chosen_split

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools.data.conditions import Condition
    from scgnn_tools.fm import FoundationModel

WIDEST = 1_000
"""Genes of the table of predictions, at most: a file holds each column by itself."""


@door
def perturb(
    adata: "AnnData | MuData",
    perturbation_key: str,
    *,
    control: str = "auto",
    method: str = "kernel",
    query: "str | Sequence[Any] | None" = None,
    batch_key: str | None = None,
    cell_type_key: str | None = None,
    dose_key: str | None = None,
    split: str = "auto",
    layer: str | None = None,
    gene_key: str | None = None,
    model: "str | FoundationModel | None" = None,
    features: "str | Sequence[str] | pd.DataFrame" = "go",
    n_genes: int | None = None,
    evaluate: bool = True,
    n_halves: int | None = None,
    quantiles: Sequence[float] | None = None,
    max_epochs: int | None = None,
    mod: str = RNA,
    key_added: str = PERTURB,
    rng: RNG = 0,
    device: str = "auto",
    copy: bool = False,
    **options: Any,
) -> "AnnData | MuData | None":
    """Predict the mean change that unseen perturbations make, and say how well that works on held-out ones.

    Cells are halved: one half trains and predicts, the other is the truth, its control cells too, since shared control cells fake a
    correlation. ``ceiling`` is what the one half says of the other. Only a method that pools perturbations of one effect can pass it.

    Parameters
    ----------
    adata
        Cells × genes, counts or log-normalised: perturbed cells and control cells.
    perturbation_key
        Column of ``obs`` that says what was done to each cell: "A", "A+B", "A+ctrl", "non-targeting", or lists of genes.
    control
        Name of the control; "auto" looks for the usual ones.
    method
        A name of ``sgt.perturbation.METHODS``: "kernel", "no_change", "mean", "shrunken_mean", "matching_mean", "additive",
        "linear", and the networks "cgc", "scgpt" and, where cell-gears is installed,
        "gears".
    query
        Perturbations to predict that were never seen: names of genes, or "A+B"; None only evaluates.
    batch_key, cell_type_key
        Columns of ``obs``; a perturbed cell is compared with control cells of its batch and cell type.
    dose_key
        Column of ``obs`` with the dose of each perturbed cell, positive numbers in one unit. A condition is then "A@10", also in ``query``,
        which may ask for a dose that nobody gave. Doses are alike by the decades between them. Networks see the gene, not its dose.
    split
        How conditions are held out, as in :func:`scgnn_tools.splits.split_perturbations`; "auto" takes "simulation" where there are
        combinations, "leave_one_out" up to 30 genes, "unseen" above; where one gene was perturbed "unseen_dose", "unseen_cell_type" or
        "unseen_batch".
    layer, gene_key
        As in :func:`scgnn_tools.tl.embed`.
    model
        Whose gene vectors ``features="vectors"`` takes; a name or a loaded model. None takes the bundled one. A network as ``method`` tunes
        the loaded model that is given here, in a copy; without one, and without ``checkpoint=``, it begins with random weights.
    features
        What is known of the perturbed genes: "go" (Gene Ontology), "prior" (regulators and targets in TRRUST), "vectors" (of ``model``),
        a key of ``varm``, a list of these, "none", or a DataFrame with a row a gene or drug.
    n_genes
        So many genes, those that vary most in control cells, and the perturbed ones; None takes all.
    evaluate
        Whether to hold conditions out and score.
    n_halves
        Times that the cells are halved; None takes 6, and 1 for a network.
    quantiles
        Such as (0.25, 0.5, 0.75): between which values the cells of the ``query`` lie, predicted from up to 500 control cells.
        :class:`scgnn_tools.models.Perturb` gives the cells themselves.
    max_epochs
        Passes over the cells, for methods that are trained; None takes the method's own.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result.
    rng
        Seed of the halves, the folds and the method. Neither the order of cells nor names of batches decide anything; that of the
        genes moves the random weights that a network begins with, as another seed does.
    device
        Where to train: "auto", "cpu", "cuda", …
    copy
        Return a changed copy and leave ``adata`` as it is.
    options
        Of the method; a wrong one is an error that names those that it has.

    Returns
    -------
    None, or the changed copy. Sets the following fields, ``key`` being ``key_added``:

    ``adata.uns[key]``
        dict with these entries, all but the first and the last two with ``evaluate``:

        - ``predictions``: DataFrame conditions × genes, the predicted change of the mean log value. The conditions are those of the
          ``query``, or without one those that were held out. The genes are the 1,000 that change most, since files write a wide table
          slowly.
        - ``evaluation``: a row for the method, for each baseline, and for the ``ceiling``. Columns are the metrics of
          :func:`scgnn_tools.metrics.perturbation` as means over conditions, with 95 % intervals ``*_low`` and ``*_high``.
          ``*_relative`` is 0 for the better of ``mean`` and ``no_change``, and 1 for a perfect prediction.
        - ``evaluation_signal``: the same for the conditions that have a signal, where some differ.
        - ``evaluation_subgroups``: the same by GEARS' subgroups, where some differ.
        - ``per_condition``: the metrics of each condition.
        - ``paired``: the method less each baseline, over the same conditions.
        - ``signal``: of each condition the cells, the energy distance with its p-value, genes at FDR 5 %, and how well halves agree.
        - ``top``: the 20 most changed genes of each condition, and what each method said.
        - ``split``: the fold of each condition.
        - ``verdict``: the method against the best baseline, in words.
        - ``quantiles``: DataFrame with the columns ``condition`` and ``quantile``, then log values of the genes of ``predictions``. Only
          networks change each cell in its own way; other methods move all control cells alike, none below 0.
        - ``history``: of a method that is trained.
        - ``params``: how it was made.

    ``adata.varm[f"{key}_change"]``
        DataFrame (n_vars, n_query): the same of the ``query``, NaN for genes that were not used.

    Raises
    ------
    MissingKeyError, InputValueError, InputScaleError
        Before anything is written: no control, too few cells, a perturbation that is a batch, a condition that names a gene twice.

    Warns
    -----
    SgtWarning
        If cells or conditions are left out, or nothing is known of a perturbed gene.

    Examples
    --------
    ``obs["guide"]`` says what was done to each cell, "control" for nothing:

    >>> sgt.tl.perturb(adata, "guide", query="JUN", n_genes=200, n_halves=1)
    >>> adata.uns["sgt_perturb"]["predictions"].index.tolist()
    ['JUN']
    >>> verdict = adata.uns["sgt_perturb"]["verdict"]
    """
    inner = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = PerturbationKeys(check_key(key_added))
    check_own(inner, keys)
    rng = seed(rng)
    make = check(method, {**options, "device": device, "max_epochs": max_epochs}, model=model, features=features)
    check_split(split)
    if max_epochs is not None and METHODS[method].needs != "cells":
        msg = f"max_epochs= is for networks, which are trained on cells; method={method!r} is not. Leave it out."
        raise InputValueError(msg)
    if query is None and not evaluate:
        msg = "evaluate=False without query=: there is nothing to do. Pass query=, the perturbations to predict."
        raise InputValueError(msg)
    between = check_quantiles(quantiles)
    if between and query is None:
        msg = (
            "quantiles= are of predicted cells, and no query= asks for any. Pass query=, the perturbations to predict."
        )
        raise InputValueError(msg)
    n_halves = integer("n_halves", n_halves, or_none=True) or (1 if METHODS[method].needs == "cells" else 6)
    cells, wanted, known = collect(
        inner,
        perturbation_key,
        query,
        features=features,
        control=control,
        batch_key=batch_key,
        cell_type_key=cell_type_key,
        dose_key=dose_key,
        layer=layer,
        gene_key=gene_key,
        n_genes=n_genes,
        model=model,
    )
    params = cells.params | {"method": method, "perturbation_key": perturbation_key, "features": list(known.kernels)}
    params |= {"batch_key": batch_key or "", "cell_type_key": cell_type_key or "", "layer": layer or ""}
    params |= {"dose_key": dose_key or ""}
    record, found = {}, None
    if evaluate:
        kind = chosen_split(cells, split, rng)
        found = hold_out(cells, method, make, known, kind=kind, n_halves=n_halves, rng=rng)
        record = _of_evaluation(found)
        params |= {"split": kind, "n_halves": n_halves, "chosen": found.scores.notes[method]}
    fields: dict[str, Any] = {}
    if wanted:
        change, fitted = predict(cells, make, known, wanted, rng=rng)
        warn_unknown(cells, known, wanted, unrelated(method, fitted, wanted))
        table = pd.DataFrame(change.astype(np.float32), index=_names(wanted), columns=cells.genes)
        record["predictions"] = _narrow(table)
        if between:
            made = quantiles_of(cells, method, fitted, wanted, between, rng=rng)
            record["quantiles"] = _of_genes(made, record["predictions"].columns)
        params["chosen"] = dict(fitted.notes)
        if fitted.history is not None:
            record["history"] = fitted.history
        fields["varm"] = {keys.varm: _aligned(table, inner, gene_key)}
    record["params"] = params
    changed = write(adata, {**fields, "uns": {keys.uns: record}}, copy=copy, mod=mod, stale={"varm": [keys.varm]})
    for line in lines(method, found, wanted, keys):
        say(line)
    return changed


def _of_evaluation(found: Evaluated) -> dict[str, Any]:
    """Return the tables as a file holds them."""
    record = {
        "predictions": _narrow(found.predictions),
        "evaluation": found.evaluation,
        "per_condition": found.per_condition,
        "paired": found.paired,
        "signal": found.signal,
        "top": found.top,
        "split": found.split,
        "verdict": found.verdict,
    }
    if found.with_signal is not None:
        record["evaluation_signal"] = found.with_signal
    if found.subgroups is not None:
        record["evaluation_subgroups"] = found.subgroups
    return record


def _narrow(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that change most, in their order, under names that a file takes."""
    most = np.sort(np.argsort(-np.abs(table.to_numpy()).max(axis=0), kind="stable")[:WIDEST])
    return table.iloc[:, most].set_axis(safe_names(table.columns[most]), axis=1)


def _of_genes(made: pd.DataFrame, columns: pd.Index) -> pd.DataFrame:
    """Return a table of quantiles over some of its genes, named as in a file; one called as a column before them says so."""
    about, values = made.iloc[:, :2], made.iloc[:, 2:].set_axis(safe_names(made.columns[2:]), axis=1)[columns]
    return pd.concat([about, values.rename(columns={c: f"{c} (gene)" for c in about})], axis=1)


def _names(conditions: "list[Condition]") -> list[str]:
    return ["+".join(c) for c in conditions]


def _aligned(table: pd.DataFrame, adata: "AnnData", gene_key: str | None) -> pd.DataFrame:
    """Return the changes as rows of ``var``."""
    by_name = table.T.set_axis(safe_names(table.index), axis=1)
    out = by_name.reindex(gene_names(adata.var, gene_key=gene_key))
    return cast("pd.DataFrame", out.set_axis(adata.var_names, axis=0))
