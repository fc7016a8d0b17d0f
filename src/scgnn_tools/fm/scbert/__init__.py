"""scBERT (Yang et al., Nature Machine Intelligence 2022)."""

from scgnn_tools.fm.scbert.checkpoint import ASSETS, card, load, recognises
from scgnn_tools.fm.scbert.model import ScBERT

__all__ = ["ASSETS", "ScBERT", "card", "load", "recognises"]
