"""Training loops."""

from scgnn_tools.train.full_batch import fit_full_batch

__all__ = ["fit_full_batch"]
