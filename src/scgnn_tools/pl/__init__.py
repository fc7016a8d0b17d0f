"""Figures; each function returns a matplotlib Figure."""

from scgnn_tools.pl._annotation import annotation
from scgnn_tools.pl._grn import grn

__all__ = ["annotation", "grn"]
