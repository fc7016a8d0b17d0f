"""Training loops."""

from scgnn_tools.train._resume import weights_digest
from scgnn_tools.train.finetune import FineTuner
from scgnn_tools.train.full_batch import epoch_rng, fit_full_batch, seeded
from scgnn_tools.train.signals import handed_back

__all__ = ["FineTuner", "epoch_rng", "fit_full_batch", "handed_back", "seeded", "weights_digest"]
