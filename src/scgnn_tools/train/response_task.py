"""The objective of Cell-Graph Compass and scGPT for perturbations: from a control cell and flags to a perturbed cell."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.data import Tokens
from scgnn_tools.nn.embeddings import N_SPECIAL, PERTURBED, UNTOUCHED, special_table
from scgnn_tools.nn.heads import AffineDecoder, ExpressionDecoder
from scgnn_tools.train.tasks import Task

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel

Head = Literal["value", "affine"]


@dataclass(frozen=True)
class EveryGene:
    """Tokens of cells that all hold the same genes, zeros too; those of a batch are made when they are asked for.

    Attributes
    ----------
    ids
        Of the genes, int32 (n_genes,).
    first
        Id and value of the cell token; None for cells without one.
    n_cells
        How many there are.
    """

    ids: np.ndarray
    first: tuple[int, float] | None
    n_cells: int

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each cell, int64 (n_cells,)."""
        return np.full(self.n_cells, len(self.ids) + (self.first is not None), dtype=np.int64)

    def select(self, cells: np.ndarray) -> Tokens:
        """Return the tokens of some cells, their values 0."""
        return self.with_values(np.zeros((len(cells), len(self.ids)), dtype=np.float32))

    def with_values(self, values: np.ndarray) -> Tokens:
        """Return the tokens of as many cells with these values, float32 (n, n_genes)."""
        n, ids, x = len(values), np.tile(self.ids, (len(values), 1)), np.asarray(values, dtype=np.float32)
        if self.first is not None:
            ids = np.concatenate([np.full((n, 1), self.first[0]), ids], axis=1)
            x = np.concatenate([np.full((n, 1), self.first[1], dtype=np.float32), x], axis=1)
        return Tokens(ids.astype(np.int32).ravel(), x.ravel(), np.arange(n + 1, dtype=np.int64) * ids.shape[1])


class Response(Task):
    """Mean squared error of all measured genes of a perturbed cell, from a control cell of its batch and type (Eq. 14 of the paper).

    Where we differ, by option: with ``residual`` the head begins with no change, so that it need not learn the cell anew. In training
    each perturbed cell gets another control cell each time; in validation it keeps its first.

    Parameters
    ----------
    dim
        Width of the hidden states.
    shape
        The tokens of a cell.
    controls, cells
        Log-normalised values over the genes of ``shape`` of control cells and of perturbed ones, CSR (n, n_genes).
    partners
        Control cells of each perturbed cell's batch and type, by the code of it: positions among ``controls``.
    stratum
        That code, int64 (n_cells,).
    flags
        Whether a gene is perturbed, bool (n_cells, n_genes).
    measured
        Whether it is measured, bool (n_genes,); others have no truth.
    head
        "value", three layers that give the value (Cell-Graph Compass), or "affine", a multiple of the control's value plus a shift (scGPT).
    residual
        See above.
    special
        Table of special tokens to begin with, (3, dim); None draws one.
    """

    def __init__(
        self,
        dim: int,
        shape: EveryGene,
        controls: sp.csr_array,
        cells: sp.csr_array,
        partners: list[np.ndarray],
        stratum: np.ndarray,
        flags: np.ndarray,
        measured: np.ndarray,
        *,
        head: Head = "value",
        residual: bool = True,
        special: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.controls, self.cells, self.partners, self.stratum = shape, controls, cells, partners, stratum
        self.flags, self.measured, self.residual = flags, measured, residual
        self.special = special_table(N_SPECIAL, dim, special)
        self.head: nn.Module = ExpressionDecoder(dim) if head == "value" else AffineDecoder(dim)
        if residual:  # it begins with no change
            parts = [self.head] if head == "value" else [self.head.shift, self.head.multiple]  # type: ignore[list-item]
            for part in parts:
                last = cast("nn.Linear", cast("ExpressionDecoder", part).fc[-1])
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)
            if head == "affine":
                nn.init.ones_(last.bias)  # once the value

    def change(self, model: "NetworkModel", tokens: Tokens, flags: np.ndarray) -> Tensor:
        """Return the predicted change of every gene of cells as ``shape`` makes them, (n_cells, n_genes)."""
        n, n_genes = flags.shape
        before = int(self.shape.first is not None)
        # the cell's token is flagged, too: every gene looks at it
        marked = np.concatenate([np.asarray(flags.any(axis=1)).reshape(n, 1).repeat(before, axis=1), flags], axis=1)
        codes = np.where(marked, PERTURBED, UNTOUCHED)
        special = self.special(torch.as_tensor(codes.ravel(), device=model.device))
        hidden = cast("Any", model).hidden(tokens, special=special)[0].float()
        values = torch.as_tensor(tokens.values, device=model.device)
        affine = isinstance(self.head, AffineDecoder)
        out = self.head(hidden, values) if affine else self.head(hidden)
        if affine or not self.residual:
            out = out - values
        return out.reshape(n, before + n_genes)[:, before:]

    def loss(self, model: "NetworkModel", tokens: Tokens, cells: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the squared error."""
        own = [self.partners[s] for s in self.stratum[cells]]
        pick = np.array(
            [p[rng.integers(len(p))] if self.training else p[c % len(p)] for p, c in zip(own, cells, strict=True)]
        )
        x = np.asarray(self.controls[pick].todense())
        truth = torch.as_tensor(np.asarray(self.cells[cells].todense()) - x, device=model.device)
        made = self.change(model, self.shape.with_values(x), self.flags[cells])
        keep = torch.as_tensor(np.flatnonzero(self.measured), device=model.device)
        return F.mse_loss(made.index_select(1, keep), truth.index_select(1, keep))
