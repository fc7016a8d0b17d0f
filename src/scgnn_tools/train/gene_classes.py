"""Classes of genes from their hidden states in cells: a head on the tokens of a network, in folds over genes."""

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._random import torch_random
from scgnn_tools.data import Tokens
from scgnn_tools.nn.lora import add_lora
from scgnn_tools.train.fitting import fit_task
from scgnn_tools.train.tasks import Task

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel

VALIDATION = 8
"""One in this many training genes of a fold decides when to stop."""


class GeneClassification(Task):
    """Cross-entropy of the classes of some genes, from the last hidden states of their tokens; every class counts alike.

    Parameters
    ----------
    dim
        Width of the hidden states.
    codes
        Class of each gene of the vocabulary, -1 where it has none, int64 (n_vocabulary,).
    train, validation
        Genes of the loss in training and in evaluation, bool (n_vocabulary,).
    """

    def __init__(self, dim: int, codes: np.ndarray, train: np.ndarray, validation: np.ndarray) -> None:
        super().__init__()
        n_classes = int(codes.max()) + 1
        self.codes, self.train_genes, self.validation_genes = codes, train, validation
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, n_classes)
        counts = np.maximum(np.bincount(codes[train], minlength=n_classes), 1)
        self.weight: Tensor
        self.register_buffer("weight", torch.as_tensor(counts.sum() / n_classes / counts, dtype=torch.float32))

    def forward(self, model: "NetworkModel", tokens: Tokens, at: np.ndarray) -> Tensor:
        """Return the logits of the tokens ``at``, (n, n_classes)."""
        hidden = model.hidden(tokens, layer=-1)[0].index_select(0, torch.as_tensor(at, device=model.device))
        return self.head(self.norm(hidden.float()))

    def loss(self, model: "NetworkModel", tokens: Tokens, cells: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the cross-entropy; zero for a batch without such genes."""
        position = model.gene_of_token(tokens)
        genes = self.train_genes if self.training else self.validation_genes
        at = np.flatnonzero((position >= 0) & genes[position])
        if len(at) == 0:
            return sum((p.sum() * 0 for p in self.parameters()), torch.zeros((), device=model.device))
        truth = torch.as_tensor(self.codes[position[at]], device=model.device)
        return F.cross_entropy(self(model, tokens, at), truth, weight=self.weight)


def fold_probabilities(
    model: "NetworkModel",
    tokens: Tokens,
    codes: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    *,
    adapt: str,
    max_epochs: int,
    lr: float | None,
    seed: int,
) -> np.ndarray:
    """Tune a copy of a network on the training genes of a fold; return the classes of its test genes.

    Parameters
    ----------
    model
        Left as it is.
    tokens
        Cells in which the genes are seen.
    codes
        Class of each gene of the vocabulary, -1 where it has none, int64 (n_vocabulary,).
    train, test
        Genes, positions in the vocabulary.
    adapt
        "lora", "full" or "head".
    max_epochs, lr
        Of the training; None takes 1e-3 for adapters and heads, 1e-4 for all weights.
    seed
        Of the head, of batches and of the genes that stop the training.

    Returns
    -------
    numpy.ndarray
        Probability of each class, the mean over the cells that express the gene, float64 (n_test, n_classes).
    """
    rng = np.random.default_rng(seed)
    held = np.concatenate([rng.permutation(g)[: max(1, len(g) // VALIDATION)] for g in _by_class(train, codes)])
    wanted, stops = (np.zeros(len(codes), dtype=bool) for _ in range(2))
    wanted[np.setdiff1d(train, held)], stops[held] = True, True
    copied = copy.copy(model)
    copied.network = copy.deepcopy(model.network)
    with torch_random(seed):
        task = GeneClassification(copied.config["dim"], codes, wanted, stops).to(copied.device)
        if adapt == "lora":
            add_lora(copied.body(-1), rank=8, alpha=16.0)
        elif adapt == "full":
            copied.network.requires_grad_(True)
    cells = np.flatnonzero(tokens.lengths > 0)
    history = fit_task(
        copied,
        task,
        tokens,
        cells,
        cells[: max(1, len(cells) // 4)],
        max_epochs=max_epochs,
        patience=2,
        lr=lr or (1e-4 if adapt == "full" else 1e-3),
        seed=seed,
    )
    if history.attrs["interrupted"]:  # a fold is nothing without the others
        raise KeyboardInterrupt
    return _mean_probabilities(task, copied, tokens, test)


def _by_class(genes: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
    return [genes[codes[genes] == c] for c in np.unique(codes[genes])]


def _mean_probabilities(
    task: GeneClassification, model: "NetworkModel", tokens: Tokens, genes: np.ndarray
) -> np.ndarray:
    slot = np.full(len(model.vocabulary) + 1, -1)
    slot[genes] = np.arange(len(genes))
    total, times = np.zeros((len(genes), task.head.out_features)), np.zeros(len(genes))
    for cells in model.batches(tokens):
        some = tokens.select(cells)
        row = slot[model.gene_of_token(some)]
        at = np.flatnonzero(row >= 0)
        if len(at):
            with model.computing():
                proba = task(model, some, at).double().softmax(dim=-1).cpu().numpy()
            np.add.at(total, row[at], proba)
            times += np.bincount(row[at], minlength=len(genes))
    return total / np.maximum(times, 1)[:, None]
