"""``scanvi``: the semi-supervised variational autoencoder scANVI, through scvi-tools."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import integer
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputScaleError
from scgnn_tools._progress import shows_bars
from scgnn_tools._random import RNG, seed
from scgnn_tools.data.normalize import TARGET_SUM
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.pca import column_variance

if TYPE_CHECKING:
    from anndata import AnnData

UNLABELED = "unlabeled"
BATCH = 128
"""Cells of a batch; scvi-tools' own number."""


class ScanVI:
    """Baseline: scANVI (Xu et al., Mol Syst Biol 2021) on the genes that vary most, on top of a trained scVI.

    It is inductive here: the encoder gives new cells their labels. Cells to label that may be looked at (``unlabeled``) join the training
    without labels.

    Parameters
    ----------
    n_genes
        Genes of the highest variance that are used.
    max_epochs
        Epochs of scVI; scvi-tools' own rule, 400 for up to 20,000 cells and fewer above, is cut off there.
    max_epochs_scanvi
        Epochs of scANVI on top.
    n_latent
        Dimension of the latent space.
    device
        Where to train.
    """

    def __init__(
        self,
        *,
        n_genes: int = 2000,
        max_epochs: int = 100,
        max_epochs_scanvi: int = 20,
        n_latent: int = 30,
        device: str = "auto",
    ) -> None:
        self.n_genes, self.n_latent = integer("n_genes", n_genes), integer("n_latent", n_latent)
        self.max_epochs = integer("max_epochs", max_epochs)
        self.max_epochs_scanvi = integer("max_epochs_scanvi", max_epochs_scanvi)
        self._device = resolve_device(device)

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "ScanVI":
        """Train on the training cells; nothing is learnt from the validation cells."""
        from scvi.model import SCANVI, SCVI

        from scgnn_tools.train import handed_back, seeded

        self.genes = np.sort(np.argsort(-column_variance(train.expression), kind="stable")[: self.n_genes])
        self._n_classes = int(labels.max()) + 1
        adata = self._anndata(train, labels)
        if unlabeled is not None and len(unlabeled):
            import anndata as ad

            adata = ad.concat([adata, self._anndata(unlabeled, None)], index_unique="-")
        epochs = min(self.max_epochs, max(1, round(20_000 / adata.n_obs * 400)))
        how: dict[str, Any] = {
            "train_size": 1.0,
            "shuffle_set_split": False,  # nothing is split off, and the shuffle would follow a seed that is global
            "accelerator": "gpu" if self._device.type == "cuda" else self._device.type,
            "devices": [self._device.index or 0] if self._device.type == "cuda" else 1,
            "enable_progress_bar": shows_bars(),
            "enable_model_summary": False,
            "logger": False,
            # a last batch of one cell would have no variance to normalise by
            "datasplitter_kwargs": {"drop_last": any(n % BATCH == 1 and n > BATCH for n in (len(train), adata.n_obs))},
            "batch_size": BATCH,
        }
        with handed_back(), quiet_scvi(), seeded(seed(rng)):
            SCVI.setup_anndata(adata, labels_key="label")
            below = SCVI(adata, n_layers=2, n_latent=self.n_latent, gene_likelihood="nb")
            below.train(max_epochs=epochs, **how)
            self._model = SCANVI.from_scvi_model(below, unlabeled_category=UNLABELED)
            self._model.train(max_epochs=self.max_epochs_scanvi, **how)
        self._model.to_device("cpu")
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        with quiet_scvi():
            proba = self._model.predict(self._anndata(cells, None), soft=True)
        names = [str(c) for c in range(self._n_classes)]
        return np.log(np.maximum(proba[names].to_numpy(dtype=np.float64), 1e-30))

    def _anndata(self, cells: Cells, labels: np.ndarray | None) -> "AnnData":
        """Return the cells as counts of the chosen genes; what scvi-tools wants."""
        import anndata as ad

        if cells.totals is None:
            msg = (
                "scanvi wants raw counts; the data are log-normalised and what the cells counted is not known. "
                "Put the counts into adata.layers['counts'], or choose another method."
            )
            raise InputScaleError(msg)
        x = sp.csr_matrix(cells.expression[:, self.genes], dtype=np.float64)
        x.data = np.rint(np.expm1(x.data) * np.repeat(cells.totals / TARGET_SUM, np.diff(x.indptr))).astype(np.float32)
        names = np.full(len(cells), UNLABELED) if labels is None else labels.astype(str)
        categories = [*(str(c) for c in range(self._n_classes)), UNLABELED]
        obs = pd.DataFrame({"label": pd.Categorical(names, categories=categories)})
        obs.index = obs.index.astype(str)
        var = pd.DataFrame(index=self.genes.astype(str))
        return ad.AnnData(sp.csr_matrix(x, dtype=np.float32), obs=obs, var=var)


@contextmanager
def quiet_scvi() -> Iterator[None]:
    """Keep scvi-tools and Lightning from talking about things that are decided here, and numpy's own generator as it was.

    scvi-tools draws from that where it looks whether there are counts.
    """
    state = np.random.get_state()  # noqa: NPY002
    logs = [logging.getLogger(n) for n in ("scvi", "lightning.pytorch", "lightning.pytorch.utilities.rank_zero")]
    levels = [log.level for log in logs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for log in logs:
            log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
            for log, level in zip(logs, levels, strict=True):
                log.setLevel(level)
