"""From labelled cells to the graph that a training goes over: who is in it, what it takes from them, and its rows."""

import numpy as np
import scipy.sparse as sp
import torch

from scgnn_tools import fm
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.gene_graph import COSINE, heard
from scgnn_tools.labels.landmarks import MOST, landmarks
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.graphs import Graph, first_product
from scgnn_tools.labels.scgrapht.intake import CellVectors, Intake, choose_genes, vectors_of_genes
from scgnn_tools.labels.scgrapht.options import Options
from scgnn_tools.labels.scgrapht.tuned import TunedEncoder


class Builder:
    """Makes the graph of a training.

    Parameters
    ----------
    options, steps
        Of the method, and the pathway.
    encoder
        Whose vectors of cells and genes go in; None takes those of the cells, and of the best bundled model.
    device
        Where to compute.
    """

    def __init__(
        self, options: Options, steps: tuple[str, ...], encoder: TunedEncoder | None, device: torch.device
    ) -> None:
        self.options, self.steps, self.encoder, self.device = options, steps, encoder, device

    def build(
        self, train: Cells, labels: np.ndarray, validation: Cells, unlabeled: Cells | None
    ) -> tuple[Intake, Assembler, list[Cells], np.ndarray]:
        """Return what the graph takes from cells, the graph, the cells that train, validate or have no label, and the labels of the first.

        The published protocols have every cell in the graph; else there are the training cells alone, unless cells without labels are
        given to be looked at. A graph of cells (CC) under the protocol "clean" has landmarks; others are attached when they ask.
        """
        o, intake = self.options, self._intake(train, labels)
        known = None if o.gene_graph == COSINE else heard(train, intake.genes, o.gene_graph)
        if o.protocol == "clean" and "CC" in self.steps:
            some = landmarks(train, MOST, labels)
            train, labels = train.take(some), labels[some]
            if unlabeled is not None:
                unlabeled = unlabeled.take(landmarks(unlabeled, max(MOST - len(train), MOST // 2)))
        whole = o.protocol != "clean" or unlabeled is not None
        members = [train, validation, *([] if unlabeled is None else [unlabeled])]
        return intake, self._assemble(intake, members if whole else [train], known, attached=not whole), members, labels

    def _intake(self, train: Cells, labels: np.ndarray) -> Intake:
        o, vectors = self.options, None
        if o.takes_vectors(self.steps):
            # a tuned network tells the cells apart, as in the paper; vectors of a general one are nearly the same for all of them
            general = self.encoder is None
            vectors = CellVectors.fit(train, encoder=self.encoder, principal=o.principal, standardize=general)
        return Intake(choose_genes(train, labels, o.genes, o.n_genes), o.values, vectors)

    def _assemble(
        self, intake: Intake, members: list[Cells], known: sp.csr_array | None, *, attached: bool
    ) -> Assembler:
        edges = sp.csr_array(sp.vstack([intake.edges(c) for c in members], format="csr"))
        o = self.options
        graph = Graph(self.steps, edges, o.normalize, o.sparsify, attached, gene_graph=known)
        of_each = [intake.vectors_of(c) for c in members]
        vectors = None if intake.vectors is None else np.concatenate([v for v in of_each if v is not None])
        first = None if vectors is None else first_product(graph, vectors)
        return Assembler(graph, first, vectors, self.device, self._of_genes(intake, members[0]))

    def _of_genes(self, intake: Intake, cells: Cells) -> np.ndarray | None:
        if not self.options.takes_gene_vectors(self.steps):
            return None
        model = fm.load(fm.best_bundled()) if self.encoder is None else self.encoder.model
        return vectors_of_genes(cells, intake.genes, model)
