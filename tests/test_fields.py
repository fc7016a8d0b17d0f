"""Writing into an AnnData: all fields or none, and never over what is read."""

import warnings

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._fields import check_own, check_writable, root, write
from tests._compare import changed

GOOD = {"obs": {"a": np.arange(4.0), "new": pd.Categorical(list("xxyy"))}, "uns": {"n": {"params": {}}, "sgt": {}}}


@pytest.fixture
def adata():
    obs = pd.DataFrame({"a": list("pqrs"), "b": 1}, index=list("wxyz"))
    return ad.AnnData(np.ones((4, 3), dtype=np.float32), obs=obs, uns={"n": "mine"})


@pytest.mark.parametrize(
    "last",
    [
        {"obsm": {"d": np.ones((5, 2))}},
        {"obsm": {"d": pd.DataFrame(np.ones((4, 2)), index=list("abcd"))}},
        {"varp": {"p": np.ones((3, 4))}},
        {"obs": {"c": np.ones(3)}},
        {"layers": {"l": np.ones((4, 4))}},
    ],
)
def test_what_cannot_be_written_leaves_nothing_behind(adata, last):
    before = adata.copy()
    with pytest.raises(ValueError, match=r"shape|index|length|Length|align"):
        write(
            adata,
            {**GOOD, "obs": GOOD["obs"] | last.get("obs", {}), **{k: v for k, v in last.items() if k != "obs"}},
            copy=False,
        )
    assert changed(before, adata) == set()
    assert list(adata.obs) == list(before.obs)


def test_all_is_written_in_place_into_a_view_and_into_a_copy(adata):
    assert write(adata[:, :2], GOOD, copy=False) is None
    view = adata[:2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(view, {"obs": {"new": [1, 2]}}, copy=False)
    assert not view.is_view
    assert "new" not in adata.obs
    out = write(adata, GOOD, copy=True)
    assert "new" not in adata.obs
    assert list(out.obs["new"]) == list("xxyy")
    assert write(adata, GOOD, copy=False) is None
    assert changed(adata, out) == set()


def test_into_a_modality_and_into_a_copy_of_all(adata):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = mudata.MuData({"rna": adata, "adt": adata[:, :1].copy()})
        out = write(both, GOOD, copy=True)
    assert isinstance(out, mudata.MuData)
    assert "new" in out.mod["rna"].obs
    assert "new" not in both.mod["rna"].obs
    write(both, GOOD, copy=False, mod="adt")
    assert "new" in both.mod["adt"].obs


def test_a_view_of_a_file_takes_only_a_copy(adata, tmp_path):
    adata.write_h5ad(tmp_path / "a.h5ad")
    view = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")[:2]
    with pytest.raises(InputValueError, match="a view of a backed AnnData"):
        check_writable(view, copy=False)
    check_writable(view, copy=True)
    assert write(view, {"obs": {"new": [1, 2]}}, copy=True).n_obs == 2
    view.file.close()


@pytest.mark.parametrize(("there", "says"), [("mine", "holds str"), (3, "holds int"), ([1], "holds list")])
def test_what_stands_in_our_place_is_named(adata, there, says):
    assert root(adata) == {}
    adata.uns["sgt"] = there
    with pytest.raises(InputTypeError, match=f"uns\\['sgt'\\] {says}.*adata.uns.pop\\('sgt'\\)"):
        root(adata)


def test_what_another_thread_wrote_meanwhile_stays():
    adata = ad.AnnData(np.ones((3, 2), np.float32))
    before = dict(root(adata))  # as both threads found it
    for name in ("a", "b"):
        write(adata, {"uns": {"sgt": {**before, name: 1}}}, copy=False)
    assert dict(adata.uns["sgt"]) == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("column", "record", "refused"),
    [
        ("cell_type", None, True),
        ("cell_type", "mine", True),
        ("cell_type", {"params": {}}, False),
        ("sgt_label", None, False),
        ("else", None, False),
    ],
)
def test_a_column_of_the_user_is_not_replaced(adata, column, record, refused):
    adata.obs["cell_type"] = adata.obs["sgt_label"] = "B"
    if record is not None:
        adata.uns[column] = record
    if not refused:
        assert check_own(adata, column, "obs", [column, f"{column}_confidence"]) is None
        return
    with pytest.raises(InputValueError, match="no result called 'cell_type' has written it"):
        check_own(adata, column, "obs", [column])
