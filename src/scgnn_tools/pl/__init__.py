"""Figures; each function returns a matplotlib Figure, `grn` a page too."""

from scgnn_tools.pl._annotation import annotation
from scgnn_tools.pl._gene_programs import gene_programs
from scgnn_tools.pl._grn import grn
from scgnn_tools.pl._training import training

__all__ = ["annotation", "gene_programs", "grn", "training"]
