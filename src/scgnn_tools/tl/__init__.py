"""The tools: embed cells and genes, annotate cells, infer gene regulatory networks, group and classify genes."""

from scgnn_tools.tl._annotate import annotate
from scgnn_tools.tl._classify_genes import classify_genes
from scgnn_tools.tl._embed import embed
from scgnn_tools.tl._gene_programs import gene_programs
from scgnn_tools.tl._infer_grn import infer_grn

__all__ = ["annotate", "classify_genes", "embed", "gene_programs", "infer_grn"]
