"""Training on all data at once, with early stopping: what a graph network on cached vectors needs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

import pandas as pd
import torch
from torch import nn

from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, seed
from scgnn_tools._settings import settings


def fit_full_batch(
    build: Callable[[], nn.Module],
    loss: Callable[[nn.Module], torch.Tensor],
    validate: Callable[[nn.Module], float],
    *,
    max_epochs: int = 300,
    patience: int = 30,
    lr: float = 1e-2,
    weight_decay: float = 0.0,
    rng: RNG = 0,
    what: str = "train",
) -> tuple[nn.Module, pd.DataFrame]:
    """Train a module on the whole training set each epoch; keep the weights that validate best.

    Ctrl-C stops the training and keeps the best weights so far; it is raised again only if there are none yet.

    Parameters
    ----------
    build
        Makes the module; called under the seed, so that its first weights follow ``rng``.
    loss
        Loss on the training set, given the module in training mode.
    validate
        Score on the validation set, lower is better, given the module in evaluation mode without gradients.
    max_epochs, patience
        Most epochs, and how many may pass without a better score.
    lr, weight_decay
        Of Adam.
    rng
        Seed; no global random state is left changed.
    what
        Name on the progress bar.

    Returns
    -------
    module, history
        The module in evaluation mode with its best weights; a DataFrame with ``loss`` and ``validation`` an epoch.
    """
    rows: list[tuple[float, float]] = []
    best, best_score, since = None, float("inf"), 0
    with _seeded(seed(rng)):
        module = build()
        optimizer = torch.optim.Adam(module.parameters(), lr=lr, weight_decay=weight_decay)
        try:
            for _ in progress(range(max_epochs), total=max_epochs, what=what, unit="epoch"):
                module.train()
                optimizer.zero_grad()
                value = loss(module)
                value.backward()
                optimizer.step()
                module.eval()
                with torch.no_grad():
                    score = validate(module)
                rows.append((float(value.detach()), score))
                if score < best_score:
                    best, best_score, since = deepcopy(module.state_dict()), score, 0
                else:
                    since += 1
                    if since >= patience:
                        break
        except KeyboardInterrupt:
            if best is None:
                raise
    if best is not None:
        module.load_state_dict(best)
    return module.eval(), pd.DataFrame(rows, columns=["loss", "validation"])


@contextmanager
def _seeded(value: int) -> Iterator[None]:
    """Seed PyTorch for a while, deterministic if the settings ask for it, then put everything back."""
    deterministic, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(value)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(value)
        torch.use_deterministic_algorithms(settings.deterministic, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
