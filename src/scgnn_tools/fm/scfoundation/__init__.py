"""scFoundation (Hao et al., Nature Methods 2024)."""

from scgnn_tools.fm.scfoundation.checkpoint import ASSETS, card, load, recognises
from scgnn_tools.fm.scfoundation.model import ScFoundation

__all__ = ["ASSETS", "ScFoundation", "card", "load", "recognises"]
