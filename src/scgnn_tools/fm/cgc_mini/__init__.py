"""``cgc-mini``: a cell graph without non-linear steps, in which a cell node sums the messages of all its genes."""

from scgnn_tools.fm.cgc_mini.checkpoint import card, load
from scgnn_tools.fm.cgc_mini.network import CGCMini, CGCMiniSettings

__all__ = ["CGCMini", "CGCMiniSettings", "card", "load"]
