"""Annotation methods behind one protocol, one file each; baselines are a flag in the registry."""

from scgnn_tools.labels._protocol import Cells, Ensemble, Interruptible, LabelMethod, WithParts
from scgnn_tools.labels._registry import METHODS, Entry, label_method

__all__ = ["METHODS", "Cells", "Ensemble", "Entry", "Interruptible", "LabelMethod", "WithParts", "label_method"]
