"""Preparation: which genes a model knows, and the graphs that the models run on."""

from scgnn_tools.pp._cell_graph import cell_graph
from scgnn_tools.pp._expression_graph import expression_graph
from scgnn_tools.pp._gene_graph import gene_graph
from scgnn_tools.pp._match_genes import match_genes
from scgnn_tools.pp._prior_graph import prior_graph

__all__ = ["cell_graph", "expression_graph", "gene_graph", "match_genes", "prior_graph"]
