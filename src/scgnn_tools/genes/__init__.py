"""Who a gene is: names, Ensembl ids, aliases, orthologs, and which gene of a model each gene of the data is."""

from scgnn_tools.genes.match import GeneMatch, human_symbols, match
from scgnn_tools.genes.names import canonical_symbols, detect_organism, gene_names, is_gene
from scgnn_tools.genes.tables import gene_ontology, positions, prior, transcription_factors

__all__ = [
    "GeneMatch",
    "canonical_symbols",
    "detect_organism",
    "gene_names",
    "gene_ontology",
    "human_symbols",
    "is_gene",
    "match",
    "positions",
    "prior",
    "transcription_factors",
]
