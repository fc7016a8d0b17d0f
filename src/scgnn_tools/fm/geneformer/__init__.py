"""Geneformer (Theodoris et al., Nature 2023), series V1 and V2."""

from scgnn_tools.fm.geneformer.checkpoint import ASSETS, card, load, recognises
from scgnn_tools.fm.geneformer.model import Geneformer

__all__ = ["ASSETS", "Geneformer", "card", "load", "recognises"]
