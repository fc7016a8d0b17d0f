"""Perturbations: methods that predict the change that one makes, behind one protocol, one file each, and their scores."""

from scgnn_tools.perturbation._protocol import Effects, PerturbationMethod, PerturbedCells
from scgnn_tools.perturbation._registry import METHODS, perturbation_method
from scgnn_tools.perturbation.relations import Relations, relations

__all__ = [
    "METHODS",
    "Effects",
    "PerturbationMethod",
    "PerturbedCells",
    "Relations",
    "perturbation_method",
    "relations",
]
