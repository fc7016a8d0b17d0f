"""``gears``: the published GEARS (Roohani et al., Nature Biotechnology 2023), where the package ``cell-gears`` is installed.

This file hands the cells over and takes the predictions back; the network, its graphs and its training are theirs. GEARS fetches its Gene
Ontology table on first use, and knows no perturbed gene outside it: such a condition gets the shrunken mean.
"""

import contextlib
import importlib
import io
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools._write import as_path
from scgnn_tools.data.conditions import Condition, genes_of
from scgnn_tools.perturbation._protocol import Effects, PerturbedCells
from scgnn_tools.perturbation.flagged import choosing
from scgnn_tools.perturbation.inputs import CONTROL
from scgnn_tools.perturbation.shrunken_mean import shrunken_mean

PACKAGE = "gears"
CTRL = "ctrl"


class Gears:
    """GEARS over all genes, trained anew on the perturbed and control cells of the training conditions.

    Parameters
    ----------
    data_folder
        Where GEARS keeps what it fetches (``gene2go_all.pkl``), so that it is fetched once; None takes a temporary folder each time.
    hidden_size, max_epochs, batch_size
        Of its network and training, as published.
    device
        Where to train.
    """

    history = None

    def __init__(
        self,
        *,
        data_folder: str | Path | None = None,
        hidden_size: int = 64,
        max_epochs: int = 20,
        batch_size: int = 32,
        device: str = "auto",
    ) -> None:
        self.hidden_size, self.max_epochs = integer("hidden_size", hidden_size), integer("max_epochs", max_epochs)
        self.batch_size, self._device = integer("batch_size", batch_size), resolve_device(device)
        self.data_folder = None if data_folder is None else as_path("data_folder", data_folder)
        _installed()

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Hand the cells over, and train."""
        if seen.cells is None:
            msg = "gears learns from cells, and was given mean changes only: Effects(cells=…)."
            raise InputValueError(msg)
        draw = self._draw = seed(rng)
        self._fallback, _ = shrunken_mean(seen.changes)
        adata = as_gears(seen, seen.cells)
        names = sorted(set(adata.obs["condition"].astype(str)) - {CTRL})
        with _folder(self.data_folder) as folder, _lent(draw), torch_random(draw):
            gears = _installed()
            data = gears.PertData(str(folder))
            data.new_data_process(dataset_name="sgt", adata=adata)
            known = set(map(str, data.pert_names))
            usable = [n for n in names if set(n.split("+")) - {CTRL} <= known]
            if not usable:
                msg = (
                    "GEARS knows no perturbed gene of these cells in its Gene Ontology table: nothing could be trained."
                )
                raise InputValueError(msg)
            order = np.random.default_rng(draw).permutation(len(usable))
            held = {usable[i] for i in choosing(order)}
            _split(data, [n for n in usable if n not in held] or usable, sorted(held))
            data.get_dataloader(batch_size=self.batch_size, test_batch_size=self.batch_size)
            self._model = gears.GEARS(data, device=str(self._device))
            self._model.model_initialize(hidden_size=self.hidden_size)
            self._model.train(epochs=self.max_epochs)
        self._known, self._genes = known, list(seen.genes)
        controls = seen.cells.expression[np.flatnonzero(seen.cells.item == CONTROL)]
        self._base = np.asarray(controls.mean(axis=0)).ravel()
        self.notes: dict[str, Any] = {
            "n_conditions": len(usable),
            "n_conditions_outside_go": len(names) - len(usable),
        }

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return its predicted means less those of the control cells, (n_conditions, n_genes)."""
        out = np.tile(self._fallback, (len(conditions), 1))
        for row, condition in enumerate(conditions):
            genes = genes_of(condition)
            if set(genes) <= self._known:
                with _lent(self._draw):
                    found = self._model.predict([list(genes)])
                out[row] = np.asarray(next(iter(found.values())), dtype=np.float64) - self._base
        return out


def as_gears(seen: Effects, cells: PerturbedCells) -> Any:
    """Return the cells as GEARS wants them: ``condition`` "A+ctrl", "A+B" or "ctrl", ``cell_type``, ``gene_name``, log values."""
    import anndata as ad
    import scipy.sparse as sp

    own = np.flatnonzero(cells.item >= CONTROL)
    text = [CTRL if i == CONTROL else _name(seen.conditions[i]) for i in cells.item[own]]
    obs = pd.DataFrame({"condition": pd.Categorical(text), "cell_type": pd.Categorical(["cells"] * len(own))})
    obs.index = obs.index.astype(str)
    var = pd.DataFrame({"gene_name": seen.genes.astype(str)}, index=pd.Index(seen.genes.astype(str)))
    return ad.AnnData(sp.csr_matrix(cells.expression[own]), obs=obs, var=var)


def _name(condition: Condition) -> str:
    genes = genes_of(condition)
    return "+".join(genes if len(genes) > 1 else (*genes, CTRL))


def _split(data: Any, train: list[str], held: list[str]) -> None:
    """Say which conditions train and which choose the epoch; GEARS reads its own splits from pickles, and this is what they hold."""
    data.split, data.seed, data.subgroup = "no_test", 1, None
    data.set2conditions = {"train": [CTRL, *train], "val": held}


def _installed() -> Any:
    try:
        gears = importlib.import_module(PACKAGE)
    except ImportError as error:
        msg = "gears needs the package cell-gears, which is not installed: pip install cell-gears. method='kernel' needs nothing."
        raise MissingExtraError(msg) from error
    if not hasattr(gears, "PertData") or not hasattr(gears, "GEARS"):
        msg = "The package 'gears' that is installed is not cell-gears: it has no PertData. pip install cell-gears."
        raise MissingExtraError(msg)
    return gears


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Give a folder for this training, in which what GEARS fetched before lies already."""
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        if given is not None:
            given.mkdir(parents=True, exist_ok=True)
            for file in given.glob("*.pkl"):
                (at / file.name).symlink_to(file.absolute())
        yield at
        if given is not None:
            for file in (f for f in at.glob("*.pkl") if not f.is_symlink()):
                (given / file.name).write_bytes(file.read_bytes())


@contextlib.contextmanager
def _lent(draw: int = 0) -> Iterator[None]:
    """Keep GEARS' own words and warnings out of the way, and lend it numpy's old generator, from which it draws control cells."""
    state = np.random.get_state()  # noqa: NPY002
    words = io.StringIO()
    with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            np.random.set_state(np.random.RandomState(draw).get_state())  # noqa: NPY002
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
