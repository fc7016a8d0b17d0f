"""scGPT (Cui et al., Nature Methods 2024)."""

from scgnn_tools.fm.scgpt.checkpoint import ASSETS, card, load, recognises
from scgnn_tools.fm.scgpt.model import ScGPT

__all__ = ["ASSETS", "ScGPT", "card", "load", "recognises"]
