"""``tl.knockout_bulk``: which genes a knock-out changes in bulk, and which way, beside counting baselines and a replicate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer, listed, number, sequence
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import KNOCKOUT, PerturbationKeys
from scgnn_tools._log import printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_key, safe_names
from scgnn_tools._random import RNG, seed
from scgnn_tools.genes import gene_names
from scgnn_tools.perturbation.bulk import CLASSES, Experiments
from scgnn_tools.perturbation.bulk.evaluation import calibration
from scgnn_tools.perturbation.bulk.inputs import Bulk, bulk
from scgnn_tools.perturbation.bulk.run import KnockoutResult, check, experiments, predict, unknown_to
from scgnn_tools.perturbation.bulk.run import evaluate as hold_out
from scgnn_tools.splits import split_experiments
from scgnn_tools.splits.experiments import KINDS

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools.fm import FoundationModel

FEATURES = ("expression", "go", "prior")


@door
def knockout_bulk(
    adata: "AnnData | MuData",
    *,
    target_key: str = "target",
    pair_key: str = "experiment",
    role_key: str = "role",
    control: str = "control",
    study_key: str = "study",
    method: str = "counting",
    classes: int = 3,
    fold: float = 2.0,
    pseudocount: float = 1.0,
    min_expression: float | None = None,
    split: str = "unseen_target",
    n_folds: int = 5,
    query: "str | Sequence[str] | None" = None,
    model: "FoundationModel | None" = None,
    features: Sequence[str] = FEATURES,
    layer: str | None = None,
    gene_key: str | None = None,
    evaluate: bool = True,
    max_epochs: int | None = None,
    mod: str = RNA,
    key_added: str = KNOCKOUT,
    rng: RNG = 0,
    device: str = "auto",
    copy: bool = False,
    **options: Any,
) -> "AnnData | MuData | None":
    """Predict for each gene whether a knock-out changes it, and which way, and say how well that works on held-out knock-outs.

    Most genes do not change, so accuracy says nothing. Read the AUPRC of change beside its base rate. Read also how
    many genes go the opposite way, and what a replicate says of the same experiment.

    Parameters
    ----------
    adata
        Bulk samples × genes (counts, TPM or FPKM; pseudobulk too), of which ``role_key`` says what is a control; or, without that column,
        log2 fold changes, a row an experiment, negative values and all (the format of KnockTF in decoupler); log1p controls may lie in
        ``layers["control"]``.
    target_key
        Column of ``obs`` with the gene that was knocked out; of controls nothing is asked. For fold changes
        "source" is taken where it is missing.
    pair_key
        Column that says which samples are one experiment; replicates are averaged on the linear scale.
    role_key, control
        Column of the roles, and what it calls a control.
    study_key
        Column of the studies, for the splits; may be missing.
    method
        A name of ``sgt.perturbation.bulk.METHODS``: "counting", "ridge", "nearest", "expression", "mean", "frequency", "unchanged",
        and the networks "cgc" and "scgpt" (``preset="paper"`` for a GPU; ``folder=`` keeps the state of their trainings).
    classes
        3 (down, unchanged, up) or 5 (from 2.5 times the fold on a change is strong).
    fold
        From which a gene is changed.
    pseudocount
        Added to both sides. Counts are scaled to a million first, or to the median total where that is less.
    min_expression
        Control and knock-out together, below which a gene does not count; None takes 20 counts, or 1 TPM.
    split
        "unseen_target", "unseen_study", "unseen_both" or "random" (optimistic), as in :func:`scgnn_tools.splits.split_experiments`.
    n_folds
        Number of folds.
    query
        Targets to predict that were never knocked out; None only evaluates.
    model
        A loaded Cell-Graph Compass or scGPT, which a network as ``method`` tunes in a copy; None begins with random weights, or those
        of ``checkpoint=``.
    features
        What methods may use: "expression" of the controls, "go" (which targets are alike), "prior" (TRRUST).
    layer
        Matrix to read; None takes ``X``.
    gene_key
        As in :func:`scgnn_tools.tl.embed`.
    evaluate
        Whether to hold experiments out and score.
    max_epochs
        Passes over the experiments, for networks; None takes the method's own.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result.
    rng
        Seed of the folds, the bootstrap and the method. The order of samples decides nothing; that of the genes moves the random
        weights that a network begins with, as another seed does.
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
        dict with these entries:

        - ``probabilities``: dict of ``values`` float32 (n_experiments, n_genes, n_classes), and its axes ``experiments``, ``genes``,
          ``classes``. They are of the ``query`` if there is one. NaN where an experiment was not held out.
        - ``changes``: the same without classes, natural logarithms.
        - ``evaluation``: a row for the method, for each baseline, and for the ``ceiling`` (a replicate), with 95 % intervals over
          targets.
        - ``paired``: AUPRC of the method less that of each baseline.
        - ``per_experiment``: the scores of each experiment.
        - ``confusion``: dict of ``absolute`` and ``by_row``.
        - ``calibration``: how often changes of each probability are true.
        - ``split``: the fold of each experiment.
        - ``verdict``: the method against the best baseline, in words.
        - ``params``: how it was made, with the share of test experiments whose target or study was in training.

    ``adata.varm[f"{key}_change"]``
        DataFrame (n_vars, n_query): expected changes of the ``query``.

    Raises
    ------
    MissingKeyError, InputValueError, LabelError
        Before anything is written: an experiment without a control, negative expression, genes of two organisms.

    Warns
    -----
    SgtWarning
        If the target does not fall in most of its knock-outs, control and knock-out were normalised in two ways, or a target of the
        ``query`` was knocked out in these experiments or is known to no source of ``features``.

    Examples
    --------
    >>> sgt.tl.knockout_bulk(bulk, query="FOS")
    >>> bulk.varm["sgt_knockout_change"].columns.tolist()
    ['FOS']
    >>> bulk.uns["sgt_knockout"]["evaluation"].columns[:1].tolist()
    ['kind']
    """
    inner = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = PerturbationKeys(check_key(key_added))
    check_own(inner, keys)
    make = check(method, {**options, "device": device, "max_epochs": max_epochs}, model=model)
    choice("classes", classes, tuple(CLASSES))
    fold, n_folds = number("fold", fold, above=1), integer("n_folds", n_folds, least=2)
    choice("split", split, KINDS)
    used = _checked_features(features)
    found = bulk(
        inner,
        target_key=target_key,
        pair_key=pair_key,
        role_key=role_key,
        control=control,
        study_key=study_key,
        pseudocount=pseudocount,
        min_expression=min_expression,
        layer=layer,
        gene_key=gene_key,
    )
    wanted = _asked(query)
    if seen := sorted(set(wanted) & set(found.target)):
        msg = (
            f"{listed(seen)}: knocked out in these experiments; look at what was measured; this prediction has seen it."
        )
        warn(msg)
    of = experiments(found, used, wanted, fold=fold, n_classes=classes)
    if lacking := unknown_to(of, wanted, found.organism):
        by = " and ".join({"go": "Gene Ontology", "prior": "the prior network"}[f] for f in used if f != "expression")
        msg = f"{listed(lacking)}: not known to {by or 'any source'}; the prediction is what all of these experiments have in common."
        warn(msg)
    params = found.params | {"method": method, "classes": classes, "fold": fold, "features": used, "layer": layer or ""}
    params |= {"n_experiments": len(of), "share_changed": float(1 - of.base_rates()[of.middle])}
    record: dict[str, Any] = {}
    result = None
    if evaluate:
        parts = split_experiments(of.target, of.study, split, n_folds=n_folds, rng=seed(rng))  # type: ignore[arg-type]
        result = hold_out(of, parts, method, make, found.halves, rng=seed(rng))
        record = _tables(result, of, found, parts, method)
        test = parts[parts["part"] == "test"]
        params |= {"split": split, "notes": result.found.notes}
        params |= {f"share_{x}_seen": float(test[f"{x}_seen"].mean()) for x in ("target", "study")}
    fields: dict[str, Any] = {}
    if wanted:
        p, change, fitted = predict(of, make, wanted, found.organism, rng=rng)
        record |= _arrays(p, change, np.array(wanted, dtype=object), found.genes, of)
        params["notes"] = dict(fitted.notes)
        table = pd.DataFrame(change.T.astype(np.float32), index=found.genes, columns=safe_names(wanted))
        aligned = table.reindex(gene_names(inner.var, gene_key=gene_key)).set_axis(inner.var_names, axis=0)
        fields["varm"] = {keys.varm: aligned}
    record["params"] = params
    changed = write(adata, {**fields, "uns": {keys.uns: record}}, copy=copy, mod=mod, stale={"varm": [keys.varm]})
    said = result.verdict if result is not None else f"{method}, not scored"
    say(
        f"knockout_bulk: {len(of):,} experiments, {params['share_changed']:.1%} of genes changed; {said} -> uns['{keys.uns}']"
    )
    return changed


def _checked_features(features: Sequence[str]) -> list[str]:
    names = sequence("features", features)
    for name in names:
        if name not in FEATURES:
            msg = f"features holds {printable(repr(name))}; it is a list of {', '.join(map(repr, FEATURES))}."
            raise InputValueError(msg)
    return names


def _asked(query: "str | Sequence[str] | None") -> list[str]:
    values = [] if query is None else sequence("query", query)
    if bad := [v for v in values if not isinstance(v, str) or not v.strip()]:
        msg = f"query is a list of genes; it holds {printable(repr(bad[0]))}."
        raise InputValueError(msg)
    return list(dict.fromkeys(v.strip() for v in values))


def _tables(result: KnockoutResult, of: Experiments, found: Bulk, parts: pd.DataFrame, method: str) -> dict[str, Any]:
    own = result.found.scores[method]
    named = CLASSES[of.n_classes]
    matrix = pd.DataFrame(own.confusion.sum(axis=0), index=list(named), columns=list(named))
    table = own.table.assign(target=own.target)
    table.index = pd.Index(found.names[own.table["experiment"]].astype(object), name="name")
    return {
        **_arrays(result.found.probabilities, result.found.changes, found.names, found.genes, of),
        "evaluation": result.evaluation,
        "paired": result.paired,
        "per_experiment": table,
        "confusion": {"absolute": matrix, "by_row": matrix.div(matrix.sum(axis=1).clip(lower=1), axis=0)},
        "calibration": calibration(of.label, result.found.probabilities),
        "split": parts,
        "verdict": result.verdict,
    }


def _arrays(p: np.ndarray, change: np.ndarray, names: np.ndarray, genes: np.ndarray, of: Experiments) -> dict[str, Any]:
    axes = {"experiments": names.astype(object), "genes": genes.astype(object)}
    classes = np.array(CLASSES[of.n_classes], dtype=object)
    return {
        "probabilities": {"values": p.astype(np.float32), **axes, "classes": classes},
        "changes": {"values": change.astype(np.float32), **axes},
    }
