"""Metrics: arrays in, numbers out, one file a task."""

from scgnn_tools.metrics._annotation import annotation, expected_calibration_error, reliability
from scgnn_tools.metrics._grn import curves, grn, per_tf

__all__ = ["annotation", "curves", "expected_calibration_error", "grn", "per_tf", "reliability"]
