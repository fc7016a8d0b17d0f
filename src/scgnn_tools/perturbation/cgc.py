"""``cgc``: a Cell-Graph Compass that turns a control cell into a perturbed one (Fang et al., bioRxiv 2024.06.04.597354, Eq. 14).

Values are continuous, zeros are kept, the perturbed genes are flagged and always among the tokens, measured or not. Where we differ: the
cell token stays and is flagged, too (``cell_token``); the head adds to the control cell (``residual``); whole conditions, not cells, choose
the epoch; control cells without a flag are trained on as well, and a change is what the flag makes of a cell, without what the network says
of any.
"""

from pathlib import Path
from typing import Any, ClassVar

from scgnn_tools.fm import cgc
from scgnn_tools.perturbation.flagged import CGCParts
from scgnn_tools.perturbation.network import PAPER, SMALL, ResponseNetwork


class CGCResponse(CGCParts, ResponseNetwork):
    """A cell as a graph of its genes, flagged where it is perturbed.

    Parameters
    ----------
    graph
        Whether cells are graphs; False leaves the transformer alone, of a given network too.
    n_graph_layers, variant
        Of a new network.
    model, checkpoint, preset, pretrain, residual, cell_token, n_genes, dim, n_layers, cells_per_condition, n_controls, max_epochs
        As in :class:`~scgnn_tools.perturbation.network.ResponseNetwork`.
    patience, lr, max_cells, device, folder, resume
        The same.
    """

    small: ClassVar[dict[str, Any]] = {**SMALL, "cell_token": True}
    paper: ClassVar[dict[str, Any]] = PAPER

    def __init__(
        self,
        *,
        model: cgc.CGCModel | None = None,
        checkpoint: str | Path | None = None,
        preset: str | None = None,
        graph: bool = True,
        pretrain: bool = True,
        residual: bool | None = None,
        cell_token: bool | None = None,
        n_genes: int | None = None,
        dim: int | None = None,
        n_layers: int | None = None,
        n_graph_layers: int | None = None,
        variant: str = "repo",
        cells_per_condition: int | None = None,
        n_controls: int | None = None,
        max_epochs: int | None = None,
        patience: int | None = None,
        lr: float | None = None,
        max_cells: int | None = None,
        device: str = "auto",
        folder: str | Path | None = None,
        resume: bool = True,
    ) -> None:
        super().__init__(
            model=model,
            checkpoint=checkpoint,
            preset=preset,
            pretrain=pretrain,
            residual=residual,
            cell_token=cell_token,
            n_genes=n_genes,
            dim=dim,
            n_layers=n_layers,
            cells_per_condition=cells_per_condition,
            n_controls=n_controls,
            max_epochs=max_epochs,
            patience=patience,
            lr=lr,
            max_cells=max_cells,
            device=device,
            folder=folder,
            resume=resume,
        )
        self._take_graph(graph=graph, n_graph_layers=n_graph_layers, variant=variant)
