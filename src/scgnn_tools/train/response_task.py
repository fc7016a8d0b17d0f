"""The objective of Cell-Graph Compass for perturbations: from a control cell and flags of the perturbed genes to a perturbed cell."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.data import Tokens
from scgnn_tools.nn.heads import ExpressionDecoder
from scgnn_tools.train.tasks import Task

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel

UNTOUCHED, PERTURBED, PADDING = 0, 1, 2


class Response(Task):
    """Mean squared error of all measured genes of a perturbed cell, from a control cell of its batch and type (Eq. 14 of the paper).

    Where we differ, by option: with ``residual`` the head adds to the control cell, so that it need not learn the cell anew. In training
    each perturbed cell gets another control cell each time; in validation it keeps its first.

    Parameters
    ----------
    dim
        Width of the hidden states.
    controls, cells
        Log-normalised values over the vocabulary of control cells and of perturbed ones, CSR (n, n_vocabulary).
    partners
        Control cells of each perturbed cell's batch and type, by the code of it: positions among ``controls``.
    stratum
        That code, int64 (n_cells,).
    flags
        Whether a gene is perturbed, bool (n_cells, n_vocabulary).
    measured
        Whether it is measured, bool (n_vocabulary,); others have no truth.
    residual
        See above.
    """

    def __init__(
        self,
        dim: int,
        controls: sp.csr_array,
        cells: sp.csr_array,
        partners: list[np.ndarray],
        stratum: np.ndarray,
        flags: np.ndarray,
        measured: np.ndarray,
        *,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.controls, self.cells, self.partners, self.stratum = controls, cells, partners, stratum
        self.flags, self.measured, self.residual = flags, measured, residual
        self.special = nn.Embedding(3, dim, padding_idx=PADDING)
        self.head = ExpressionDecoder(dim)
        if residual:  # it begins with no change
            last = cast("nn.Linear", self.head.fc[-1])
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def change(self, model: "NetworkModel", tokens: Tokens, flags: np.ndarray) -> Tensor:
        """Return the predicted change of every gene of dense cells, (n_cells, n_vocabulary)."""
        n, length = tokens.n_cells, int(tokens.lengths[0])
        # the cell's token is flagged, too: every gene looks at it
        codes = np.where(np.concatenate([flags.any(axis=1, keepdims=True), flags], axis=1), PERTURBED, UNTOUCHED)
        special = self.special(torch.as_tensor(codes.ravel(), device=model.device))
        hidden = cast("Any", model).hidden(tokens, special=special)[0].float()
        out = self.head(hidden).reshape(n, length)[:, 1:]
        if self.residual:
            return out
        return out - torch.as_tensor(tokens.values, device=model.device).reshape(n, length)[:, 1:]

    def loss(self, model: "NetworkModel", tokens: Tokens, cells: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the squared error."""
        own = [self.partners[s] for s in self.stratum[cells]]
        pick = np.array(
            [p[rng.integers(len(p))] if self.training else p[c % len(p)] for p, c in zip(own, cells, strict=True)]
        )
        x = np.asarray(self.controls[pick].todense())
        dense = dense_tokens(tokens, x)
        truth = torch.as_tensor(np.asarray(self.cells[cells].todense()) - x, device=model.device)
        made = self.change(model, dense, self.flags[cells])
        keep = torch.as_tensor(self.measured, device=model.device)
        return F.mse_loss(made[:, keep], truth[:, keep])


def dense_tokens(tokens: Tokens, values: np.ndarray) -> Tokens:
    """Return tokens that hold every gene, zeros too, with these values behind the cell token, float32 (n_cells, n_vocabulary)."""
    cls = np.asarray(tokens.values).reshape(len(values), -1)[:, :1]
    return Tokens(tokens.ids, np.concatenate([cls, values], axis=1).astype(np.float32).ravel(), tokens.offsets)
