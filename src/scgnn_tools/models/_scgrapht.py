"""scGraPhT with the knobs."""

from typing import TYPE_CHECKING

import pandas as pd
import torch

from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools.labels.scgrapht.fusion import curve
from scgnn_tools.models._cell_labels import CellLabelModel
from scgnn_tools.train.arguments import Devices, several_devices

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


class ScGraPhT(CellLabelModel):
    """scGraPhT (Koç lab, IEEE TSIPN 2025): labels from graph convolutions between cells and genes, fused with a classifier of the cells.

    Parameters
    ----------
    adata
        Cells × genes, after :meth:`setup_anndata` or :meth:`setup_mudata`.
    use_rep
        Vectors of the cells in ``obsm``, a foundation model's for example; None embeds with ``model``, once, and writes nothing.
    model
        A loaded foundation model, or the name of a bundled one; None takes the best bundled one.
    rng
        Seed.
    options
        Of the method, the ones that matter first (all of them: :class:`scgnn_tools.labels.scgrapht.ScGraPhT`):

        ``protocol``
            "clean" (stops on validation cells, λ chosen on them), "paper" (its equations) or "code" (the published code's settings).
        ``pathway``
            "P1" to "P4", or steps that fit, such as "CG" (the default) or "CG-GC-CG".
        ``scheme``
            "graph", "embedding", "embedding+logits" or "joint" (GO, EO, EL, JT), which wants ``encoder=``, a trained ``FineTuner``.
        ``logits``
            "experts", "vectors", or a function of cells: ``tuned_logits(tuner)`` of a fine-tuned foundation model.
        ``lam``, ``fuse``
            Weight of the graph, a number, "validation" or "learned"; "prob" or "log".
        ``sparsify``
            Of the cosine graphs: 15 neighbours, 0.5, "adaptive", "whole".
        ``gene_graph``
            Of the step GG (``pathway="P1"``): "cosine", or a key of ``varp`` with a known graph, as :func:`scgnn_tools.pp.prior_graph`
            writes it, which :meth:`train` reads: a target hears its regulators. Other cells need none.

    Attributes
    ----------
    history
        DataFrame with ``loss`` and ``validation``, a row an epoch.
    classes
        The labels that it can give.

    Examples
    --------
    >>> sgt.models.ScGraPhT.setup_anndata(adata, labels_key="cell_type")
    >>> model = sgt.models.ScGraPhT(adata).train()
    >>> adata.obs["predicted"] = model.predict()
    >>> proba = model.predict(query, soft=True)
    >>> model.save("model")
    """

    method = "scgrapht"

    @property
    def lam(self) -> float:
        """Weight of the graph network in the fusion."""
        return self._trained().lam

    def parts(self, adata: "AnnData | MuData | None" = None) -> dict[str, pd.DataFrame]:
        """Return the probabilities of the "graph" and of the "experts" alone, cells × classes; nothing where the graph answers alone.

        Parameters
        ----------
        adata
            Other cells than those of training.
        """
        return self._parts(adata, self._trained().part_scores)

    def lambda_curve(self, adata: "AnnData | MuData | None" = None) -> pd.DataFrame:
        """Return how good the fusion is for each weight of the graph, for :func:`scgnn_tools.pl.lambda_curve`.

        Parameters
        ----------
        adata
            Cells with labels in the column of ``setup_anndata``; None takes the validation cells, on which λ may have been chosen.

        Returns
        -------
        DataFrame with ``lam`` from 0 (experts) to 1 (graph), ``accuracy``, ``macro_f1``, ``likelihood`` (mean log-probability of the
        labels), and ``chosen``, which marks the λ nearest to that of the model.

        Raises
        ------
        InputValueError
            If the graph answers alone.
        LabelError
            If no cell has a label that was trained on.
        """
        fitted, (cells, labels) = self._trained(), self._labelled(adata)
        other = fitted.other_scores(cells)
        if other is None:
            msg = (
                "This model has no fusion: its graph answers alone. Train with scheme='embedding+logits', the default."
            )
            raise InputValueError(msg)
        out = curve(fitted.graph_scores(cells), other, labels, fitted.options.fuse)
        return out.assign(chosen=(out["lam"] - self.lam).abs().argmin() == out.index)

    def _devices(self, accelerator: str, devices: Devices) -> tuple[torch.device, int]:
        if self._options.get("encoder") is None:
            return super()._devices(accelerator, devices)
        return several_devices("ScGraPhT", accelerator, devices, here=resolve_device())
