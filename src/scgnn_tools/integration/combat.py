"""``combat``: an empirical Bayes model of each gene's mean and spread by batch (Johnson et al. 2007), then principal components."""

import warnings

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG
from scgnn_tools.integration._protocol import Batches
from scgnn_tools.integration.streamed_pca import components


class Combat:
    """Baseline: scanpy's ComBat on the variable genes, then as many components as the vectors have.

    It makes cells × variable genes dense.
    """

    history = None

    def fit(self, cells: Batches, *, rng: RNG = 0) -> np.ndarray:
        """Return the components of the corrected expression."""
        import anndata as ad
        import scanpy as sc

        if cells.expression is None:
            msg = "combat corrects expression; the cells hold vectors only. Pass an object with counts or log values."
            raise InputValueError(msg)
        x = np.asarray(cells.expression.todense(), dtype=np.float32)
        # a gene without spread in a batch has no variance to pool
        spread = np.stack([x[cells.batch == b].var(axis=0) for b in range(cells.n_batches)])
        usable = (spread > 0).all(axis=0)
        if usable.sum() < 2:
            msg = f"combat needs genes that vary in every batch; {int(usable.sum())} of {x.shape[1]} do. Take method='harmony'."
            raise InputValueError(msg)
        obs = pd.DataFrame({"batch": pd.Categorical(cells.batch.astype(str))}, index=np.arange(len(x)).astype(str))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scanpy's own of pandas
            corrected = sc.pp.combat(ad.AnnData(x[:, usable], obs=obs), key="batch", inplace=False)
        return components(np.asarray(corrected, dtype=np.float32), cells.vectors.shape[1])

    def transform(self, cells: Batches) -> np.ndarray:
        """ComBat maps no new cells."""
        raise NotImplementedError
