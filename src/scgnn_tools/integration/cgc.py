"""``cgc``: a Cell-Graph Compass tuned on cells of several batches without labels (Fang et al., bioRxiv 2024.06.04.597354).

The loss is that of its pretraining, with the batch beside the input of both decoders, + 10 × elastic similarity + an adversary that
guesses the batch; the vector of a cell is its cell token, of length 1. Where we differ: half of each decoder's weights, that of the
batch, starts at zero, and batches hold every experiment in proportion.
"""

from pathlib import Path
from typing import Any

import scipy.sparse as sp

from scgnn_tools._choices import choice, integer
from scgnn_tools._random import torch_random
from scgnn_tools.fm import cgc
from scgnn_tools.fm.cgc.config import VARIANTS
from scgnn_tools.fm.cgc.model import MASK_VALUE
from scgnn_tools.fm.cgc.small import most_variable, small_network, start_from_coexpression, to_columns
from scgnn_tools.fm.given import borrowed
from scgnn_tools.integration._protocol import Batches
from scgnn_tools.integration.tuned import TunedNetwork


class CGCBatches(TunedNetwork):
    """A cell as a graph of its genes, tuned to hold what the batch does not explain.

    Without a pretrained network a small one is made over the genes that vary most within batches; at that size elastic similarity and the
    adversary cost more biology than they mix batches: ``ecs=0, dar=0`` and Harmony on the result did better (:doc:`/concepts/integration`).

    Parameters
    ----------
    model, checkpoint
        A loaded Cell-Graph Compass, or the folder of one; it is tuned in a copy. None makes a small one.
    graph
        Whether cells are graphs; False leaves the transformer alone, of a pretrained network too.
    pretrain
        Whether a new network starts from the co-expression of the cells, or a given one from its weights; False starts from random ones.
    ecs, dar, beta
        Weights of elastic similarity and of the adversary, and the threshold of the first.
    dar_schedule
        "constant", as published, or "ramp": the adversary grows over the training.
    n_genes, dim, n_layers, n_graph_layers, max_length, variant
        Of a new network.
    max_epochs, patience, lr, max_cells
        Of the training: nine tenths of the cells train, the others choose the epoch by the two losses of expression.
    device
        Where to train.
    devices
        GPUs, or processes on the CPU: each runs the script, a step sees ``max_cells`` cells on each, and all cells of a step are compared
        with each other. More than one wants a ``folder``.
    folder, resume
        Where the state is kept at the end of each epoch: the same call goes on there after a kill, one that would give another result is
        refused, ``resume=False`` begins anew. None keeps nothing.
    """

    mask_value = MASK_VALUE

    def __init__(
        self,
        *,
        model: cgc.CGCModel | None = None,
        checkpoint: str | Path | None = None,
        graph: bool = True,
        pretrain: bool = True,
        ecs: float = 10.0,
        dar: float = 1.0,
        beta: float = 0.8,
        dar_schedule: str = "constant",
        n_genes: int = 2000,
        dim: int = 64,
        n_layers: int = 2,
        n_graph_layers: int = 1,
        max_length: int = 193,
        variant: str = "repo",
        max_epochs: int = 6,
        patience: int = 3,
        lr: float = 1e-3,
        max_cells: int = 32,
        device: str = "auto",
        devices: int = 1,
        folder: str | Path | None = None,
        resume: bool = True,
    ) -> None:
        for name, value in {"n_genes": n_genes, "dim": dim, "n_layers": n_layers}.items():
            integer(name, value)
        integer("max_length", max_length, least=2)
        integer("n_graph_layers", n_graph_layers, least=0)
        choice("graph", graph, (True, False))
        choice("variant", variant, VARIANTS)
        choice("pretrain", pretrain, (True, False))
        super().__init__(
            "cgc",
            cgc.CGCModel,
            needed=False,
            model=model,
            checkpoint=checkpoint,
            ecs=ecs,
            dar=dar,
            beta=beta,
            dar_schedule=dar_schedule,
            max_epochs=max_epochs,
            patience=patience,
            lr=lr,
            max_cells=max_cells,
            device=device,
            devices=devices,
            folder=folder,
            resume=resume,
        )
        self.graph, self.pretrain, self.n_genes = graph, pretrain, n_genes
        self._sizes: dict[str, Any] = {
            "dim": dim,
            "heads": 4,
            "hidden": 2 * dim,
            "n_layers": n_layers,
            "n_graph_layers": n_graph_layers if graph else 0,
            "max_length": max_length,
            "dropout": 0.0,
            "variant": variant,
        }

    @property
    def _fresh(self) -> bool:
        return self._given is None and self._checkpoint is None

    def _begin(self, cells: Batches, draw: int) -> None:
        if self._fresh:
            self.model = self._new(cells, draw)
            return
        super()._begin(cells, draw)
        if not self.pretrain:
            with torch_random(draw):
                self.model.network = type(self.model.network)(self.model.sizes).to(self.model.device)

    def _rate(self) -> float:
        return self.lr if self._fresh else super()._rate()

    def _borrowed(self) -> Any:
        return borrowed(self._given, self._checkpoint, self._device, name="cgc", graph=self.graph)

    def _new(self, cells: Batches, number: int) -> cgc.CGCModel:
        x = sp.csr_array(cells.expression)
        columns = most_variable(x, self.n_genes)
        self._to_vocabulary = to_columns(columns, x.shape[1])
        rows = sp.csr_array(x[:, columns])
        names = None if cells.genes is None else cells.genes[columns]
        model = small_network(rows, names, graph=self.graph, seed=number, device=self._device, **self._sizes)
        if self.pretrain:
            start_from_coexpression(model, rows)
        return model
