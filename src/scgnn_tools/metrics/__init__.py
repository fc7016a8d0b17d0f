"""Metrics: arrays in, numbers out, one file a task."""

from scgnn_tools.metrics._annotation import annotation

__all__ = ["annotation"]
