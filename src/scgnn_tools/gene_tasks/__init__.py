"""What vectors of genes tell, each answer beside its baselines: classes of genes.

``compare`` scores how well classes are told apart, and takes arrays.
"""

from scgnn_tools.gene_tasks.readers import forest
from scgnn_tools.gene_tasks.scoring import compare

__all__ = ["compare", "forest"]
