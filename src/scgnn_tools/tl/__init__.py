"""The tools: embed cells and genes, annotate cells, infer gene regulatory networks."""

from scgnn_tools.tl._annotate import annotate
from scgnn_tools.tl._embed import embed
from scgnn_tools.tl._infer_grn import infer_grn

__all__ = ["annotate", "embed", "infer_grn"]
