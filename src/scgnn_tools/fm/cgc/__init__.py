"""Cell-Graph Compass (Fang et al., bioRxiv 2024)."""

from scgnn_tools.fm.cgc.checkpoint import ASSETS, card, load, recognises
from scgnn_tools.fm.cgc.model import CGC

__all__ = ["ASSETS", "CGC", "card", "load", "recognises"]
