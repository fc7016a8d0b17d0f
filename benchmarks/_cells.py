"""The labelled sets of cells, as annotation methods take them."""

from collections.abc import Mapping
from pathlib import Path

import anndata as ad
import numpy as np

import scgnn_tools as sgt
from scgnn_tools.annotation.inputs import ReferencePart, known_cells, open_query, shared_genes
from scgnn_tools.annotation.query import Query
from scgnn_tools.data import open_expression
from scgnn_tools.fm import FoundationModel
from scgnn_tools.genes import gene_names
from scgnn_tools.labels import Cells

BLOOD = {
    "B": "B", "NK": "NK", "CD8 T": "CD8", "Naive CD4 T": "CD4", "Memory CD4 T": "CD4", "CD14+ Mono": "Mono", "FCGR3A+ Mono": "Mono",
    "bcells": "B", "nk": "NK", "cytotoxict": "CD8", "naivecytotoxic": "CD8", "naivet": "CD4", "memoryt": "CD4", "thelper": "CD4",
    "regulatoryt": "CD4", "monocytes": "Mono",
}  # fmt: skip
"""One vocabulary for the FACS-sorted cells and pbmc3k; dendritic cells and platelets have no counterpart and are left out."""

OF_68K = {
    "CD14+ Monocyte": "Mono", "CD19+ B": "B", "CD56+ NK": "NK", "CD4+/CD25 T Reg": "CD4", "CD4+/CD45RO+ Memory": "CD4",
    "CD4+/CD45RA+/CD25- Naive T": "CD4", "CD8+ Cytotoxic T": "CD8", "CD8+/CD45RA+ Naive Cytotoxic": "CD8",
}  # fmt: skip
OF_KANG = {"B": "B", "NK": "NK", "CD8T": "CD8", "CD4T": "CD4", "CD14+Mono": "Mono", "FCGR3A+Mono": "Mono"}
ISLET = ["alpha", "beta", "delta", "gamma"]


def read(data: Path, name: str) -> ad.AnnData:
    """Return a set of ``cells``, or of ``FOLDER/NAME``."""
    return ad.read_h5ad(data / (f"{name}.h5ad" if "/" in name else f"cells/{name}.h5ad"))


def named(adata: ad.AnnData, column: str = "cell_type", names: dict[str, str] | None = None) -> np.ndarray:
    """Return the labels, on the vocabulary of ``names`` if it is given; "" where a cell has none in it."""
    labels = adata.obs[column].astype(str)
    return (labels if names is None else labels.map(names).fillna("")).to_numpy()


def cells_of(adata: ad.AnnData) -> Cells:
    """Return the cells with vectors of the bundled model."""
    opened, vectors = open_expression(adata), sgt.fm.load(sgt.fm.best_bundled()).embed_cells(adata)
    return Cells(opened.log_normalized(), vectors, gene_names(adata.var), opened.cell_totals())


def references_and_query(
    references: Mapping[str, ad.AnnData], query: ad.AnnData, model: FoundationModel
) -> tuple[Cells, Query]:
    """Return all cells of all references, labelled or not, and those of the query, over the genes that all have."""
    how = {"use_rep": None, "layer": None, "gene_key": None}
    parts = {n: ReferencePart(a, np.full(a.n_obs, "?"), np.full(a.n_obs, n)) for n, a in references.items()}
    asked, known = open_query(query, model, organism=None, **how), known_cells(parts, model, **how)
    shared = shared_genes(known, asked, model)
    return known.cells(shared, model), asked.query(shared, model)
