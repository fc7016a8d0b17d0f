"""scBiGNN: a gene-level and a cell-level graph network that teach each other."""

from scgnn_tools.labels.scbignn.method import ScBiGNN

__all__ = ["ScBiGNN"]
