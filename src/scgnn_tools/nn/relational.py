"""Attention over edges of several relations between nodes of several types, as in QA-GNN and scTransNet."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.nn.edges import Edges
from scgnn_tools.nn.mlp import MLP

FORWARD, REVERSE, ITSELF = 0, 1, 2
N_RELATIONS, N_TYPES = 3, 2


@dataclass(frozen=True)
class RelationalGraph:
    """Messages both ways over directed edges, and from each node to itself.

    Attributes
    ----------
    edges
        Who receives from whom.
    relation
        Of each edge: along it (0), against it (1), itself (2), int64 (n_edges,). Where two nodes know each other, both go along.
    types
        Of each node, int64 (n_nodes,).
    """

    edges: Edges
    relation: Tensor
    types: Tensor

    @property
    def kind(self) -> Tensor:
        """Relation and the types of both ends of each edge as one number, int64 (n_edges,)."""
        sender, receiver = self.types[self.edges.sender], self.types[self.edges.receiver]
        return (self.relation * N_TYPES + sender) * N_TYPES + receiver


def relational_graph(
    directed: sp.csr_array, types: np.ndarray, *, device: torch.device | None = None
) -> RelationalGraph:
    """Return the graph of directed edges, source in the row (n, n), and the type of each node (n,)."""
    n = directed.shape[0]
    source, target = directed.nonzero()
    codes = {FORWARD: target * n + source, REVERSE: source * n + target, ITSELF: np.arange(n) * (n + 1)}
    code = np.concatenate(list(codes.values()))
    relation = np.concatenate([np.full(len(c), r) for r, c in codes.items()])
    code, first = np.unique(code, return_index=True)  # the first: along before against
    matrix = sp.csr_array((np.ones(len(code), dtype=np.float32), (code // n, code % n)), shape=(n, n))
    return RelationalGraph(
        Edges(matrix, device=device),
        torch.as_tensor(relation[first], device=device),
        torch.as_tensor(np.asarray(types, dtype=np.int64), device=device),
    )


class RelationVectors(nn.Module):
    r"""Vectors of node types :math:`u` and of relations, :math:`r_{st} = f_r([\tilde r_{st}, u_s, u_t])`, which the layers share.

    Shapes
    ------
    -> u (n_types, width), r (n_relations × n_types × n_types, width)
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.types, self.relations = nn.Embedding(N_TYPES, width), nn.Embedding(N_RELATIONS, width)
        self.f_r = MLP(3 * width, width, width)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the vectors of the types, and of every relation between every two types."""
        u = self.types.weight
        parts = torch.cartesian_prod(*(torch.arange(k, device=u.device) for k in (N_RELATIONS, N_TYPES, N_TYPES))).T
        return u, self.f_r(torch.cat([self.relations(parts[0]), u[parts[1]], u[parts[2]]], dim=1))


class RelationalAttention(nn.Module):
    r"""One layer of relational graph attention (Yasunaga et al., NAACL 2021; scTransNet).

    Node ``t`` receives :math:`v'_t = f_n(\sum_s \alpha_{st} m_{st}) + v_t` over its neighbours and itself, with
    :math:`m_{st} = f_m([v_s, u_s, r_{st}])`, :math:`\alpha_{st} = \mathrm{softmax}_s\, q_s \cdot k_{st} / \sqrt{D}`,
    :math:`q_s = f_q([v_s, u_s])`, :math:`k_{st} = f_k([v_t, u_t, r_{st}])`. There are twelve different :math:`r_{st}`, so that messages and
    keys fall into a term of the node and one of the relation, and nothing of size edges × width is kept.

    Parameters
    ----------
    in_features, out_features
        Widths; the residual goes through a linear map where they differ.
    width
        Of the vectors of types and relations.
    heads
        Of the attention; ``out_features`` is divided among them.
    dropout
        Inside :math:`f_n`.

    Shapes
    ------
    graph (n nodes), v (n, in_features), u (2, width), r (12, width) -> (n, out_features)
    """

    def __init__(
        self, in_features: int, out_features: int, *, width: int = 32, heads: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.heads, self.n = heads, in_features
        self.f_q = nn.Linear(in_features + width, out_features)
        self.f_k = nn.Linear(in_features + 2 * width, out_features)
        self.f_m = nn.Linear(in_features + 2 * width, out_features)
        self.f_n = MLP(out_features, out_features, out_features, dropout=dropout)
        same = in_features == out_features
        self.residual = nn.Identity() if same else nn.Linear(in_features, out_features, bias=False)

    def _split(self, f: nn.Linear, v: Tensor, u: Tensor, types: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        """Return the term of each node and of each kind of relation of ``f([v, u, r])``, by heads: (n, heads, d), (kinds, heads, d)."""
        width = u.shape[1]
        w_v, w_u, w_r = f.weight.split([self.n, width, f.in_features - self.n - width], dim=1)
        of_node = F.linear(v, w_v, f.bias) + F.linear(u, w_u)[types]
        of_kind = F.linear(r, w_r) if w_r.shape[1] else of_node[:0]
        return of_node.unflatten(1, (self.heads, -1)), of_kind.unflatten(1, (self.heads, -1))

    def forward(self, graph: RelationalGraph, v: Tensor, u: Tensor, r: Tensor) -> Tensor:
        """Return the next state of each node."""
        edges, kind, types = graph.edges, graph.kind, graph.types
        q, _ = self._split(self.f_q, v, u, types, r)
        k, k_kind = self._split(self.f_k, v, u, types, r)
        m, m_kind = self._split(self.f_m, v, u, types, r)
        out = []
        for h in range(self.heads):
            logits = edges.dot(k[:, h], q[:, h]) + (q[:, h] @ k_kind[:, h].T)[edges.sender, kind]
            alpha = edges.softmax(logits / math.sqrt(q.shape[-1]))
            by_kind = alpha.new_zeros(len(v) * len(r)).index_add(0, edges.receiver * len(r) + kind, alpha)
            out.append(edges.sum(alpha, m[:, h]) + by_kind.view(len(v), -1) @ m_kind[:, h])
        return self.f_n(torch.cat(out, dim=1)) + self.residual(v)
