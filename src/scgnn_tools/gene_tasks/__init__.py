"""What vectors of genes tell, each answer beside its baselines: classes of genes, and programs of genes in cells.

``compare`` scores how well classes are told apart, ``find_programs`` groups genes whose vectors are alike; both take arrays.
"""

from scgnn_tools.gene_tasks.programs import find_programs
from scgnn_tools.gene_tasks.readers import forest
from scgnn_tools.gene_tasks.scoring import compare

__all__ = ["compare", "find_programs", "forest"]
