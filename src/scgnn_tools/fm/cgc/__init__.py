"""Cell-Graph Compass (Fang et al., bioRxiv 2024)."""

from scgnn_tools.fm.cgc.checkpoint import ASSETS, card, load, recognises
from scgnn_tools.fm.cgc.model import CGCModel

__all__ = ["ASSETS", "CGCModel", "card", "load", "recognises"]
