"""Who may see what: splits of cells, of perturbations and of pairs of genes, and the audit for leaks."""

from scgnn_tools.splits.audit import audit_pairs, audit_scaling
from scgnn_tools.splits.batches import split_batches
from scgnn_tools.splits.cells import split_cells
from scgnn_tools.splits.experiments import split_experiments
from scgnn_tools.splits.pairs import (
    SPLITS,
    degree_matched,
    degree_matched_unseen_tf,
    hard_balanced,
    random_pair,
    split_pairs,
    target_rate,
    unseen_target,
    unseen_tf,
)
from scgnn_tools.splits.perturbations import audit_perturbations, split_perturbations

__all__ = [
    "SPLITS",
    "audit_pairs",
    "audit_perturbations",
    "audit_scaling",
    "degree_matched",
    "degree_matched_unseen_tf",
    "hard_balanced",
    "random_pair",
    "split_batches",
    "split_cells",
    "split_experiments",
    "split_pairs",
    "split_perturbations",
    "target_rate",
    "unseen_target",
    "unseen_tf",
]
