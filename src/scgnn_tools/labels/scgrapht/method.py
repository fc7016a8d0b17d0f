"""``scgrapht``: scGraPhT as an annotation method."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from scgnn_tools._device import resolve_device
from scgnn_tools._random import RNG, seed
from scgnn_tools._write import as_path
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.gene_graph import COSINE
from scgnn_tools.labels.scgrapht import entries, fusion, gradients, options
from scgnn_tools.labels.scgrapht.build import Builder
from scgnn_tools.labels.scgrapht.experts import Experts, Given
from scgnn_tools.labels.scgrapht.fitted import FittedScGraPhT
from scgnn_tools.labels.scgrapht.graphs import Values
from scgnn_tools.labels.scgrapht.joint import fit_joint
from scgnn_tools.labels.scgrapht.network import Activation
from scgnn_tools.labels.scgrapht.options import Lambda, Logits, Protocol, Scheme
from scgnn_tools.labels.scgrapht.partner import Partner
from scgnn_tools.labels.scgrapht.pathway import parse
from scgnn_tools.labels.scgrapht.similarity import Sparsify
from scgnn_tools.labels.scgrapht.training import Problem, fit_graph
from scgnn_tools.labels.scgrapht.tuned import TunedEncoder
from scgnn_tools.train import FineTuner
from scgnn_tools.train.together import ALONE, start_together


class ScGraPhT:
    """Graph network over cells and genes, fused with a classifier of the cells' vectors.

    Parameters
    ----------
    protocol
        "clean" stops on validation cells and chooses λ on them; a cell that asks is linked to the training cells alone. "code" has the
        published code's settings: all cells in the graph, bins as weights, 3,000 epochs, the last weights, λ = 0.7, log mixing. "paper"
        has the equations of the paper instead where the two differ: probabilities are mixed, ReLU, bins among the chosen genes, a
        foundation model's vectors of genes where genes come first, the loss of the fusion under every λ. Both train on 90 % of the
        labelled cells. Options that are given beside it hold in its place.
    pathway
        "P1" (GG-CG), "P2" (GC-CG), "P3" (CG-CC), "P4" (CC-CC), or any steps that fit: "CG", "CG-GC-CG", …. None is "CG", the best in our
        measurements when fused, and P2, the best in the paper's, where vectors have to go in ("embedding", "joint") and for its protocol.
        Under the protocol "clean" a graph of cells (CC) has at most 20,000 landmarks, of every class; other cells are attached when they
        ask.
    scheme
        "graph": the graph alone; "embedding": the cells' vectors go in where cells come first; "embedding+logits": fused with a classifier
        besides; "joint": a fine-tuned foundation model is trained on with it, through its logits. The paper's names GO, EO, EL and JT do.
    logits
        The classifier: "vectors", a logistic regression on the vectors; "experts", that one mixed with logistic regression on PCA and
        the nearest class mean; or any function of :class:`~scgnn_tools.labels.Cells` that returns log-probabilities, (n_cells, n_classes),
        as a fine-tuned foundation model's (:func:`~scgnn_tools.labels.scgrapht.tuned_logits`).
    lam
        Weight of the graph network: a number; "validation", searched on validation cells, close to the classifier's side while these are
        few, and never where the fusion is behind the classifier on them by more than a standard error; or "learned", by gradients, on
        validation cells too, while the network learns on the training cells.
    fuse
        "prob" mixes probabilities, as the paper; "log" their logarithms, as the published code.
    activation
        "repo": layer norm, and LeakyReLU from the second layer on; "paper": ReLU.
    normalize
        "row", "sym" or "none": see :class:`~scgnn_tools.labels.scgrapht.graphs.Graph`.
    values
        Weights of cell–gene edges: "log", log-normalised expression; "binned", scGPT's bins; "binned-chosen", bins
        among the graph's genes alone.
    sparsify
        Of the cosine graphs (CC, GG): 15 keeps the most similar 15 of a node, 0.5 cosines from there on, "adaptive" those that stand out,
        "whole" all. None is 15, and "whole" for the paper's protocol.
    gene_graph
        Of the step GG: "cosine", of the genes' expression in the graph's cells, or the name of a graph that comes with the training cells
        (``Cells.gene_graph``; in :func:`scgnn_tools.tl.annotate` and :class:`scgnn_tools.models.ScGraPhT` the key of ``varp`` that holds
        it). An edge goes from the gene of the row to that of the column, which hears it: a target hears its regulators. Negative weights
        count by their size, and a gene that has no edge to itself gets one, as heavy as the heaviest of the graph. ``normalize`` holds for
        it as for the others, and "sym" divides by what a gene hears and by what its sender sends.
    n_genes, genes
        Genes of the graph: so many "telling" (their means differ most between classes) or "variable" ones.
    gene_inputs
        What is known of a gene where genes come first: "identity", nothing but which one it is, or "vectors", those that the foundation
        model has for it, of ``encoder`` or the best bundled one. "identity" unless the protocol is "paper".
    principal
        Principal components that are put beside the vectors; none by default.
    encoder, encoder_lr
        For "joint": a trained ``FineTuner(task="classification")`` of the same classes, which is copied, and the learning rate of its
        weights.
    width, dropout
        Of the network; each layer has half the width of the one before.
    balance
        Power of the size of a class by which its cells count less: 0 none, 1 all classes alike.
    lr, weight_decay
        Of Adam.
    max_epochs, patience
        Most epochs, and how many may pass without a better validation loss; None trains all and keeps the last weights. "protocol" is 30
        for "clean" and None for the published ones.
    batch_size
        Training cells of a step, with sampled neighbours; None takes all of them up to 500,000, 8,192 above, and 32 for "joint". In a
        pathway of one step, as the default's, none are sampled, and None takes 2,048 above 8,192 (with protocol="clean").
    device
        Where to train.
    devices
        GPUs, or processes on the CPU, of "joint": a step sees ``batch_size`` cells on each. The script is started once for each.
    checkpoint
        File that keeps the state of training and is gone on from.

    Attributes
    ----------
    fitted
        After :meth:`fit`: all that an answer depends on.
    history, interrupted
        An epoch a row; whether Ctrl-C ended the training.
    """

    def __init__(
        self,
        *,
        protocol: Protocol = "clean",
        pathway: str | None = None,
        scheme: Scheme | Literal["GO", "EO", "EL", "JT"] = "embedding+logits",
        logits: Logits = "experts",
        lam: Lambda | None = None,
        fuse: fusion.Fuse | None = None,
        activation: Activation | None = None,
        normalize: Literal["none", "row", "sym"] | None = None,
        values: Values | None = None,
        sparsify: Sparsify | None = None,
        gene_graph: str = COSINE,
        n_genes: int | None = None,
        genes: Literal["telling", "variable"] | None = None,
        gene_inputs: options.GeneInputs | None = None,
        principal: int | None = None,
        width: int = 256,
        dropout: float = 0.2,
        balance: float | None = None,
        lr: float | None = None,
        weight_decay: float = 5e-5,
        max_epochs: int | None = None,
        patience: int | Literal["protocol"] | None = "protocol",
        batch_size: int | None = None,
        encoder: FineTuner | None = None,
        encoder_lr: float = 1e-5,
        device: str = "auto",
        devices: int = 1,
        checkpoint: str | Path | None = None,
    ) -> None:
        scheme = options.scheme_of(scheme)
        self.steps = parse(options.default_pathway(protocol, scheme) if pathway is None else pathway)
        self.options = options.resolve(
            protocol,
            {
                "scheme": scheme, "fuse": fuse, "lam": lam, "activation": activation, "normalize": normalize, "values": values,
                "sparsify": sparsify, "gene_graph": gene_graph, "n_genes": n_genes, "genes": genes,
                "gene_inputs": gene_inputs, "principal": principal, "width": width, "dropout": dropout,
                "balance": balance, "lr": lr, "weight_decay": weight_decay, "max_epochs": max_epochs, "patience": patience,
            },
        )  # fmt: skip
        options.check_together(
            self.options,
            self.steps,
            logits,
            tuned=encoder is not None,
            devices=devices,
            batch_size=batch_size,
            encoder_lr=encoder_lr,
        )
        self.devices, self._encoder = devices, None if encoder is None else TunedEncoder(encoder)
        self.encoder_lr = encoder_lr
        self.logits, self.batch_size = logits, batch_size
        self.checkpoint = None if checkpoint is None else as_path("checkpoint", checkpoint)
        self.device = resolve_device(device)
        self.interrupted = False
        self.history = pd.DataFrame()
        self.fitted: FittedScGraPhT

    @property
    def train_size(self) -> float:
        """Share of the labelled cells that the protocol trains on."""
        return options.TRAIN_SIZE[self.options.protocol]

    @property
    def params(self) -> dict[str, Any]:
        """All options as they hold, the protocol's where none were given; after :meth:`fit` with the λ that was taken.

        With a known graph of genes also its ``gene_graph_edges``, those between two genes of the graph.
        """
        out = {
            **vars(self.options),
            "pathway": "-".join(self.steps),
            "logits": self.logits,
            "batch_size": self.batch_size,
        }
        if self._encoder is not None:
            out["encoder_lr"] = self.encoder_lr
        if "fitted" not in vars(self):
            return out
        known = self.fitted.assembler.graph.gene_graph
        edges = {} if known is None else {"gene_graph_edges": known.nnz - np.count_nonzero(known.diagonal())}
        return out | edges | {"lam_taken": self.lam}

    @property
    def lam(self) -> float:
        """Weight of the graph network in the fusion."""
        return self.fitted.lam

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "ScGraPhT":
        """Train on the training cells; the validation cells stop the training and choose λ."""
        n_classes, together, other = int(labels.max()) + 1, ALONE, self._beside()
        if self._encoder is not None:
            self._encoder.check(n_classes)
            together, self.device = start_together(self.devices, self.device)
            self._encoder.move(self.device)
        builder = Builder(self.options, self.steps, self._encoder, self.device)
        intake, assembler, members, own = builder.build(train, labels, validation, unlabeled)
        if other is not None:
            other.fit(train, labels, validation, validation_labels)
        problem = Problem(
            self.options, intake, assembler, members, own, validation_labels, n_classes, other, self.batch_size, self.checkpoint, seed(rng),
            together,
        )  # fmt: skip
        network, self.history, nodes = (
            fit_graph(problem) if self._encoder is None else fit_joint(problem, self._encoder, self.encoder_lr)
        )
        self.interrupted = bool(self.history.attrs["interrupted"])
        with torch.no_grad():
            inputs = network.inputs(nodes)
        fitted = FittedScGraPhT(intake, assembler, network, inputs, other, self.options.fuse)
        self.fitted = fitted.weighed(self.options.lam, validation, validation_labels, own)
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        return self.fitted.scores(cells)

    def graph_scores(self, cells: Cells) -> np.ndarray:
        """Return the log-probabilities of the graph network alone, (n_cells, n_classes)."""
        return self.fitted.graph_scores(cells)

    def other_scores(self, cells: Cells) -> np.ndarray | None:
        """Return the log-probabilities that the graph network is fused with, (n_cells, n_classes); None if there are none."""
        return self.fitted.other_scores(cells)

    def part_scores(self, cells: Cells) -> dict[str, np.ndarray]:
        """Return the log-probabilities of each side of the fusion alone, (n_cells, n_classes) each; nothing if it has a graph alone."""
        other = self.other_scores(cells)
        return {} if other is None else {"graph": self.graph_scores(cells), "experts": other}

    def represent(self, cells: Cells) -> np.ndarray:
        """Return what the last layer sees of each cell, float32 (n_cells, d)."""
        return self.fitted.represent(cells)

    def reached(self, how: str) -> tuple[bool, bool]:
        """Tell whether "gradcam" or "integrated_gradients" reach genes, and whether they reach entries of the vectors."""
        genes = self.steps[-1] == "CG" and (how != "gradcam" or len(self.steps) > 1)
        return genes, how == "gradcam" and self.options.takes_vectors(self.steps)

    def gene_importance(self, how: str, cells: Cells, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the importance of the graph's genes for each class, and which columns they are; see ``gradients.py``."""
        gradient = gradients.gradcam if how == "gradcam" else gradients.integrated_gradients
        return gradient(self.fitted, cells, codes)

    def entry_importance(
        self, train: Cells, labels: np.ndarray, cells: Cells, codes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return that of the vectors' entries for the graph, without principal components, and beside it; see ``entries.py``."""
        vectors = entries.of_vectors(self.fitted, train, labels, cells, codes)
        return entries.of_graph(self.fitted, cells, codes)[: len(vectors)], vectors

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return all that :meth:`restore` needs."""
        return self.fitted.state()

    def restore(self, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> "ScGraPhT":
        """Become the method that :meth:`state` was asked of; it was made with the same options."""
        self.fitted = FittedScGraPhT.restore(
            tensors, config, self.options, self.steps, self._beside(), self._encoder, self.device
        )
        return self

    def _beside(self) -> Partner | None:
        """Return the other side of the fusion, not fitted yet; None if the graph network answers alone."""
        if not self.options.fused:
            return None
        if self._encoder is not None:
            return self._encoder
        return Given(self.logits) if callable(self.logits) else Experts(vectors_only=self.logits == "vectors")
