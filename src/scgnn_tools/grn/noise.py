"""What errors in the labels do to a method: a share of the training labels is turned, the test labels stay."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scgnn_tools._progress import progress
from scgnn_tools.grn.inputs import LinkInputs, fit, stop_if_interrupted
from scgnn_tools.metrics import grn as grn_metrics
from scgnn_tools.splits import split_pairs

METRICS = ("auroc", "auprc", "auroc_per_tf")


def turned(pairs: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return the pairs with that share of their labels turned: edges into none, and the other way round."""
    drawn = np.zeros(len(pairs), dtype=bool)
    drawn[rng.choice(len(pairs), size=round(share * len(pairs)), replace=False)] = True
    return pairs.assign(label=np.where(drawn, 1 - pairs["label"], pairs["label"]))


def noise_study(
    inputs: LinkInputs,
    methods: Sequence[str],
    shares: Sequence[float],
    *,
    split: str,
    n_draws: int,
    rng: int,
    device: str = "auto",
) -> pd.DataFrame:
    """Return a row a method and share: the mean of each metric over draws of the turned labels, their spread ``sd_auprc``, ``n_draws``.

    Parameters
    ----------
    inputs
        What the methods learn from.
    methods, shares
        Predictors that learn from labels, and shares of the labels that are turned; nothing is drawn at 0, once is enough there.
    split
        How the test pairs are held back.
    n_draws
        Draws of which labels are turned.
    rng, device
        Seed, and where to train.
    """
    part = split_pairs(split, inputs.pairs, rng=rng)
    train, validation, test = (inputs.pairs[part == p] for p in range(3))
    jobs = [(m, s, d) for m in methods for s in shares for d in range(n_draws if s else 1)]
    rows = []
    for method, share, draw in progress(jobs, total=len(jobs), what="label noise", unit="training"):
        labels = np.random.default_rng([rng, draw])
        noisy = turned(train, share, labels)
        held = turned(validation, share, labels) if len(validation) else None
        fitted = fit(method, inputs, noisy, held, rng, device=device)
        stop_if_interrupted(method, fitted)
        found = grn_metrics(test["label"].to_numpy(), fitted.score(test), test["tf"].to_numpy())
        rows.append(
            {
                "method": method,
                "share": share,
                "draw": draw,
                "chance": found["density"],
                **{m: found[m] for m in METRICS},
            }
        )
    table = pd.DataFrame(rows)
    by = table.groupby(["method", "share"], sort=False)
    out = by[[*METRICS, "chance"]].mean()
    return out.assign(sd_auprc=by["auprc"].std(), n_draws=by.size()).reset_index()
