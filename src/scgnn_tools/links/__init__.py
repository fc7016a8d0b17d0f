"""Predictors of regulatory links behind one protocol, one file each; baselines are a flag in the registry."""

from scgnn_tools.links._protocol import LinkPredictor
from scgnn_tools.links._registry import PREDICTORS, link_predictor

__all__ = ["PREDICTORS", "LinkPredictor", "link_predictor"]
