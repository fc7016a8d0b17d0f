"""Genes taken out of cells, or turned up, in the input of a model: how far its cells move, and whether that is more than like genes do."""

from scgnn_tools.perturbation.silico.run import Shifts, shifts_of

__all__ = ["Shifts", "shifts_of"]
