"""What scBiGNN can be set to; the paper's value stands where it gives one."""

from dataclasses import dataclass
from typing import Any, Literal

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._errors import InputValueError
from scgnn_tools.labels.landmarks import MOST

WHOLE = {
    "n_genes": 1, "n_tokens": 1, "width": 1, "n_layers": 1, "n_heads": 1, "k": 1, "n_hops": 0, "iterations": 0, "epochs_genes": 1,
    "patience_genes": 1, "epochs_e": 1, "patience": 1, "batch_size": 1, "cells_e": 1, "most_cells": 10,
}  # fmt: skip
"""Whole numbers, and the least that each can be."""


PAPER: dict[str, Any] = {
    "n_genes": 1000, "n_tokens": 1000, "genes": "variance", "n_layers": 2, "n_heads": 1, "iterations": 3, "gamma": 1.0, "balance": 0.0,
    "dropout": 0.0, "gene_dropout": 0.0, "cells_e": 10**9, "most_cells": 10**9,
}  # fmt: skip
"""What the paper says: all of its 1,000 genes are tokens, two layers of one head (one of four, and ``readout="mean"``, for some of its
data), three rounds, pseudo-labels that count like labels, classes whose cells all count alike, no dropout, and all cells."""


@dataclass(frozen=True)
class Config:
    """Sizes of both networks and the plan of the training."""

    n_genes: int = 500  # that the cell-level network sees; paper: 1,000 "e.g."
    n_tokens: int = (
        200  # the first of them, which the gene-level network sees; paper: all; its time grows with the square
    )
    genes: Literal["classes", "variance"] = "classes"  # whose class means differ most; paper: of the highest variance
    width: int = 32  # of every hidden layer, embedding and attention head
    n_layers: int = 1  # of gene-level attention; paper: 1 with 4 heads (Baron mouse), 2 with 1 head (others)
    n_heads: int = 1
    readout: Literal["alpha", "mean"] = "alpha"  # a learnt weight a gene, or the mean over the cell's genes
    k: int = 5  # neighbours in the cell graph
    n_hops: int = 3  # of cell-level message passing
    conv: str | None = None  # a convolution of torch-geometric by name, such as "SAGEConv"; None takes the paper's mean
    iterations: int = 2  # rounds of E and M after the first M; paper: 3 at most
    sample: bool = True  # pseudo-labels are drawn anew at each step; False takes their probabilities
    gamma: float = 0.1  # weight of a pseudo-label of q in the M-step; paper: that of a label, 1
    beta: float = 1.0  # weight of a label in the E-step
    epochs_genes: int = 20  # most epochs of the gene-level network before EM
    patience_genes: int = 5  # of these without a better validation loss
    epochs_e: int = 5  # most epochs of an E-step
    cells_e: int = 5_000  # most cells of an epoch of an E-step, drawn anew each time; paper: all
    most_cells: int = MOST  # most cells of the graph; others are attached to it when they ask. Paper: all
    patience: int = 20  # epochs of an M-step without a better validation loss
    dropout: float = 0.1
    gene_dropout: float = 0.3  # share of the genes that the cell-level network does not see in a step of training
    balance: float = 0.5  # classes weigh n ** -balance each cell; 0 is the paper's plain cross-entropy
    batch_size: int = 64
    lr: float = 5e-3
    lr_cells: float = 1e-2

    def __post_init__(self) -> None:
        """Check what a typo would break late."""
        choice("readout", self.readout, ("alpha", "mean"))
        choice("genes", self.genes, ("classes", "variance"))
        choice("sample", self.sample, (True, False))
        for name, least in WHOLE.items():
            integer(name, getattr(self, name), least=least)
        for name in ("gamma", "beta", "balance"):
            number(name, getattr(self, name), least=0)
        for name in ("dropout", "gene_dropout"):
            number(name, getattr(self, name), least=0, below=1)
        for name in ("lr", "lr_cells"):
            number(name, getattr(self, name), above=0)
        if self.conv is not None:
            from scgnn_tools.nn.pyg import is_convolution

            if not is_convolution(self.conv):
                msg = f"conv is None or a convolution of torch-geometric such as 'SAGEConv'; got {self.conv!r}."
                raise InputValueError(msg)
