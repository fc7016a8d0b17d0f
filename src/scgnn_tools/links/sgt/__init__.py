"""Our own predictor: counting, then what genes that are alike say, stacked out of fold."""

from scgnn_tools.links.sgt.predictor import SGT

__all__ = ["SGT"]
