"""Writing into an AnnData: all fields or none, and never over what is read."""

import inspect
import warnings

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._fields import check_own, check_writable, root, write
from scgnn_tools._keys import IntegrationKeys, LabelKeys
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


SIGNED = {"params": {"scgnn_tools": "0.1.0"}}


@pytest.mark.parametrize(
    ("key", "record", "refused"),
    [
        ("cell_type", None, True),
        ("cell_type", "mine", True),
        ("cell_type", {"params": {}}, True),  # as scanpy's own records are
        ("cell_type", SIGNED, False),
        ("sgt_label", None, False),
        ("else", None, False),
    ],
)
def test_a_column_of_the_user_is_not_replaced(adata, key, record, refused):
    adata.obs["cell_type"] = adata.obs["sgt_label"] = "B"
    if record is not None:
        adata.uns[key] = record
    if not refused:
        assert check_own(adata, LabelKeys(key)) is None
        return
    with pytest.raises(InputValueError, match=r"no result called 'cell_type' has written it.*another key_added="):
        check_own(adata, LabelKeys(key))


def test_what_a_result_has_written_is_known_by_its_version_after_a_file_too(adata, tmp_path):
    write(adata, {"uns": {"mine": {"params": {"a": 1}}, "n": "not a result"}}, copy=False)
    assert adata.uns["mine"]["params"] == {"a": 1, "scgnn_tools": sgt.__version__, "written": "uns/mine\nuns/n"}
    assert adata.uns["n"] == "not a result"
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert check_own(ad.read_h5ad(tmp_path / "a.h5ad"), IntegrationKeys("mine")) is None


@pytest.mark.parametrize("suffix", [None, "h5ad", "zarr"])
def test_a_result_of_another_kind_does_not_make_a_users_entry_ours(adata, tmp_path, suffix):
    """An integration called "own" has not written ``obs["own"]``, nor has an annotation that wrote no majority ``obs["own_majority"]``."""
    integration, labels = IntegrationKeys("own"), LabelKeys("own")
    adata.obs["own"] = adata.obs["own_majority"] = "mine"
    vectors = np.ones((adata.n_obs, 2))
    write(adata, {"obsm": {integration.obsm: vectors}, "uns": {integration.uns: {"params": {}}}}, copy=False)
    if suffix is not None:
        getattr(adata, f"write_{suffix}")(tmp_path / f"a.{suffix}")
        adata = getattr(ad, f"read_{suffix}")(tmp_path / f"a.{suffix}")
    assert check_own(adata, integration) is None
    with pytest.raises(InputValueError, match=r"obs\['own'\], obs\['own_majority'\], uns\['own'\] is there already"):
        check_own(adata, labels)
    write(adata, {"obs": {labels.obs: "B"}, "uns": {labels.uns: {"params": {}}}}, copy=False)
    with pytest.raises(InputValueError, match=r"^obs\['own_majority'\] is there already"):
        check_own(adata, labels)
    del adata.obs["own_majority"]
    assert check_own(adata, labels) is None


CALLS = {
    "annotate": (sgt.tl.annotate, ("a",), ("obs", "obsm", "uns")),
    "explain": (sgt.tl.explain, ("a",), ("uns",)),
    "gene_programs": (sgt.tl.gene_programs, (), ("var", "obsm", "uns")),
    "grn_from_edges": (sgt.tl.grn_from_edges, ([("A", "B")],), ("varp", "uns")),
    "in_silico": (sgt.tl.in_silico, (["0"],), ("uns",)),
    "infer_grn": (sgt.tl.infer_grn, (), ("varp", "uns")),
    "integrate": (sgt.tl.integrate, ("a",), ("obsm", "uns")),
    "knockout_bulk": (sgt.tl.knockout_bulk, (), ("varm", "uns")),
    "perturb": (sgt.tl.perturb, ("a",), ("varm", "uns")),
    "tf_activity": (sgt.tl.tf_activity, (), ("obsm", "uns")),
    "tf_knockout": (sgt.tl.tf_knockout, ("0",), ("obsm", "uns")),
    "embed": (sgt.tl.embed, (), ("obsm", "varm")),
    "cell_graph": (sgt.pp.cell_graph, (), ("obsp", "uns")),
    "gene_graph": (sgt.pp.gene_graph, (), ("varp", "uns")),
    "expression_graph": (sgt.pp.expression_graph, (), ("varp", "uns")),
    "prior_graph": (sgt.pp.prior_graph, (), ("varp", "uns")),
}
NAMES = {
    "obsm": ("X_own", "own", "own_proba"),
    "varm": ("own_change", "own"),
    "obs": ("own_confidence",),
    "var": ("own",),
    "obsp": ("own",),
    "varp": ("own",),
    "uns": ("own",),
}


def test_every_function_that_names_a_result_is_in_the_table():
    there = {
        name
        for room in (sgt.tl, sgt.pp)
        for name in room.__all__
        if "key_added" in inspect.signature(getattr(room, name)).parameters
    }
    assert there == set(CALLS)


@pytest.mark.parametrize(("name", "where"), [(n, w) for n, (_, _, places) in CALLS.items() for w in places])
def test_an_entry_of_the_user_is_not_replaced(adata, name, where):
    call, args, _ = CALLS[name]
    for key in NAMES[where]:
        shape = {"obsp": (4, 4), "varp": (3, 3), "obsm": (4, 2), "varm": (3, 2), "obs": 4, "var": 3}.get(where)
        getattr(adata, where)[key] = {"params": {"of": "mine"}} if shape is None else np.ones(shape)
    before = adata.copy()
    with pytest.raises(InputValueError, match=rf"{where}\['.*own.*'\] is there already.*key_added='?"):
        call(adata, *args, key_added="own")
    assert changed(before, adata) == set()
