"""Who may see what: splits of cells and of pairs of genes, and the audit for leaks."""

from scgnn_tools.splits.audit import audit_pairs
from scgnn_tools.splits.cells import split_cells
from scgnn_tools.splits.pairs import (
    SPLITS,
    degree_matched,
    degree_matched_unseen_tf,
    random_pair,
    split_pairs,
    target_rate,
    unseen_target,
    unseen_tf,
)

__all__ = [
    "SPLITS",
    "audit_pairs",
    "degree_matched",
    "degree_matched_unseen_tf",
    "random_pair",
    "split_cells",
    "split_pairs",
    "target_rate",
    "unseen_target",
    "unseen_tf",
]
