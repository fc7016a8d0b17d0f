"""Annotation methods behind one protocol, one file each; baselines are a flag in the registry."""

from scgnn_tools.labels._protocol import (
    Cells,
    Ensemble,
    Interruptible,
    LabelMethod,
    Modelled,
    Resolved,
    Saved,
    WithGradients,
    WithParts,
)
from scgnn_tools.labels._registry import METHODS, Entry, label_method, resolved, train_size

__all__ = [
    "METHODS", "Cells", "Ensemble", "Entry", "Interruptible", "LabelMethod", "Modelled", "Resolved", "Saved", "WithGradients",
    "WithParts", "label_method", "resolved", "train_size",
]  # fmt: skip
