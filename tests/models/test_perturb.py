import numpy as np
import pytest
from tests.perturbation.test_cgc import HOW
from tests.tl.test_perturb import small_screen

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError, SgtError

__all__ = ["small_screen"]


@pytest.fixture
def bare_screen(small_screen):
    out = small_screen.copy()
    out.uns.clear()
    return out


def of(screen, query, **options):
    sgt.models.Perturb.setup_anndata(screen, perturbation_key="gene", batch_key="batch")
    return sgt.models.Perturb(screen, query=query, **options)


def test_cells_are_control_cells_moved_by_the_change_and_none_is_below_zero(small_screen):
    before = small_screen.copy()
    made = of(small_screen, ["STAT1", "IFNGR1+CDK6"])
    with pytest.raises(InputValueError, match=r"This Perturb is not trained\. Call train\(\) first"):
        made.predict()
    assert made.train() is made
    cells = made.predict(n_cells=50)
    assert cells.shape == (100, 60)
    assert cells.obs["gene"].value_counts().to_dict() == {"STAT1": 50, "CDK6+IFNGR1": 50}
    assert cells.X.min() >= 0
    moved = cells[cells.obs["gene"] == "STAT1"].to_df().mean() - made.predict(n_cells=300)[:300].to_df().mean()
    assert moved.abs().max() < 0.5
    controls = of(small_screen, "STAT1", method="no_change").train()
    up = cells[:50].to_df().mean() - controls.predict(n_cells=300).to_df().mean()
    assert np.corrcoef(up, made.changes.loc["STAT1"])[0, 1] > 0.9
    assert (small_screen.X != before.X).nnz == 0
    assert list(small_screen.obs) == list(before.obs)
    with pytest.raises(InputValueError, match="query= names no perturbation"):
        of(small_screen, [])
    with pytest.raises(InputValueError, match="kernel is no network of cells"):
        made.save_network("nowhere")


def test_the_setup_says_what_is_not_there(bare_screen):
    with pytest.raises(MissingKeyError, match=r"sgt\.models\.Perturb\.setup_anndata\(adata\) first"):
        sgt.models.Perturb(bare_screen, query="STAT1")
    for wrong, says in (
        ({"perturbation_key": "guide"}, "perturbation_key='guide'"),
        ({"perturbation_key": "gene", "batch_key": "lane"}, "batch_key='lane'"),
        ({"perturbation_key": "gene", "control": "none"}, "control='none' is no condition"),
    ):
        with pytest.raises(SgtError, match=says):
            sgt.models.Perturb.setup_anndata(bare_screen, **wrong)
    with pytest.raises(InputValueError, match=r"told batch_key='batch' before: pass it to .*setup_anndata"):
        sgt.models.Perturb(bare_screen, query="STAT1", batch_key="batch")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"max_epochs": 3}, r"method='kernel' has no option 'max_epochs'; its options are: accelerator, devices\."),
        ({"folder": "x"}, "has no option 'folder'"),
        ({"batch_size": 8}, "has no option 'batch_size'"),
        ({"resume": False}, "has no option 'resume'"),
        ({"early_stopping": False}, "kernel has no early_stopping=False"),
    ],
)
def test_what_a_method_has_no_use_for_is_refused(small_screen, given, says):
    with pytest.raises(InputValueError, match=says):
        of(small_screen, "STAT1").train(**given)


def test_the_former_call_works_and_says_the_new_one(bare_screen):
    view = bare_screen[:, :]
    with pytest.warns(FutureWarning) as seen:
        old = sgt.models.Perturb(view, "gene", ["STAT1"], batch_key="batch", max_epochs=3, device="cpu")
    first, *rest = (str(w.message) for w in seen)
    assert "setup_anndata(adata, perturbation_key='gene', batch_key='batch')" in first
    assert [m.partition(";")[2] for m in rest] == [
        f" pass {words} to Perturb.train()." for words in ("max_epochs=3", "accelerator='cpu'")
    ]
    assert "sgt" not in bare_screen.uns
    with pytest.raises(InputTypeError, match="takes adata by place and the others by name; got 3 more"):
        sgt.models.Perturb(view, "gene", ["STAT1"], "control")
    np.testing.assert_array_equal(old.train().changes, of(bare_screen, ["STAT1"]).train().changes)
    with pytest.warns(FutureWarning), pytest.raises(InputValueError, match="tpu"):
        sgt.models.Perturb(view, "gene", "STAT1", device="tpu")


@pytest.mark.parametrize(
    ("places", "named", "says"),
    [
        (("gene", "STAT1"), {"query": "CDK6"}, r"got query= by place, 'STAT1', and by name\. Pass it once"),
        (
            ("gene",),
            {"perturbation_key": "gene", "query": "CDK6"},
            "got perturbation_key= by place, 'gene', and by name",
        ),
        ((["STAT1"],), {}, r"Pass query=\['STAT1'\]"),
    ],
)
def test_what_is_given_by_place_is_never_dropped(small_screen, places, named, says):
    with pytest.raises(InputTypeError, match=says):
        sgt.models.Perturb(small_screen, *places, **named)


def test_a_query_of_any_iterable_says_what_it_cannot_know(small_screen):
    made = of(small_screen, (g for g in ["NOGENE"]))
    with pytest.warns(UserWarning, match="NOGENE: like no perturbation of these cells by go"):
        made.train()


def test_a_network_changes_each_cell_in_its_own_way_and_is_saved(small_screen, tmp_path):
    options = {k: v for k, v in HOW.items() if k not in ("max_epochs", "max_cells", "device")}
    made = of(small_screen, "STAT1", method="scgpt", lr=1e-2, **options | {"n_controls": 20})
    how = {"max_epochs": 2, "batch_size": 12, "accelerator": "cpu", "folder": tmp_path / "run"}
    made.train(**how)
    assert len(made.history) == 2
    again = of(small_screen, "STAT1", method="scgpt", lr=1e-2, **options | {"n_controls": 20}).train(**how)
    np.testing.assert_array_equal(made.changes, again.changes)
    assert list(made.history) == ["loss", "validation"]
    cells = made.predict(n_cells=20)
    like = of(small_screen, "STAT1", method="no_change").train()
    change = cells.X.toarray() - like.predict(n_cells=20).X.toarray()
    assert change.std(axis=0).max() > 1e-4
    np.testing.assert_allclose(change[:, cells.X.toarray().min(axis=0) > 0].mean(), 0, atol=2)
    made.save_network(tmp_path / "kept")
    assert sgt.fm.load("scgpt", checkpoint=tmp_path / "kept", device="cpu").config["n_special"] == 3
