"""Predictors of regulatory links behind one protocol, one file each; baselines are a flag in the registry."""

from scgnn_tools.links._protocol import (
    Interruptible,
    LinkPredictor,
    Modelled,
    Saved,
    WithEvidence,
    WithMessages,
    check_pairs,
)
from scgnn_tools.links._registry import PREDICTORS, Entry, link_predictor, predictor_name

__all__ = [
    "PREDICTORS", "Entry", "Interruptible", "LinkPredictor", "Modelled", "Saved", "WithEvidence", "WithMessages", "check_pairs",
    "link_predictor", "predictor_name",
]  # fmt: skip
