"""Knock-outs in bulk: which genes change, and which way; methods behind one protocol, one file each, and their scores."""

from scgnn_tools.perturbation.bulk._protocol import CLASSES, Experiments, KnockoutMethod
from scgnn_tools.perturbation.bulk._registry import METHODS, knockout_method

__all__ = ["CLASSES", "METHODS", "Experiments", "KnockoutMethod", "knockout_method"]
