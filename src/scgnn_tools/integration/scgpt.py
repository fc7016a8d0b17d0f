"""``scgpt``: an scGPT tuned on cells of several batches without labels (Cui et al., Nature Methods 2024, "batch correction").

Hidden bins from the genes and from the cell, with the batch beside the input of both decoders, + 10 × elastic similarity + an adversary
that guesses the batch, and a norm a batch at the input. Where we differ from the published script: genes that a cell does not express are
no tokens (and there is no loss of zeros), the statistics of a batch's norm are measured once on the cells that train and do not follow the
batch at hand, and a pretrained network is given what it is used to when the tuning begins.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from scgnn_tools._choices import choice
from scgnn_tools._errors import InputValueError
from scgnn_tools.data import Tokens, length_batches
from scgnn_tools.fm.scgpt.model import MASK_VALUE, ScGPT
from scgnn_tools.integration.tuned import TunedNetwork
from scgnn_tools.nn.domains import DomainNorm

NORM = "norm."


class ScGPTBatches(TunedNetwork):
    """A pretrained scGPT, tuned to hold what the batch does not explain.

    Parameters
    ----------
    model, checkpoint
        A loaded scGPT, or the folder of its weights; it is tuned in a copy.
    dsbn
        Whether each batch has a norm of its own at the input. A new batch then has none, and is refused; without it new batches are mapped.
    ecs, dar, beta, dar_schedule, max_epochs, patience, max_cells, device, devices, folder, resume
        As in :class:`~scgnn_tools.integration.cgc.CGCBatches`.
    lr
        Ten times the learning rate, which falls in a straight line.
    """

    mask_value, cell_over = MASK_VALUE, "masked"

    def __init__(
        self,
        *,
        model: ScGPT | None = None,
        checkpoint: str | Path | None = None,
        dsbn: bool = True,
        ecs: float = 10.0,
        dar: float = 1.0,
        beta: float = 0.8,
        dar_schedule: str = "constant",
        max_epochs: int = 15,
        patience: int = 3,
        lr: float = 1e-3,
        max_cells: int = 32,
        device: str = "auto",
        devices: int = 1,
        folder: str | Path | None = None,
        resume: bool = True,
    ) -> None:
        super().__init__(
            "scgpt",
            ScGPT,
            needed=True,
            model=model,
            checkpoint=checkpoint,
            ecs=ecs,
            dar=dar,
            beta=beta,
            dar_schedule=dar_schedule,
            max_epochs=max_epochs,
            patience=patience,
            lr=lr,
            max_cells=max_cells,
            device=device,
            devices=devices,
            folder=folder,
            resume=resume,
        )
        self.dsbn = choice("dsbn", dsbn, (True, False))
        self._norm: DomainNorm | None = None

    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`restore` needs beside the network."""
        norm = {} if self._norm is None else self._norm.state_dict()
        return super().state() | {NORM + k: v.cpu().numpy() for k, v in norm.items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Become the fitted method whose :meth:`state` this is and whose network was passed as ``checkpoint``."""
        super().restore(arrays)
        norm = {k.removeprefix(NORM): torch.as_tensor(v) for k, v in arrays.items() if k.startswith(NORM)}
        if norm:
            made = DomainNorm.empty(*norm["mean"].shape)
            made.load_state_dict(norm)
            self._put(made.to(self.model.device).eval().requires_grad_(False))

    def save_network(self, folder: Path) -> None:
        """Write the tuned network as ``fm.load`` reads it; the norms of the batches are in :meth:`state`."""
        self.model.network.batch_norm = self._was
        try:
            super().save_network(folder)
        finally:
            self.model.network.batch_norm = self._was if self._norm is None else self._norm

    def _borrowed(self) -> Any:
        out = super()._borrowed()
        self._was, self._norm = out.network.batch_norm, None
        return out

    def _put(self, norm: DomainNorm) -> None:
        self._norm = self.model.network.batch_norm = norm

    def _prepare(self, tokens: Tokens, batch: np.ndarray, n_batches: int) -> None:
        if self.dsbn:
            self._put(self._measured(tokens, batch, n_batches).to(self.model.device))

    def _measured(self, tokens: Tokens, batch: np.ndarray, n_batches: int) -> DomainNorm:
        """Return a norm with the mean and variance of each batch's tokens at the input, as the pretrained network is given them."""
        network, device = self.model.network, self.model.device
        dim = int(self.model.config["dim"])
        double: dict[str, Any] = {"dtype": torch.float64, "device": device}
        total, square = (torch.zeros(n_batches, dim, **double) for _ in range(2))
        count = torch.zeros(n_batches, **double)
        for some in length_batches(self.model.lengths(tokens), max_tokens=self.model.max_tokens):
            part = tokens.select(some)
            with torch.inference_mode():
                ids = torch.as_tensor(part.ids, dtype=torch.long, device=device)
                x = network.embed(ids, torch.as_tensor(part.values, device=device)).double()
            domain = torch.as_tensor(np.repeat(batch[some], part.lengths), device=device)
            total.index_add_(0, domain, x)
            square.index_add_(0, domain, x**2)
            count += torch.bincount(domain, minlength=n_batches)
        n = count.clamp(min=1).unsqueeze(1)
        mean = total / n
        return DomainNorm(mean.float(), (square / n - mean**2).clamp(min=0).float(), count.float())

    def _batch_vectors(self, tokens: Tokens, batch: np.ndarray) -> np.ndarray:
        if self._norm is not None:
            if batch.min(initial=0) < 0:
                msg = "Each batch has a norm of its own; some cells are of a batch that was not fitted. Fit with dsbn=False to map those."
                raise InputValueError(msg)
            self._norm.domains = torch.as_tensor(np.repeat(batch, tokens.lengths), device=self.model.device)
        return super()._batch_vectors(tokens, batch)
