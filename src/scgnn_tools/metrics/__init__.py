"""Metrics: arrays in, numbers out, one file a task."""

from scgnn_tools.metrics._annotation import annotation, expected_calibration_error, reliability
from scgnn_tools.metrics._energy import energy_distance
from scgnn_tools.metrics._grn import auprc_difference, curves, grn, per_tf
from scgnn_tools.metrics._groups import eta2
from scgnn_tools.metrics._integration import integration, integration_controls
from scgnn_tools.metrics._knockout import confusion_scores, knockout
from scgnn_tools.metrics._perturbation import perturbation

__all__ = [
    "annotation",
    "auprc_difference",
    "confusion_scores",
    "curves",
    "energy_distance",
    "eta2",
    "expected_calibration_error",
    "grn",
    "integration",
    "integration_controls",
    "knockout",
    "per_tf",
    "perturbation",
    "reliability",
]
