"""scNetFormer: Geneformer whose pretraining goes on with a gene graph."""

from scgnn_tools.fm.scnetformer.checkpoint import card, load
from scgnn_tools.fm.scnetformer.graph import TokenGraph
from scgnn_tools.fm.scnetformer.importance import tf_importance
from scgnn_tools.fm.scnetformer.model import ScNetFormer

__all__ = ["ScNetFormer", "TokenGraph", "card", "load", "tf_importance"]
