"""Models for who wants the knobs."""

from scgnn_tools.links import link_predictor

__all__ = ["link_predictor"]
