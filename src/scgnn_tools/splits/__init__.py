"""Who may see what: splits of cells and of pairs of genes, and the audit for leaks."""

from scgnn_tools.splits.cells import split_cells

__all__ = ["split_cells"]
