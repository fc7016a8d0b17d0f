"""Training loops."""

from scgnn_tools.train.finetune import FineTuner
from scgnn_tools.train.full_batch import epoch_rng, fit_full_batch, seeded

__all__ = ["FineTuner", "epoch_rng", "fit_full_batch", "seeded"]
