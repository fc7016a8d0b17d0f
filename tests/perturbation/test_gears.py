"""The adapter to GEARS against a small stand-in with the calls of cell-gears 0.1: what is handed over, and what is taken back."""

import sys
import types

import numpy as np
import pytest
from tests.perturbation.test_cgc import GENES, seen

from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools.perturbation import Effects, perturbation_method

GO = np.array(["IRF1", "STAT1", "TP53"])


class PertData:
    """Keeps what it is given; knows the genes of GO."""

    def __init__(self, data_path):
        self.data_path, self.pert_names = data_path, GO

    def new_data_process(self, dataset_name, adata):
        for column, there in (("condition", adata.obs), ("cell_type", adata.obs), ("gene_name", adata.var)):
            assert column in there
        adata.X.toarray()  # GEARS wants a sparse matrix
        self.adata = adata

    def get_dataloader(self, batch_size, test_batch_size):
        self.parts = {
            k: [self.adata[self.adata.obs["condition"] == c] for c in v] for k, v in self.set2conditions.items()
        }


class GEARS:
    """Predicts the mean of all perturbed cells that train it, raised by the number of perturbed genes."""

    last = None

    def __init__(self, data, device):
        self.data, self.device, GEARS.last = data, device, self

    def model_initialize(self, hidden_size):
        self.hidden_size = hidden_size

    def train(self, epochs):
        sys.stdout.write("Start Training...")
        self.mean = np.concatenate([p.X.toarray() for p in self.data.parts["train"][1:]]).mean(axis=0)

    def predict(self, pert_list):
        assert all(g in GO for p in pert_list for g in p)
        return {"_".join(p): self.mean + len(p) for p in pert_list}


@pytest.fixture
def installed(monkeypatch):
    module = types.ModuleType("gears")
    module.PertData, module.GEARS = PertData, GEARS
    monkeypatch.setitem(sys.modules, "gears", module)


def test_cells_are_handed_over_and_changes_taken_back(installed, capsys):
    method = perturbation_method("gears", max_epochs=3, device="cpu")
    given = seen()
    method.fit(given, rng=0)
    data = GEARS.last.data
    assert sorted(set(data.adata.obs["condition"])) == ["IRF1+ctrl", "JAK9+ctrl", "STAT1+ctrl", "ctrl"]
    assert list(data.adata.var["gene_name"]) == list(GENES)
    split = data.set2conditions
    assert split["train"][0] == "ctrl"
    assert sorted([*split["train"][1:], *split["val"]]) == ["IRF1+ctrl", "STAT1+ctrl"]  # JAK9 is in no term
    assert method.notes == {"n_conditions": 2, "n_conditions_outside_go": 1}
    one, two, outside = method.predict([("TP53",), ("IRF1", "TP53"), ("JAK9",)])
    np.testing.assert_allclose(two - one, 1, atol=1e-5)
    trained = next(n.split("+")[0] for n in split["train"][1:])
    index = [c[0] for c in given.conditions].index(trained)
    np.testing.assert_allclose(one - 1, given.changes[index], atol=1e-5)
    np.testing.assert_array_equal(outside, method._fallback)
    assert capsys.readouterr().out == ""


def test_what_was_fetched_is_kept(installed, tmp_path, monkeypatch):
    def fetch(self, data_path):
        path = __import__("pathlib").Path(data_path) / "gene2go_all.pkl"
        fetch.times += not path.exists()
        if not path.exists():
            path.write_bytes(b"terms")
        self.data_path, self.pert_names = data_path, GO

    fetch.times = 0
    monkeypatch.setattr(PertData, "__init__", fetch)
    for _ in range(2):
        perturbation_method("gears", data_folder=tmp_path / "kept", device="cpu").fit(seen(), rng=0)
    assert fetch.times == 1
    assert (tmp_path / "kept/gene2go_all.pkl").read_bytes() == b"terms"


def test_without_the_package_or_with_another_of_its_name_there_is_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gears", None)
    with pytest.raises(MissingExtraError, match="pip install cell-gears"):
        perturbation_method("gears")
    monkeypatch.setitem(sys.modules, "gears", types.ModuleType("gears"))
    with pytest.raises(MissingExtraError, match="is not cell-gears"):
        perturbation_method("gears")


def test_bad_input(installed, monkeypatch):
    with pytest.raises(InputValueError, match="hidden_size is a positive integer"):
        perturbation_method("gears", hidden_size=0)
    given = seen()
    without = Effects(given.conditions, given.changes, given.noise, GENES, given.relations)
    with pytest.raises(InputValueError, match="gears learns from cells"):
        perturbation_method("gears").fit(without)
    monkeypatch.setattr(sys.modules[__name__], "GO", np.array(["X"]))
    with pytest.raises(InputValueError, match="GEARS knows no perturbed gene"):
        perturbation_method("gears").fit(given)
