"""Annotation methods behind one protocol, one file each; baselines are a flag in the registry."""

from scgnn_tools.labels._protocol import Cells, LabelMethod
from scgnn_tools.labels._registry import METHODS, Entry, label_method

__all__ = ["METHODS", "Cells", "Entry", "LabelMethod", "label_method"]
