"""Metrics: arrays in, numbers out, one file a task."""

from scgnn_tools.metrics._annotation import annotation
from scgnn_tools.metrics._grn import grn

__all__ = ["annotation", "grn"]
