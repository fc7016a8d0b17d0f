"""A trained scGraPhT: what it answers, the states behind an answer, and all of it as arrays and plain data."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.mixture import rarity
from scgnn_tools.labels.saving import nested, part
from scgnn_tools.labels.scgrapht import fusion
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.graphs import Graph
from scgnn_tools.labels.scgrapht.intake import CellVectors, Intake
from scgnn_tools.labels.scgrapht.network import PathwayNetwork
from scgnn_tools.labels.scgrapht.options import Lambda, Options
from scgnn_tools.labels.scgrapht.partner import Partner
from scgnn_tools.labels.scgrapht.tuned import TunedEncoder

CSR = ("data", "indices", "indptr")


@dataclass(frozen=True)
class FittedScGraPhT:
    """All that an answer depends on.

    Attributes
    ----------
    intake
        What the graph takes from cells.
    assembler
        The graph, and the rows of cells that ask.
    network
        The trained network.
    inputs
        What each of its layers takes from the graph's nodes; None for the first, whose input is constant.
    other
        What the network is fused with; None if it answers alone.
    fuse, lam
        How, and the weight of the network.
    """

    intake: Intake
    assembler: Assembler
    network: PathwayNetwork
    inputs: list[Tensor | None]
    other: Partner | None
    fuse: fusion.Fuse
    lam: float = 1.0

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        graph, other = self.graph_scores(cells), self.other_scores(cells)
        return graph if other is None else fusion.normalized(fusion.mix(self.lam, graph, other, self.fuse))

    def graph_scores(self, cells: Cells) -> np.ndarray:
        """Return the log-probabilities of the graph network alone, (n_cells, n_classes)."""
        with torch.no_grad():
            return self.network.classify(self._states(cells)).double().cpu().numpy()

    def other_scores(self, cells: Cells) -> np.ndarray | None:
        """Return the log-probabilities that the graph network is fused with, (n_cells, n_classes); None if there are none."""
        return None if self.other is None else self.other.scores(cells)

    def represent(self, cells: Cells) -> np.ndarray:
        """Return what the last layer sees of each cell, float32 (n_cells, d)."""
        with torch.no_grad():
            return self._states(cells).cpu().numpy()

    def _states(self, cells: Cells) -> Tensor:
        rows = self.assembler.asked(self.intake.edges(cells), self.intake.vectors_of(cells))
        return self.network.asked(rows, self.inputs)

    def weighed(
        self, lam: Lambda, validation: Cells, validation_labels: np.ndarray, labels: np.ndarray
    ) -> "FittedScGraPhT":
        """Return it with the λ that the options ask for: a number, the one learned, or that which the validation cells choose.

        Parameters
        ----------
        lam
            Of the options.
        validation, validation_labels
            Cells on which λ is searched.
        labels
            Of the training cells: by how rare a class is among them, its cells count.
        """
        if self.other is None:
            return self
        if self.network.logit_lambda is not None:
            return replace(self, lam=float(torch.sigmoid(self.network.logit_lambda.detach())))
        if lam != "validation":
            return replace(self, lam=float(lam))
        if len(validation) == 0:
            return replace(self, lam=fusion.EXPECTED)
        graph, other = self.graph_scores(validation), self.other.scores(validation)
        return replace(self, lam=fusion.choose(graph, other, validation_labels, rarity(labels), self.fuse))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays by name, and what JSON can hold.

        The graph's cells are among them only where cells that ask are compared with them (CC), and a known graph of its genes as far as
        it lies between these.
        """
        graph, steps, vectors = self.assembler.graph, self.network.steps, self.intake.vectors
        out: dict[str, Any] = {"genes": self.intake.genes, "gene_degree": graph.gene_degree}
        out |= {f"network.{k}": v.cpu().numpy() for k, v in self.network.state_dict().items()}
        out |= {f"input.{i}": h.cpu().numpy() for i, h in enumerate(self.inputs) if h is not None}
        if vectors is not None:
            out |= vectors.state()
        if self.other is not None:
            out |= nested(**{self.other.kept_as: self.other.state()})
        if "CC" in steps:
            out |= {f"cells.{k}": getattr(graph.cells, k) for k in CSR}
            if steps[0] == "CC" and vectors is not None:
                out["vectors"] = self.assembler.vectors
        if graph.gene_graph is not None:
            out |= {f"gene_graph.{k}": getattr(graph.gene_graph, k) for k in CSR}
        d, n_classes = out["network.convs.0.weight"].shape[0], out["network.head.weight"].shape[0]
        return out, {"lam": self.lam, "attached": graph.attached, "d": d, "n_classes": n_classes}

    @classmethod
    def restore(
        cls,
        tensors: dict[str, np.ndarray],
        config: dict[str, Any],
        options: Options,
        steps: tuple[str, ...],
        other: Partner | None,
        encoder: TunedEncoder | None,
        device: torch.device,
    ) -> "FittedScGraPhT":
        """Return what :meth:`state` was asked of, given the same options, the untrained other side of the fusion, and who gives vectors."""
        if other is not None:
            other = other.restore(part(tensors, other.kept_as))
        vectors = CellVectors.restore(tensors, encoder) if options.takes_vectors(steps) else None
        intake = Intake(tensors["genes"], options.values, vectors)
        network = options.network(steps, config["d"], config["n_classes"], of_genes=tensors.get("network.of_genes"))
        network = network.to(device).eval()
        network.load_state_dict({k: torch.as_tensor(v) for k, v in part(tensors, "network").items()})
        n_genes, how = len(intake.genes), (options.normalize, options.sparsify, config["attached"])
        cells = _csr(part(tensors, "cells"), n_genes)
        if cells is None:
            cells = sp.csr_array((0, n_genes), dtype=np.float32)
        known = _csr(part(tensors, "gene_graph"), n_genes)
        graph = Graph(steps, cells, *how, tensors["gene_degree"], gene_graph=known)
        # whether a first product was made decides how rows are assembled; its values are in the inputs already
        first = None if vectors is None else np.zeros((0, config["d"]), np.float32)
        assembler = Assembler(graph, first, tensors.get("vectors"), device)
        inputs = {int(k): assembler.tensor(v) for k, v in part(tensors, "input").items()}
        return cls(
            intake,
            assembler,
            network,
            [inputs.get(i) for i in range(len(steps))],
            other,
            options.fuse,
            float(config["lam"]),
        )


def _csr(parts: dict[str, np.ndarray], n_columns: int) -> sp.csr_array | None:
    return sp.csr_array(tuple(parts[k] for k in CSR), shape=(len(parts["indptr"]) - 1, n_columns)) if parts else None
