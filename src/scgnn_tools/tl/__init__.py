"""The tools: embed cells and genes, annotate cells, integrate batches, predict perturbations, infer networks, group and classify genes."""

from scgnn_tools.tl._annotate import annotate
from scgnn_tools.tl._classify_genes import classify_genes
from scgnn_tools.tl._compare_grn import compare_grn
from scgnn_tools.tl._embed import embed
from scgnn_tools.tl._evaluate_grn import evaluate_grn
from scgnn_tools.tl._explain import explain
from scgnn_tools.tl._export_grn import export_grn
from scgnn_tools.tl._gene_programs import gene_programs
from scgnn_tools.tl._grn_from_edges import grn_from_edges
from scgnn_tools.tl._in_silico import in_silico
from scgnn_tools.tl._infer_grn import infer_grn
from scgnn_tools.tl._integrate import integrate
from scgnn_tools.tl._knockout_bulk import knockout_bulk
from scgnn_tools.tl._noise_study import noise_study
from scgnn_tools.tl._perturb import perturb
from scgnn_tools.tl._regulons import regulons
from scgnn_tools.tl._tf_activity import tf_activity
from scgnn_tools.tl._tf_knockout import tf_knockout

__all__ = [
    "annotate",
    "classify_genes",
    "compare_grn",
    "embed",
    "evaluate_grn",
    "explain",
    "export_grn",
    "gene_programs",
    "grn_from_edges",
    "in_silico",
    "infer_grn",
    "integrate",
    "knockout_bulk",
    "noise_study",
    "perturb",
    "regulons",
    "tf_activity",
    "tf_knockout",
]
