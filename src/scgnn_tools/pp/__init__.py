"""Preparation: which genes a model knows, and the graphs that the models run on."""

from scgnn_tools.pp._match_genes import match_genes

__all__ = ["match_genes"]
