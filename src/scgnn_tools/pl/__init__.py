"""Figures; each function returns a matplotlib Figure, and takes `ax`, `show`, `save` and `return_fig`; `grn` makes a page too."""

from scgnn_tools.pl._annotation import annotation
from scgnn_tools.pl._calibration import calibration
from scgnn_tools.pl._confusion import confusion
from scgnn_tools.pl._embedding_report import embedding_report
from scgnn_tools.pl._explain import explain
from scgnn_tools.pl._explain_entries import explain_entries
from scgnn_tools.pl._gene_classes import gene_classes
from scgnn_tools.pl._gene_programs import gene_programs
from scgnn_tools.pl._grn import grn
from scgnn_tools.pl._grn_difference import grn_difference
from scgnn_tools.pl._grn_evaluation import grn_evaluation
from scgnn_tools.pl._grn_noise import grn_noise
from scgnn_tools.pl._in_silico import in_silico
from scgnn_tools.pl._integration import integration
from scgnn_tools.pl._knockout_bulk import knockout_bulk
from scgnn_tools.pl._lambda_curve import lambda_curve
from scgnn_tools.pl._perturbation import perturbation
from scgnn_tools.pl._regulons import regulon_heatmap, regulon_specificity
from scgnn_tools.pl._sankey import annotation_sankey
from scgnn_tools.pl._training import training

__all__ = [
    "annotation",
    "annotation_sankey",
    "calibration",
    "confusion",
    "embedding_report",
    "explain",
    "explain_entries",
    "gene_classes",
    "gene_programs",
    "grn",
    "grn_difference",
    "grn_evaluation",
    "grn_noise",
    "in_silico",
    "integration",
    "knockout_bulk",
    "lambda_curve",
    "perturbation",
    "regulon_heatmap",
    "regulon_specificity",
    "training",
]
