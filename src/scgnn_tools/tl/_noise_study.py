"""``tl.noise_study``: how well methods infer edges from a prior of which a share is wrong."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from scgnn_tools._choices import choice, integer, number, sequence
from scgnn_tools._device import resolve_device
from scgnn_tools._doors import door
from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools._log import say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG, seed
from scgnn_tools._threads import by_size
from scgnn_tools.grn import check_expression, collect
from scgnn_tools.grn.evaluate import MIN_POSITIVE
from scgnn_tools.grn.inputs import missing
from scgnn_tools.grn.noise import noise_study as study
from scgnn_tools.links import PREDICTORS, predictor_name
from scgnn_tools.splits import SPLITS, split_pairs

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
@by_size
def noise_study(
    adata: "AnnData | MuData",
    prior: Any = "auto",
    *,
    methods: "str | Sequence[str]" = ("degree", "collaborative", "sgt"),
    shares: Sequence[float] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
    split: str = "random_pair",
    n_draws: int = 3,
    use_rep: str | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    organism: Literal["human", "mouse"] | None = None,
    mod: str = RNA,
    rng: RNG = 0,
    device: str = "auto",
) -> pd.DataFrame:
    """Turn a share of the training labels of a prior, edges into none and the other way round, and see what methods still learn.

    Nothing is written into the object: the table is the result, and :func:`scgnn_tools.pl.grn_noise` draws it. Which labels are turned
    is the same for all methods. The test labels stay as they are. At a share of .5 nothing is left to learn.

    Parameters
    ----------
    adata
        Cells × genes.
    prior
        Known edges, in any form that :func:`infer_grn` takes.
    methods
        Link predictors that learn from labels, by name.
    shares
        Shares of the training labels that are turned, from 0 to .5.
    split
        What is held back, as in :func:`infer_grn`.
    n_draws
        Draws of which labels are turned.
    use_rep, layer, gene_key, organism
        As in :func:`infer_grn`.
    mod
        Modality of a MuData.
    rng
        Seed.
    device
        Where to train.

    Returns
    -------
    pandas.DataFrame
        A row a method and share: ``method``, ``share``, the means over the draws of ``auroc``, ``auprc`` and ``auroc_per_tf``, ``chance``
        (AUPRC of a random order), ``sd_auprc`` over the draws (NaN of one), ``n_draws``.

    Raises
    ------
    GraphError
        If the prior shares no gene with the data, or too few of its edges can be held back.
    InputValueError
        If a method learns nothing from labels, or a share is not between 0 and .5; before anything is trained.

    Notes
    -----
    Source: the study of label noise in the thesis on scRegNet and scTransNet.

    Examples
    --------
    >>> study = sgt.tl.noise_study(adata, methods="degree", shares=[0, 0.5], n_draws=1)
    >>> study["share"].tolist()
    [0.0, 0.5]
    """
    target = modality(adata, mod)
    names = list(dict.fromkeys(predictor_name(m) for m in sequence("methods", methods)))
    if idle := [m for m in names if not PREDICTORS[m].learns]:
        msg = f"{idle[0]} learns nothing from labels, so turned ones do nothing to it. Leave it out of methods=."
        raise InputValueError(msg)
    parts = list(dict.fromkeys(number("shares", s, least=0, most=0.5) for s in sequence("shares", shares)))
    if not names or not parts:
        msg = "methods= and shares= hold at least one value each."
        raise InputValueError(msg)
    choice("split", split, tuple(SPLITS))
    resolve_device(device)
    n_draws, drawn = integer("n_draws", n_draws), seed(rng)
    data = collect(
        target, prior, tfs=None, use_rep=use_rep, layer=layer, gene_key=gene_key, organism=organism, rng=drawn
    )
    for name in names:
        check_expression(data, name, {})
        if lacking := missing(name, data.inputs, {}):
            msg = f"{name} needs {' and '.join(lacking)} of the data. Leave it out of methods=."
            raise InputValueError(msg)
    test = data.inputs.pairs[split_pairs(split, data.inputs.pairs, rng=drawn) == 2]
    if (n_edges := int(test["label"].sum())) < MIN_POSITIVE:
        msg = f"{n_edges} edges of the prior can be held back; at least {MIN_POSITIVE} are wanted."
        raise GraphError(msg)
    table = study(data.inputs, names, parts, split=split, n_draws=n_draws, rng=drawn, device=device)
    most = max(parts)
    last = table[table["share"] == most].set_index("method")["auprc"]
    told = ", ".join(f"{m} {table.loc[table['method'] == m, 'auprc'].iloc[0]:.3f} -> {last[m]:.3f}" for m in last.index)
    say(
        f"noise_study: AUPRC with {parts[0]:.0%} -> {most:.0%} of the labels turned: {told}; chance {table['chance'].iloc[0]:.3f}"
    )
    return table
