"""``sctransnet``: relational graph attention beside attentively pooled gene vectors, one channel for factors and one for targets.

scTransNet (Kommu et al., ICML workshop AI4Science 2024). Its code is not public: where the paper leaves a choice, ours is in the page of
the model.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice
from scgnn_tools._random import RNG, generator
from scgnn_tools.links._backbones import KINDS, check_backbone
from scgnn_tools.links._graph_network import Shape
from scgnn_tools.links._graph_options import MAX_CELLS, Training
from scgnn_tools.links._graph_predictor import GraphPredictor
from scgnn_tools.links._heads import HEADS

PROTOCOLS = {"specific": "specific", "clean": "specific", "hard-balanced": "hard-balanced", "paper": "hard-balanced"}
"""What a protocol is called, and which it is: "clean" and "paper" are the words of the other models."""


class ScTransNet(GraphPredictor):
    """Link prediction from pooled vectors, expression and the known edges.

    Parameters
    ----------
    protocol
        Which pairs are trained on. "specific", or "clean": all of them, as in scRegNet. "hard-balanced", or "paper", since it is the
        paper's: for each edge one pair of the same factor that is none.
    backbone
        "relational" (the paper's equations), "gcn" (its text), "sage", "gat", the name of a convolution of torch-geometric that is made of
        two widths, or None for no graph network.
    hidden, out
        Widths of the graph layers and of the two channels.
    head
        "mlp" (a perceptron on both genes, with a direction), "dot", "product", "concat" or "cosine".
    channels
        "separate", a perceptron for factors and one for targets; "shared", one for both.
    features
        What the graph network reads of a gene: its "expression", scaled; its "counts", as they stand (the paper's choice); its
        "embedding"; or "random" numbers.
    vectors
        Whether the gene vectors go into the channels. ``embedding=`` of :meth:`fit` holds them: pooled over cells by
        :func:`~scgnn_tools.grn.pooling.attentive_pooling`, or any others.
    dropout
        Of graph layers and channels.
    heads, reduction, slope
        Of the attention: heads of "relational" and "gat"; the other two of "gat", as in :class:`~scgnn_tools.links.scregnet.ScRegNet`.
    max_cells
        So many cells are drawn for "expression" and "counts" if there are more; None takes all.
    rng, device, checkpoint
        As in :class:`~scgnn_tools.links.scregnet.ScRegNet`.
    lr, weight_decay, optimizer, max_epochs, patience, every, batch_size, select
        As in :class:`~scgnn_tools.links._graph_options.Training`.
    """

    name = "sctransnet"

    def __init__(
        self,
        *,
        protocol: Literal["specific", "clean", "hard-balanced", "paper"] = "specific",
        backbone: str | None = "relational",
        hidden: Sequence[int] = (256, 128),
        out: Sequence[int] = (64, 32),
        head: Literal["mlp", "dot", "product", "concat", "cosine"] = "mlp",
        channels: Literal["separate", "shared"] = "separate",
        features: Literal["expression", "counts", "embedding", "random"] = "expression",
        vectors: bool = True,
        dropout: float = 0.2,
        heads: int | Sequence[int] = 1,
        reduction: Literal["concat", "mean"] = "concat",
        slope: float = 0.2,
        max_cells: int | None = MAX_CELLS,
        rng: RNG = 0,
        device: str = "auto",
        checkpoint: str | Path | None = None,
        lr: float = 3e-3,
        weight_decay: float = 1e-3,
        optimizer: Literal["Adam", "RMSprop", "SGD"] = "Adam",
        max_epochs: int = 100,
        patience: int = 40,
        every: int = 1,
        batch_size: int | None = None,
        select: Literal["loss", "auroc", "auprc"] = "auprc",
    ) -> None:
        choice("protocol", protocol, tuple(PROTOCOLS))
        check_backbone(backbone, ("relational", *KINDS, None))
        choice("head", head, HEADS)
        choice("channels", channels, ("separate", "shared"))
        choice("reduction", reduction, ("concat", "mean"))
        self._protocol = PROTOCOLS[protocol]
        super().__init__(
            Shape(backbone, hidden, out, head, dropout, heads, reduction, slope, channels=channels),  # type: ignore[arg-type]
            Training(lr, weight_decay, optimizer, max_epochs, patience, every, batch_size, select),
            features=features,
            vectors=vectors,
            as_given=False,
            max_cells=max_cells,
            rng=rng,
            device=device,
            checkpoint=checkpoint,
        )

    def _chosen(self, pairs: pd.DataFrame) -> pd.DataFrame:
        return hard_balanced(pairs, rng=self._seed) if self._protocol == "hard-balanced" else pairs


def hard_balanced(pairs: pd.DataFrame, *, rng: RNG = 0) -> pd.DataFrame:
    """Return the positive pairs and, for each, a negative one of the same factor; fewer where a factor has fewer."""
    draws, kept = generator(rng), []
    label = pairs["label"].to_numpy()
    for rows in pairs.reset_index(drop=True).groupby("tf", sort=True).indices.values():
        positive, negative = rows[label[rows] == 1], rows[label[rows] == 0]
        some = draws.choice(negative, size=min(len(positive), len(negative)), replace=False)
        kept += [positive, some]
    return pairs.iloc[np.sort(np.concatenate(kept))]
