"""``scregnet``: a graph network over the training edges, beside the gene vectors of a foundation model.

scRegNet (Kommu et al.) joins each gene's foundation-model vector with what a graph network makes of it over the known edges, brings
the result through a shared perceptron, and classifies pairs.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG
from scgnn_tools.links import node_features
from scgnn_tools.links._backbones import KINDS, check_backbone
from scgnn_tools.links._graph_network import Shape
from scgnn_tools.links._graph_options import MAX_CELLS, Training
from scgnn_tools.links._graph_predictor import GraphPredictor
from scgnn_tools.links._heads import HEADS
from scgnn_tools.links._protocol import check_pairs

if TYPE_CHECKING:
    from anndata import AnnData

PROTOCOLS: dict[str, tuple[dict[str, Any], Training]] = {
    "clean": (
        {"hidden": (64, 64), "out": (128, 64), "head": "product", "features": "embedding"},
        Training(lr=2e-3, weight_decay=1e-3, max_epochs=300),
    ),
    "paper": (
        {"hidden": (256, 256), "out": (64, 64), "head": "concat", "features": "expression"},
        Training(
            lr=5e-4, weight_decay=1e-5, max_epochs=300, patience=10, every=5, batch_size=256, select="auroc"
        ),
    ),
}  # fmt: skip
"""What an option is that was not given: sizes and training."""


class ScRegNet(GraphPredictor):
    """Graph link prediction on gene vectors.

    Parameters
    ----------
    protocol
        "clean": all pairs at once, the epoch that validates best is kept, dropout is off in scoring. "paper": as the published code,
        batches of 256 pairs, of which each runs the whole graph; every fifth epoch is scored by AUROC on ``validation``, **which was the
        test set there**, and the best is kept; the perceptron's dropout stays on, so that a score is the mean of 50.
    backbone
        "gcn", "sage", "gat", the name of a convolution of torch-geometric that is made of two widths ("GATv2Conv", …), or None for no graph
        network.
    hidden, out
        Widths of the graph layers and of the perceptron; None takes those of the protocol.
    head
        "product", "concat" (the published one: a sum of a term of the factor and one of the target, so it ranks targets alike for
        every factor), "mlp", "dot" or "cosine"; None takes that of the protocol.
    features
        What the graph network reads of a gene: its "embedding"; its "expression", one feature a cell, as published, which ties a model
        to one data set; its "counts", the same unscaled; or "random" numbers, so that a gene is no more than its place in the graph.
        None takes that of the protocol.
    vectors
        Whether the gene vectors go into the perceptron.
    dropout
        Of graph layers and perceptron.
    heads, reduction, slope
        Of "gat": heads (one number, or one a layer), whether those of a layer are joined or averaged, slope of its LeakyReLU.
    max_cells
        So many cells are drawn for "expression" and "counts" if there are more; None takes all.
    rng
        Seed.
    device
        Where to train.
    checkpoint
        File in which the state of training is kept; a run that was killed goes on from it.
    lr, weight_decay, optimizer, max_epochs, patience, every, batch_size, select
        As in :class:`~scgnn_tools.links._graph_options.Training`; None takes that of the protocol.
    """

    name = "scregnet"
    report: dict[str, str]
    args: dict[str, Any]

    def __init__(
        self,
        *,
        protocol: Literal["clean", "paper"] = "clean",
        backbone: str | None = "gcn",
        hidden: Sequence[int] | None = None,
        out: Sequence[int] | None = None,
        head: Literal["product", "concat", "mlp", "dot", "cosine"] | None = None,
        features: Literal["embedding", "expression", "counts", "random"] | None = None,
        vectors: bool = True,
        dropout: float = 0.2,
        heads: int | Sequence[int] = 3,
        reduction: Literal["concat", "mean"] = "concat",
        slope: float = 0.2,
        max_cells: int | None = MAX_CELLS,
        rng: RNG = 0,
        device: str = "auto",
        checkpoint: str | Path | None = None,
        lr: float | None = None,
        weight_decay: float | None = None,
        optimizer: Literal["Adam", "RMSprop", "SGD"] | None = None,
        max_epochs: int | None = None,
        patience: int | None = None,
        every: int | None = None,
        batch_size: int | None = None,
        select: Literal["loss", "auroc", "auprc"] | None = None,
    ) -> None:
        choice("protocol", protocol, tuple(PROTOCOLS))
        given = {"hidden": hidden, "out": out, "head": head, "features": features}
        sizes = PROTOCOLS[protocol][0] | {k: v for k, v in given.items() if v is not None}
        check_backbone(backbone, (*KINDS, None))
        choice("head", sizes["head"], HEADS)
        choice("reduction", reduction, ("concat", "mean"))
        paper = protocol == "paper"
        self._protocol = protocol
        super().__init__(
            Shape(
                backbone, sizes["hidden"], sizes["out"], sizes["head"], dropout, heads, reduction, slope, always=paper
            ),
            PROTOCOLS[protocol][1].changed(
                lr=lr,
                weight_decay=weight_decay,
                optimizer=optimizer,
                max_epochs=max_epochs,
                patience=patience,
                every=every,
                batch_size=batch_size,
                select=select,
            ),
            features=sizes["features"],
            vectors=vectors,
            as_given=paper,
            max_cells=max_cells,
            rng=rng,
            device=device,
            checkpoint=checkpoint,
        )

    def fit(
        self,
        pairs: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "ScRegNet":
        """Train on the pairs; messages pass over their positive ones only, in both directions."""
        if self._protocol == "paper" and validation is None:
            msg = (
                "protocol='paper' keeps the epoch that is best on the test pairs: pass validation=, the test pairs for the published "
                "number, others for an honest one; or protocol='clean', which holds back a tenth of the training pairs."
            )
            raise InputValueError(msg)
        return super().fit(pairs, validation, genes=genes, expression=expression, embedding=embedding)

    @classmethod
    def from_checkpoint(
        cls, path: str | Path, args: str | Path | None = None, *, rng: RNG = 0, device: str = "auto"
    ) -> "ScRegNet":
        """Read a published head: the weights that the authors store, onto gene vectors and expression that are given to :meth:`bind`.

        Parameters
        ----------
        path
            ``model.pt``, or the folder that holds it.
        args
            ``args.json``; None looks beside the weights. Sizes are read from the weights and compared with it.
        rng, device
            As for a new one.

        Returns
        -------
        ScRegNet
            Its ``report`` has a line a tensor; ``args``, what the file said of the training.

        Raises
        ------
        WeightsError
            If a tensor is missing, unknown, misshaped or not finite, or the two files do not fit.
        """
        from scgnn_tools.links._scregnet_checkpoint import read

        file = None if args is None else Path(args).expanduser()
        shape, network, report, told = read(Path(path).expanduser(), file)
        sizes = {k: v for k, v in asdict(shape).items() if k not in ("always", "channels")}
        out = cls(protocol="paper", max_cells=None, rng=rng, device=device, **sizes)
        out.adopt(network)
        out.report, out.args = report, told
        return out

    def bind(
        self,
        pairs: pd.DataFrame,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "ScRegNet":
        """Give a head from a checkpoint the training pairs, whose positive ones are its graph, the expression and the vectors.

        Raises
        ------
        InputValueError
            If the expression has another number of cells, or the vectors another width, than those of the head's training.
        """
        pairs = check_pairs(pairs)
        self._inputs = self._reading.inputs(pairs, node_features.nodes(pairs, genes), expression, embedding)
        network, inputs = self._fitted()
        for what, seen, need in (
            (f"{self._reading.features} features a gene", inputs.x.shape[1], network.input_width),
            ("numbers a gene vector", inputs.d_vectors, network.vector_width),
        ):
            if seen != need:
                msg = f"The head was trained with {need} {what}; there are {seen}. It fits the data set of its training only."
                raise InputValueError(msg)
        return self
