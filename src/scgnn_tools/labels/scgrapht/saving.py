"""What a trained scGraPhT is, as arrays and plain data."""

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
import torch

from scgnn_tools.labels.pca import GenePCA
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.experts import Experts
from scgnn_tools.labels.scgrapht.graphs import Graph

if TYPE_CHECKING:
    from scgnn_tools.labels.scgrapht.method import ScGraPhT


def state(method: "ScGraPhT") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return arrays by name, and what JSON can hold.

    The graph's cells are among them only where cells that ask are compared with them (CC).
    """
    graph, network = method._assembler.graph, method._network
    out: dict[str, Any] = {"genes": method.genes, "gene_degree": graph._gene_degree}
    out |= {f"network.{k}": v.cpu().numpy() for k, v in network.state_dict().items()}
    out |= {f"input.{i}": h.cpu().numpy() for i, h in enumerate(method._inputs) if h is not None}
    if method.takes_vectors:
        out |= {"centre": method._centre, "spread": method._spread}
        out |= {f"pca.{k}": v for k, v in (method._pca.state() if method._pca else {}).items()}
    if method._encoder is not None:
        out |= {f"encoder.{k}": v.cpu().numpy() for k, v in method._encoder.parts().state_dict().items()}
    elif method._other is not None and not callable(
        method._other
    ):  # a function is given again when the model is loaded
        out |= {f"other.{k}": v for k, v in method._other.state().items()}
    if "CC" in method.steps:
        cells = graph.cells
        out |= {"cells.data": cells.data, "cells.indices": cells.indices, "cells.indptr": cells.indptr}
        if method.steps[0] == "CC" and method.takes_vectors:
            out["vectors"] = method._assembler.vectors
    d, n_classes = out["network.convs.0.weight"].shape[0], out["network.head.bias"].shape[0]
    return out, {"lam": method.lam, "attached": graph.attached, "d": d, "n_classes": n_classes}


def restore(method: "ScGraPhT", tensors: dict[str, np.ndarray], config: dict[str, Any]) -> None:
    """Put what :func:`state` gave into a method made with the same options."""

    def part(name: str) -> dict[str, np.ndarray]:
        return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}

    method.genes, method.lam = tensors["genes"], float(config["lam"])
    method._network = method._build(config["d"], config["n_classes"]).eval()
    method._network.load_state_dict({k: torch.as_tensor(v) for k, v in part("network").items()})
    inputs = {int(k): method._tensor(v) for k, v in part("input").items()}
    method._inputs = [inputs.get(i) for i in range(len(method.steps))]
    if method.takes_vectors:
        method._centre, method._spread = tensors["centre"], tensors["spread"]
        method._pca = GenePCA().restore(part("pca")) if part("pca") else None
    if method._encoder is not None:
        weights = {k: torch.as_tensor(v) for k, v in part("encoder").items()}
        method._encoder.parts().load_state_dict(weights)
        method._other = lambda cells: method._encode(cells)[1]
    elif callable(method.logits):
        method._other = method.logits
    else:
        experts = Experts(vectors_only=method.logits == "vectors")
        method._other = experts.restore(part("other")) if method.fused else None
    csr, n_genes = part("cells"), len(method.genes)
    cells = sp.csr_array((0, n_genes), dtype=np.float32)
    if csr:
        cells = sp.csr_array((csr["data"], csr["indices"], csr["indptr"]), shape=(len(csr["indptr"]) - 1, n_genes))
    graph = Graph(method.steps, cells, method.options.normalize, method.options.sparsify, config["attached"])
    graph._gene_degree = tensors["gene_degree"]
    # whether a first product was made decides how rows are assembled; its values are in the inputs already
    first = np.zeros((0, config["d"]), np.float32) if method.takes_vectors else None
    method._assembler = Assembler(graph, first, tensors.get("vectors"), method.device)
