"""scBiGNN with the knobs."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._columns import without_value
from scgnn_tools._deprecated import renamed
from scgnn_tools._errors import InputValueError
from scgnn_tools._threads import by_size
from scgnn_tools.labels.scbignn.em import ROUND
from scgnn_tools.models._cell_labels import CellLabelModel
from scgnn_tools.train.arguments import Devices, from_ckpt_path

if TYPE_CHECKING:
    from collections.abc import Sequence
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
        As in :class:`~scgnn_tools.models._cell_labels.CellLabelModel`. They change no answer: both networks read expression alone. A
        ``use_rep`` saves the time of the embedding.
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

    def parts(self, adata: "AnnData | MuData | None" = None) -> dict[str, pd.DataFrame]:
        """Return the probabilities of the gene-level network "q" and of the cell-level network "p" alone, cells × classes.

        Parameters
        ----------
        adata
            Other cells than those of training.
        """
        return self._parts(adata, self._trained().of_both)

    @property
    def rounds(self) -> pd.DataFrame:
        """What each round of EM came to, on the cells that validate.

        ``accuracy_q`` and ``accuracy_p`` of the two networks, ``loss_p``, by which the round is chosen, and ``homophily`` of the round's
        graph between training cells beside ``homophily_raw`` of a graph of as many neighbours in principal components.
        """
        return pd.DataFrame(self._trained().table_of_rounds, columns=list(ROUND))

    def gene_graph(
        self, adata: "AnnData | MuData | None" = None, *, others: "Sequence[ScBiGNN]" = (), min_cells: int = 10
    ) -> pd.DataFrame:
        """Return the graph of genes that the gene-level network has learnt: the mean attention from one gene to another.

        Attention is averaged over all layers and heads, and over the cells that express both genes.

        Parameters
        ----------
        adata
            Other cells than those of training.
        others
            The same model trained with other seeds.
        min_cells
            Cells that have to express both genes: the attention of a pair that two cells express says little.

        Returns
        -------
        DataFrame with ``source``, ``target``, ``attention`` and ``n_cells`` of each pair, highest first. With ``others`` it has
        ``stability``: the share of the models in which the pair is among the highest twentieth of its pairs.
        """
        integer("min_cells", min_cells)
        like = isinstance(others, list | tuple) and all(
            isinstance(one, ScBiGNN) and one.genes == self.genes for one in others
        )
        if not like:
            msg = f"others is a list of trained ScBiGNN over the same genes; got {others!r}."
            raise InputValueError(msg)
        mean, n_cells = self._trained().gene_graph(self._ask(adata)[0])
        source, target = np.nonzero((n_cells >= min_cells) & ~np.eye(len(mean), dtype=bool))
        names = np.asarray(self.genes)
        out = pd.DataFrame({"source": names[source], "target": names[target], "attention": mean[source, target]})
        out["n_cells"] = n_cells[source, target].astype(np.int64)
        out = out.sort_values("attention", ascending=False, kind="stable", ignore_index=True)
        if others:
            asked = self.adata if adata is None else adata
            graphs = [out, *(one.gene_graph(asked, min_cells=min_cells) for one in others)]
            out["stability"] = np.mean([_pairs(out).isin(_pairs(_highest(graph))) for graph in graphs], axis=0)
        return out

    def gene_importance(self, adata: "AnnData | MuData | None" = None, *, groups: Any = None) -> pd.DataFrame:
        """Return the attention that each gene receives, genes × groups, highest total first; genes that are no tokens are left out.

        Parameters
        ----------
        adata
            Other cells than those of training.
        groups
            Group of each cell, (n_obs,), missing or blank for none; None takes the predicted labels.
        """
        fitted, (cells, _) = self._trained(), self._ask(adata)
        groups = np.asarray(self.predict(adata) if groups is None else groups)
        if groups.shape != (len(cells),):
            msg = (
                f"groups is of shape {groups.shape}; a group for each of the {len(cells):,} cells is wanted, (n_obs,)."
            )
            raise InputValueError(msg)
        has_one = ~without_value(groups)
        if not has_one.any():
            msg = "groups names no group: no cell has a value. Pass others, or leave groups out."
            raise InputValueError(msg)
        groups, cells = groups[has_one].astype(str), cells.take(np.flatnonzero(has_one))
        columns = {g: fitted.gene_importance(cells.take(np.flatnonzero(groups == g))) for g in np.unique(groups)}
        out = pd.DataFrame(columns, index=pd.Index(self.genes)).dropna()
        return out.loc[out.sum(axis=1).sort_values(ascending=False, kind="stable").index]


def _highest(graph: pd.DataFrame) -> pd.DataFrame:
    """Return the highest twentieth of the pairs of a graph."""
    values = graph["attention"].to_numpy()
    return graph[values >= np.quantile(values, 0.95)] if len(values) else graph


def _pairs(graph: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(graph[["source", "target"]])
