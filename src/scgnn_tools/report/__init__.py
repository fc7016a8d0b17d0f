"""One self-contained page of all that was done to an object: what was asked, the tables beside their baselines, the figures."""

from scgnn_tools.report.page import report

__all__ = ["report"]
