"""Convolutions of torch-geometric under the interface of our layers, by name.

Imported only where one is asked for: our own layers say why the hot paths do without (:mod:`scgnn_tools.nn.sparse`).
"""

import inspect
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools._errors import InputValueError


def is_convolution(name: object) -> bool:
    """Return whether torch-geometric has a convolution of this name, such as "GATv2Conv"."""
    if not isinstance(name, str) or not name.endswith("Conv"):
        return False
    import torch_geometric.nn

    return hasattr(torch_geometric.nn, name)


def edge_index(matrix: sp.csr_array, *, device: torch.device | None = None) -> Tensor:
    """Return the edges of a graph, CSR (n_receiving, n_sending), as torch-geometric takes them: senders, receivers; int64 (2, n_edges)."""
    coo = sp.csr_array(matrix).tocoo()
    return torch.as_tensor(np.stack([coo.col, coo.row]).astype(np.int64), device=device)


class PygConvolution(nn.Module):
    """A convolution of torch-geometric that is made of two widths, in its own settings.

    Parameters
    ----------
    name
        Name of a class in ``torch_geometric.nn``.
    in_features, out_features
        Widths.
    bipartite
        Whether the nodes that receive are others than those that send. A loop of a node to itself, which some convolutions add, would then
        join strangers, and is left out.

    Shapes
    ------
    graph of :func:`edge_index`, h (n, in_features), or a pair of the senders' and the receivers' -> (n_receiving, out_features)

    Raises
    ------
    InputValueError
        If the class cannot be made of two widths, or takes no such graph.
    """

    def __init__(self, name: str, in_features: int, out_features: int, *, bipartite: bool = False) -> None:
        super().__init__()
        import torch_geometric.nn

        cls: Any = getattr(torch_geometric.nn, name)
        loops = bipartite and "add_self_loops" in inspect.signature(cls).parameters
        try:
            self.conv: nn.Module = cls(in_features, out_features, **({"add_self_loops": False} if loops else {}))
            with torch.no_grad():
                shape = self._tried(in_features, bipartite=bipartite).shape
        except (TypeError, ValueError, RuntimeError, AssertionError, AttributeError, NotImplementedError) as error:
            how = " and of senders that are no receivers" if bipartite else ""
            msg = f"{name} of torch-geometric is not made of two widths{how} alone ({error}). Take 'SAGEConv' or 'GATv2Conv', for example."
            raise InputValueError(msg) from error
        if shape != (2, out_features):
            msg = f"{name} of torch-geometric gives {shape[-1]} numbers a node where {out_features} are asked for; take another."
            raise InputValueError(msg)

    def forward(self, graph: Tensor, h: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Return what each node makes of what it hears."""
        out: Tensor = self.conv(h, graph)
        return out

    def _tried(self, width: int, *, bipartite: bool) -> Tensor:
        """Return what it says of two nodes, of three that send to two."""
        h = torch.zeros(3 if bipartite else 2, width)
        graph = torch.tensor([[0, 1], [1, 0]])
        training = self.conv.training
        out = self.conv.eval()((h, h[:2]) if bipartite else h, graph)
        self.conv.train(training)
        return out
