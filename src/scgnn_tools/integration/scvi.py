"""``scvi`` and ``scanvi``: variational autoencoders of counts (Lopez et al. 2018, Xu et al. 2021), through scvi-tools."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import integer
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputScaleError, LabelError
from scgnn_tools._progress import shows_bars
from scgnn_tools._random import RNG, seed
from scgnn_tools.data.normalize import TARGET_SUM
from scgnn_tools.integration._protocol import Batches
from scgnn_tools.labels.scanvi import quiet_scvi

if TYPE_CHECKING:
    from anndata import AnnData

UNLABELED = "unlabeled"
BATCH_SIZE = 128
WEIGHT = "weight."


class ScVI:
    """scVI on the variable genes, without labels; the decoder is told the batch, the encoder is not, so that a new batch can be mapped.

    Parameters
    ----------
    n_latent
        Dimension of the vectors.
    n_layers
        Of encoder and decoder.
    max_epochs
        Passes over the cells; scvi-tools' own rule would take 400 for up to 20,000 cells.
    device
        Where to train.
    """

    def __init__(self, *, n_latent: int = 20, n_layers: int = 2, max_epochs: int = 80, device: str = "auto") -> None:
        self.n_latent, self.n_layers = integer("n_latent", n_latent), integer("n_layers", n_layers)
        self.max_epochs = integer("max_epochs", max_epochs)
        self._device = resolve_device(device)
        self.history: pd.DataFrame | None = None

    def fit(self, cells: Batches, *, rng: RNG = 0) -> np.ndarray:
        """Train, and return the means of the cells' latent distributions."""
        from scgnn_tools.train import seeded

        self.n_batches = cells.n_batches
        with quiet_scvi(), seeded(seed(rng)):
            self._train(cells)
        self._model.to_device("cpu")
        return self.transform(cells)

    def transform(self, cells: Batches) -> np.ndarray:
        """Return the means of the latent distributions, each cell by itself; a new batch needs no training."""
        with quiet_scvi():
            return self._model.get_latent_representation(self._anndata(cells)).astype(np.float32)

    def _train(self, cells: Batches) -> None:
        adata = self._anndata(cells)
        self._model = self._scvi(adata)
        self._model.train(max_epochs=self.max_epochs, **self._how(adata))
        self.history = _history(self._model)

    def _scvi(self, adata: "AnnData") -> Any:
        from scvi.model import SCVI

        labels = {"labels_key": "label"} if "label" in adata.obs else {}
        SCVI.setup_anndata(adata, batch_key="batch", **labels)
        return SCVI(adata, n_layers=self.n_layers, n_latent=self.n_latent, gene_likelihood="nb")

    def _how(self, adata: "AnnData") -> dict[str, Any]:
        return {
            "train_size": 1.0,
            "shuffle_set_split": False,  # nothing is split off, and the shuffle would follow a seed that is global
            "accelerator": "gpu" if self._device.type == "cuda" else self._device.type,
            "devices": [self._device.index or 0] if self._device.type == "cuda" else 1,
            "enable_progress_bar": shows_bars(),
            "enable_model_summary": False,
            # a last batch of one cell would have no variance to normalise by
            "datasplitter_kwargs": {"drop_last": adata.n_obs % BATCH_SIZE == 1 and adata.n_obs > BATCH_SIZE},
            "batch_size": BATCH_SIZE,
        }

    def _anndata(self, cells: Batches) -> "AnnData":
        """Return counts of the variable genes; a batch that was not fitted goes as the first, which the encoder does not look at."""
        import anndata as ad

        if cells.expression is None or cells.totals is None:
            msg = (
                "scvi and scanvi want raw counts; the data are log-normalised and what the cells counted is not known. "
                "Put the counts into adata.layers['counts'], or take method='harmony'."
            )
            raise InputScaleError(msg)
        x = sp.csr_matrix(cells.expression, dtype=np.float64)
        x.data = np.rint(np.expm1(x.data) * np.repeat(cells.totals / TARGET_SUM, np.diff(x.indptr)))
        obs = pd.DataFrame(index=np.arange(len(cells)).astype(str))
        categories = [str(b) for b in range(self.n_batches)]
        obs["batch"] = pd.Categorical(np.maximum(cells.batch, 0).astype(str), categories=categories)
        var = pd.DataFrame(index=np.arange(x.shape[1]).astype(str))
        return ad.AnnData(sp.csr_matrix(x, dtype=np.float32), obs=obs, var=var)

    def _blank(self, n_genes: int) -> Batches:
        """Return cells of every batch that a network of the right sizes can be made on."""
        n = max(2, self.n_batches)
        x = sp.csr_array(np.ones((n, n_genes), dtype=np.float32))
        return Batches(np.zeros((n, 1), np.float32), np.arange(n) % self.n_batches, x, totals=np.full(n, TARGET_SUM))

    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`restore` needs."""
        weights = self._model.module.state_dict()
        sizes = {"n_batches": np.array(self.n_batches), "n_genes": np.array(self._model.adata.n_vars)}
        return sizes | {WEIGHT + k: v.cpu().numpy() for k, v in weights.items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Become the fitted method that :meth:`state` was asked of."""
        import torch

        self.n_batches = int(arrays["n_batches"])
        with quiet_scvi():
            self._model = self._untrained(self._anndata(self._blank(int(arrays["n_genes"]))))
        weights = {k.removeprefix(WEIGHT): torch.as_tensor(v) for k, v in arrays.items() if k.startswith(WEIGHT)}
        self._model.module.load_state_dict(weights)
        self._model.module.eval()
        self._model.is_trained_ = True

    def _untrained(self, adata: "AnnData") -> Any:
        return self._scvi(adata)


class ScanVIBatches(ScVI):
    """scANVI on top of scVI: it sees the labels, so that its scores against them are no test.

    Parameters
    ----------
    n_latent, n_layers, max_epochs, device
        As in :class:`ScVI`.
    max_epochs_scanvi
        Epochs with labels, after those without.
    """

    def __init__(
        self,
        *,
        n_latent: int = 20,
        n_layers: int = 2,
        max_epochs: int = 80,
        max_epochs_scanvi: int = 20,
        device: str = "auto",
    ) -> None:
        super().__init__(n_latent=n_latent, n_layers=n_layers, max_epochs=max_epochs, device=device)
        self.max_epochs_scanvi = integer("max_epochs_scanvi", max_epochs_scanvi)

    def fit(self, cells: Batches, *, rng: RNG = 0) -> np.ndarray:
        """Train, and return the means of the cells' latent distributions."""
        if cells.labels is None or not (cells.labels >= 0).any():
            msg = "scanvi learns from labels. Pass labels_key='cell_type', the column of obs that holds them."
            raise LabelError(msg)
        self.n_labels = int(cells.labels.max()) + 1
        return super().fit(cells, rng=rng)

    def _train(self, cells: Batches) -> None:
        from scvi.model import SCANVI

        adata = self._anndata(cells)
        below = self._scvi(adata)
        below.train(max_epochs=self.max_epochs, **self._how(adata))
        self._model = SCANVI.from_scvi_model(below, unlabeled_category=UNLABELED)
        self._model.train(max_epochs=self.max_epochs_scanvi, **self._how(adata))
        self.history = pd.concat([_history(below), _history(self._model)], ignore_index=True)

    def _anndata(self, cells: Batches) -> "AnnData":
        adata = super()._anndata(cells)
        codes = np.full(len(cells), -1) if cells.labels is None else cells.labels
        names = np.where(codes < 0, UNLABELED, codes.astype(str))
        categories = [*(str(c) for c in range(self.n_labels)), UNLABELED]
        adata.obs["label"] = pd.Categorical(names, categories=categories)
        return adata

    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`restore` needs."""
        return {**super().state(), "n_labels": np.array(self.n_labels)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Become the fitted method that :meth:`state` was asked of."""
        self.n_labels = int(arrays["n_labels"])
        super().restore(arrays)

    def _untrained(self, adata: "AnnData") -> Any:
        from scvi.model import SCANVI

        return SCANVI.from_scvi_model(self._scvi(adata), unlabeled_category=UNLABELED)


def _history(model: Any) -> pd.DataFrame:
    """Return the evidence bound that is descended, by epoch."""
    values = model.history["elbo_train"].to_numpy(dtype=np.float64).ravel()
    return pd.DataFrame({"loss": values}).rename_axis("epoch")
