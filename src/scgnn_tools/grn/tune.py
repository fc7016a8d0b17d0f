"""Hyper-parameter search for the graph networks on genes, on validation pairs alone."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._choices import number as seconds
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._progress import counter
from scgnn_tools._random import RNG, seed
from scgnn_tools.links import PREDICTORS, check_pairs, link_predictor, node_features
from scgnn_tools.metrics import grn

if TYPE_CHECKING:
    from anndata import AnnData
    from optuna.trial import Trial

BACKBONES = {"scregnet": ["gcn", "sage", "gat"], "sctransnet": ["relational", "gcn"]}
WIDTHS = [16, 32, 64, 128, 256]


def tune(
    method: str,
    pairs: pd.DataFrame,
    validation: pd.DataFrame | None = None,
    *,
    n_trials: int = 30,
    timeout: float | None = None,
    genes: np.ndarray | None = None,
    expression: "AnnData | None" = None,
    embedding: pd.DataFrame | None = None,
    rng: RNG = 0,
    device: str = "auto",
    **fixed: Any,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Search options of "scregnet" or "sctransnet" with Optuna's TPE, by the AUPRC of validation pairs.

    The published search chose options, epoch and number on the test pairs. Here no test pair comes near it; the AUPRC that it reports is
    the best of many on the same pairs and too high as an estimate.

    Parameters
    ----------
    method
        "scregnet" or "sctransnet".
    pairs, validation, genes, expression, embedding
        As for ``fit``; validation None takes a tenth of the pairs.
    n_trials, timeout
        Most trainings, and seconds after which no further one begins.
    rng
        Seed of the search and of every training.
    device
        Where to train.
    fixed
        Options that are not searched.

    Returns
    -------
    options, trials
        The best options, to be given to the method; a DataFrame with ``auprc``, ``epochs``, ``seconds`` and the options of each trial,
        best first.

    Raises
    ------
    InputValueError
        If the method is another one, or the validation pairs have one label only.
    MissingExtraError
        If Optuna is not installed.
    """
    optuna = _optuna()
    if method not in BACKBONES:
        msg = f"tune searches options of {', '.join(BACKBONES)}; got {method!r}."
        raise InputValueError(msg)
    resolve_device(device)
    number, n_trials = seed(rng), integer("n_trials", n_trials)
    seconds("timeout", timeout, above=0, or_none=True)
    pairs = check_pairs(pairs)
    if validation is None:
        pairs, validation = node_features.carve(pairs, number)
    validation = check_pairs(validation)
    link_predictor(method, **fixed)  # a wrong option is an error before any work

    def objective(trial: "Trial") -> float:
        options = suggest(trial, method, fixed)
        predictor: Any = link_predictor(method, rng=number, device=device, **options)
        predictor.fit(pairs, validation, genes=genes, expression=expression, embedding=embedding)
        trial.set_user_attr("options", options)
        trial.set_user_attr("epochs", len(predictor.history))
        if PREDICTORS[method].interruptible and predictor.interrupted:
            trial.study.stop()
        return grn(validation["label"], predictor.score(validation))["auprc"]

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=number))
        with counter(n_trials, what=f"tune {method}", unit="training") as advance:
            study.optimize(objective, n_trials=n_trials, timeout=timeout, callbacks=[lambda *_: advance(1)])
    finally:
        optuna.logging.set_verbosity(before)
    rows = [
        {"auprc": t.value, "epochs": t.user_attrs["epochs"], "seconds": t.duration.total_seconds(), **t.user_attrs["options"]}
        for t in study.trials
        if t.value is not None
    ]  # fmt: skip
    trials = pd.DataFrame(rows).sort_values("auprc", ascending=False, kind="stable", ignore_index=True)
    return dict(study.best_trial.user_attrs["options"]), trials


def suggest(trial: "Trial", method: str, fixed: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a trial: those that are fixed, and a draw of the others."""
    out = {
        "backbone": lambda: trial.suggest_categorical("backbone", BACKBONES[method]),
        "hidden": lambda: _widths(trial, "hidden"),
        "out": lambda: _widths(trial, "out"),
        "head": lambda: trial.suggest_categorical("head", ["product", "concat", "mlp"]),
        "dropout": lambda: trial.suggest_float("dropout", 0.0, 0.6),
        "lr": lambda: trial.suggest_float("lr", 3e-4, 1e-2, log=True),
        "weight_decay": lambda: trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
    }
    return {name: draw() for name, draw in out.items() if name not in fixed} | fixed


def _widths(trial: "Trial", name: str) -> tuple[int, ...]:
    n = trial.suggest_int(f"{name}_layers", 1, 3)
    return tuple(trial.suggest_categorical(f"{name}_{i}", WIDTHS) for i in range(n))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        msg = "tune needs optuna, which is not installed. Run: pip install 'scgnn_tools[tune]'"
        raise MissingExtraError(msg) from error
    return optuna
