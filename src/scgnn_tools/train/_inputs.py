"""What a fine-tuning reads of an AnnData: classes of cells, expression over a vocabulary, the cells that train and that validate."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import LabelError, MissingKeyError
from scgnn_tools._keys import UNKNOWN
from scgnn_tools._log import printable
from scgnn_tools.data import open_expression
from scgnn_tools.data.labels import clean_labels
from scgnn_tools.data.organism import of_one_organism
from scgnn_tools.fm import NetworkModel

if TYPE_CHECKING:
    from anndata import AnnData


def classes_of(adata: "AnnData", labels_key: str | None) -> tuple[np.ndarray, list[str]]:
    """Return the class of each cell, -1 where unknown, int64 (n_obs,), and the names of the classes."""
    if labels_key is None or labels_key not in adata.obs:
        there = ", ".join(map(printable, adata.obs.columns)) or "none"
        msg = f"task='classification' wants labels_key=, a column of obs; got {printable(labels_key)!r}, the columns are: {there}."
        raise MissingKeyError(msg)
    clean = clean_labels(adata.obs[labels_key], unlabeled_category=UNKNOWN)
    labels = pd.Categorical(pd.Series(clean).where(clean != ""))
    if len(labels.categories) < 2:
        msg = f"obs[{labels_key!r}] has {len(labels.categories)} classes; at least 2 are wanted."
        raise LabelError(msg)
    return labels.codes.astype(np.int64), [str(c) for c in labels.categories]


def expression_of(model: NetworkModel, adata: "AnnData", names: dict[str, Any]) -> sp.csr_array:
    """Return log-normalised expression over the vocabulary, CSR float32 (n_obs, n_vocabulary)."""
    expression = open_expression(adata, layer=names["layer"])
    found = model.match(expression, gene_key=names["gene_key"], organism=names["organism"])
    expression, found = of_one_organism(expression, found)
    parts = [sp.csr_array(block @ found.projection()) for _, block in expression.lognorm_rows()]
    return sp.csr_array(sp.vstack(parts, format="csr"), dtype=np.float32)


def split(cells: np.ndarray, codes: np.ndarray | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a tenth of the cells for validation, of each class where there are classes; small classes keep all in training."""
    groups = [cells] if codes is None else [cells[codes[cells] == c] for c in np.unique(codes[cells])]
    held = [rng.permutation(g)[: len(g) // 10] for g in groups]
    validation = np.sort(np.concatenate(held))
    if len(validation) == 0:
        validation = np.sort(rng.permutation(cells)[: max(1, len(cells) // 10)])
    return np.setdiff1d(cells, validation), validation
