"""scBiGNN with the knobs."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from scgnn_tools._deprecated import renamed
from scgnn_tools._threads import by_size
from scgnn_tools.models._cell_labels import CellLabelModel
from scgnn_tools.train.arguments import Devices, from_ckpt_path

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData


class ScBiGNN(CellLabelModel):
    """scBiGNN (GenBio workshop at NeurIPS 2023): a gene-level and a cell-level graph network that teach each other.

    Parameters
    ----------
    adata
        Cells × genes, after :meth:`setup_anndata` or :meth:`setup_mudata`.
    use_rep, model
        As in :class:`~scgnn_tools.models._cell_labels.CellLabelModel`; both networks read expression alone.
    rng
        Seed.
    options
        ``protocol`` ("clean", or "paper" for what the paper says), ``read_out`` ("p", the cell-level network, "q", the gene-level one, or
        "both"), and the fields of
        :class:`scgnn_tools.labels.scbignn.config.Config`: ``n_genes``, ``k``, ``iterations``, ``sample``, ….

    Attributes
    ----------
    history
        DataFrame, a row an epoch: ``step`` ("q0", "p0", "q1", "p1", …), ``loss``, ``validation``, and ``homophily``, of the edges of the
        step's graph between labelled cells.
    classes
        The labels that it can give.

    Examples
    --------
    >>> sgt.models.ScBiGNN.setup_anndata(adata, labels_key="partly")
    >>> model = sgt.models.ScBiGNN(adata, n_genes=200, iterations=1).train(max_epochs=2)
    >>> adata.obs["predicted"] = model.predict()
    >>> genes = model.gene_importance()
    """

    method = "scbignn"

    @renamed(ckpt_path=from_ckpt_path)
    @by_size
    def train(
        self,
        max_epochs: int | None = None,
        *,
        accelerator: str = "auto",
        devices: Devices = "auto",
        early_stopping: bool = True,
        batch_size: int | None = None,
        resume: bool = True,
        folder: "str | Path | None" = None,
        patience: int | None = None,
        train_size: float | None = None,
        transductive: bool = True,
    ) -> Self:
        """Train as :meth:`CellLabelModel.train` says, with at most ``max_epochs`` epochs a step of EM; the unlabelled cells take part."""
        return super().train(
            max_epochs,
            accelerator=accelerator,
            devices=devices,
            early_stopping=early_stopping,
            batch_size=batch_size,
            resume=resume,
            folder=folder,
            patience=patience,
            train_size=train_size,
            transductive=transductive,
        )

    def gene_importance(self, adata: "AnnData | MuData | None" = None, *, groups: Any = None) -> pd.DataFrame:
        """Return the attention that each gene receives, genes × groups, highest total first; genes that are no tokens are left out.

        Parameters
        ----------
        adata
            Other cells than those of training.
        groups
            Group of each cell, (n_obs,); None takes the predicted labels.
        """
        fitted, (cells, _) = self._trained(), self._ask(adata)
        groups = np.asarray(self.predict(adata) if groups is None else groups).astype(str)
        columns = {g: fitted.gene_importance(cells.take(np.flatnonzero(groups == g))) for g in np.unique(groups)}
        out = pd.DataFrame(columns, index=pd.Index(self._setup.genes)).dropna()
        return out.loc[out.sum(axis=1).sort_values(ascending=False, kind="stable").index]
