"""What a model that labels cells reads of an object: expression over the registered genes, vectors, classes and batches."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import fm
from scgnn_tools.annotation.gene_graph import read_graph
from scgnn_tools.annotation.inputs import one_object, own_vectors
from scgnn_tools.fm import FoundationModel
from scgnn_tools.labels import Cells
from scgnn_tools.models import _scvi
from scgnn_tools.store import digest

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@dataclass
class Reader:
    """How objects are read.

    Attributes
    ----------
    setup
        What was registered.
    use_rep
        Vectors of the cells in ``obsm``; None makes them with the model.
    model
        The foundation model, or its name; None is the best bundled one.
    """

    setup: _scvi.Setup
    use_rep: str | None
    model: FoundationModel | str | None
    _kept: tuple[str, Cells] | None = field(default=None, repr=False)

    def foundation(self) -> FoundationModel:
        """Return the foundation model, which is loaded once."""
        if not isinstance(self.model, FoundationModel):
            self.model = fm.load(fm.best_bundled() if self.model is None else self.model)
        return self.model

    def check(self, adata: "AnnData | MuData") -> None:
        """Refuse vectors or a model that are not there, before any work."""
        if self.use_rep is not None:
            own_vectors(_scvi.of_modality(adata, self.setup.modality), self.use_rep)
        if self.model is not None:
            self.foundation()

    def read(self, adata: "AnnData | MuData", *, keep: bool = False) -> tuple[Cells, np.ndarray, np.ndarray]:
        """Return cells, their classes (``len(classes)`` without a label) and batches (-1 if unknown).

        With ``keep`` the cells are remembered by what they hold, so that the same ones need no foundation model again.
        """
        laid_out = _scvi.transfer(self.setup, adata, use_rep=self.use_rep)
        content = digest(laid_out.X, *laid_out.obsm.values()) if keep or self._kept is not None else ""
        if self._kept is not None and self._kept[0] == content:
            cells = self._kept[1]
        else:
            how: dict[str, Any] = {"use_rep": self.use_rep, "layer": "X", "gene_key": None, "organism": None}
            cells, _ = one_object(laid_out, self.foundation(), **how)
        if keep:
            self._kept = content, cells
        codes = laid_out.obs["_scvi_labels"].to_numpy().astype(np.int64)
        return cells, codes, laid_out.obs["batch"].to_numpy()

    def names(self, adata: "AnnData | MuData") -> pd.Index:
        """Return the names of the cells."""
        return _scvi.of_modality(adata, self.setup.modality).obs_names

    def gene_graph(self, adata: "AnnData | MuData", key: str) -> tuple[sp.csr_array, pd.Index]:
        """Return a graph of genes out of ``varp``, and the names of its genes."""
        rna = _scvi.of_modality(adata, self.setup.modality)
        return read_graph(rna, key), rna.var_names.astype(str)
