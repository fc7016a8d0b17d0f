"""``cgc``: a Cell-Graph Compass that says which genes a knock-out changes, and which way (Fang et al., 2024.06.04.597354, Eqs. 15-17).

The control's genes are tokens with their log values, the target is flagged. A first classifier tells whether a gene changes (focal loss), a
second one which way (over the genes that changed). Where we differ: the target's own class is left out of loss and scores; whole targets
choose the epoch; unchanged genes are drawn, nine for each that changed; probabilities are moved to the rate of change in training.
"""

from pathlib import Path

from scgnn_tools.fm import cgc
from scgnn_tools.perturbation.bulk.network import KnockoutNetwork
from scgnn_tools.perturbation.flagged import CGCParts


class CGCKnockout(CGCParts, KnockoutNetwork):
    """A control as a graph of its genes, flagged where it is knocked out.

    Parameters
    ----------
    graph
        Whether samples are graphs; False leaves the transformer alone, of a given network too.
    n_graph_layers, variant
        Of a new network.
    model, checkpoint, preset, pretrain, cell_token, n_genes, dim, n_layers, gamma, alpha, direction, negatives, max_epochs, patience
        As in :class:`~scgnn_tools.perturbation.bulk.network.KnockoutNetwork`.
    lr, max_cells, device, folder, resume
        The same.
    """

    def __init__(
        self,
        *,
        model: cgc.CGCModel | None = None,
        checkpoint: str | Path | None = None,
        preset: str | None = None,
        graph: bool = True,
        pretrain: bool = True,
        cell_token: bool | None = None,
        n_genes: int | None = None,
        dim: int | None = None,
        n_layers: int | None = None,
        n_graph_layers: int | None = None,
        variant: str = "repo",
        gamma: float | None = None,
        alpha: float | None = None,
        direction: float = 1.0,
        negatives: float | None = None,
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
            cell_token=cell_token,
            n_genes=n_genes,
            dim=dim,
            n_layers=n_layers,
            gamma=gamma,
            alpha=alpha,
            direction=direction,
            negatives=negatives,
            max_epochs=max_epochs,
            patience=patience,
            lr=lr,
            max_cells=max_cells,
            device=device,
            folder=folder,
            resume=resume,
        )
        self._take_graph(graph=graph, n_graph_layers=n_graph_layers, variant=variant)
