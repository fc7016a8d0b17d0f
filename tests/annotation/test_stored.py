"""Labels in a store, made by any number of workers, have the bits of one run, and are those of the call."""

import shutil

import anndata as ad
import numpy as np
import pytest
from tests._threads import errors_of_two

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._errors import InputValueError
from scgnn_tools.annotation import Annotator
from scgnn_tools.cli import main

KEY, CHUNK = "sgt_label", 32
QUICK = {"method": "logreg_pca"}
SMALL = ("data.expression", "store.cells")


def small(patch):
    for module in SMALL:
        patch.setattr(f"scgnn_tools.{module}.CHUNK", CHUNK)
    patch.setattr("scgnn_tools.annotation.query.BLOCK", CHUNK // 2)


@pytest.fixture(scope="module")
def halves():
    """Every sixteenth cell of the reference that ships over its 999 strongest genes, and others of it as a query."""
    reference = assets.immune_reference()
    total = np.asarray(reference.X.sum(axis=0)).ravel()
    reference = reference[reference.obs["cell_type"] != "Platelet", total > np.sort(total)[-1000]].copy()
    query = reference[4::32].copy()
    query.obs = query.obs[[]]
    return reference[::16].copy(), query


@pytest.fixture(scope="module")
def file(halves, tmp_path_factory):
    path = tmp_path_factory.mktemp("query") / "query.h5ad"
    halves[1].write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def folder(halves, tmp_path_factory):
    path = tmp_path_factory.mktemp("annotator") / "atlas"
    Annotator.fit(halves[0], "cell_type", **QUICK).save(path)
    return path


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    small(monkeypatch)
    yield
    sgt.settings.verbose = True


@pytest.fixture(scope="module")
def once(file, folder, tmp_path_factory):
    """The store of one run."""
    path = tmp_path_factory.mktemp("once") / "x.zarr"
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        Annotator.load(folder).annotate(file, store=path)
    return path


@pytest.fixture
def copied(once, tmp_path):
    return shutil.copytree(once, tmp_path / "copy.zarr")


def bits(store):
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def test_a_store_opens_as_an_anndata_with_what_the_call_writes(halves, folder, once):
    got = ad.io.read_zarr(once)
    wanted = Annotator.load(folder).annotate(halves[1], copy=True)
    assert list(got.obs[KEY].astype(str)) == list(wanted.obs[KEY].astype(str))
    for column in ("confidence", "novelty"):
        np.testing.assert_allclose(got.obs[f"{KEY}_{column}"], wanted.obs[f"{KEY}_{column}"], atol=2e-5)
        assert got.obs[f"{KEY}_{column}"].dtype == np.float32
    assert np.array_equal(got.obsm[f"{KEY}_set"], wanted.obsm[f"{KEY}_set"].to_numpy())
    mine, theirs = got.uns[KEY], wanted.uns[KEY]
    assert list(mine["classes"]) == list(theirs["classes"])
    assert mine["verdict"] == theirs["verdict"]
    assert mine["params"]["query_distance"] == pytest.approx(theirs["params"]["query_distance"], abs=1e-6)
    assert got.obs_names.equals(halves[1].obs_names)
    short = got.obs[f"{KEY}_reason"].astype(str).to_numpy()
    told = wanted.obs[f"{KEY}_reason"].astype(str).to_numpy()
    assert (short == "").tolist() == (told == "").tolist()
    assert all(t.startswith(s.removesuffix(" two classes")) for s, t in zip(short, told, strict=True))


@pytest.mark.parametrize("n", [2, 3])
def test_any_number_of_shards_in_any_order_gives_the_same_bits(file, folder, once, tmp_path, n):
    for i in reversed(range(n)):
        sgt.tl.annotate(file, reference=str(folder), store=tmp_path / "x.zarr", shard=(i, n))
    assert bits(tmp_path / "x.zarr") == bits(once)


@pytest.mark.parametrize("name", ["obs/sgt_label/codes", "obs/sgt_label_novelty", "obsm/sgt_label_set"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_chunk_is_made_again(file, folder, once, copied, name, damage):
    path = next(p for p in sorted((copied / name / "c").rglob("*")) if p.is_file())
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:-3])
    Annotator.load(folder).annotate(file, store=copied)
    assert bits(copied) == bits(once)


@pytest.mark.filterwarnings(  # two threads share what is ignored
    "ignore:zarr v3 autosharding", "ignore::zarr.errors.ZarrUserWarning"
)
def test_two_writers_at_once(file, folder, once, tmp_path):
    assert errors_of_two(lambda: Annotator.load(folder).annotate(file, store=tmp_path / "x.zarr")) == []
    assert bits(tmp_path / "x.zarr") == bits(once)


def test_who_comes_later_takes_what_all_cells_have_in_common_from_the_store(file, folder, once, copied, monkeypatch):
    def read_again(*args):
        raise AssertionError

    monkeypatch.setattr("scgnn_tools.annotation.asked.OpenQuery.looked_over", read_again)
    Annotator.load(folder).annotate(file, store=copied, shard=(0, 2), resume=False)
    assert bits(copied) == bits(once)


def test_the_sample_is_chosen_by_content(halves, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("scgnn_tools.annotation.stored.SAMPLE", 60)
    found = []
    for name, query in (("a", halves[1]), ("b", halves[1][::-1].copy())):
        Annotator.load(folder).annotate(query, store=tmp_path / name)
        found.append(ad.io.read_zarr(tmp_path / name))
    a, b = (f.uns[KEY]["params"] for f in found)
    assert a["sample"] == 60
    assert a["query_shift"] == pytest.approx(b["query_shift"], abs=1e-6)
    assert (found[0].obs[KEY].astype(str) == found[1].obs[KEY].astype(str)[found[0].obs_names]).all()


def test_cells_that_the_reference_holds_are_left_out_and_labels_trained_again(halves, file, tmp_path):
    reference = ad.concat([halves[0], halves[1][:40]], join="inner")
    reference.obs["cell_type"] = list(halves[0].obs["cell_type"]) + ["B cell"] * 40
    sgt.tl.annotate(file, "cell_type", reference=reference, store=tmp_path / "a", **QUICK)
    before = bits(tmp_path / "a")
    sgt.tl.annotate(file, "cell_type", reference=reference, store=tmp_path / "a", **QUICK)  # of the same training
    assert bits(tmp_path / "a") == before
    got = ad.io.read_zarr(tmp_path / "a").uns[KEY]["params"]
    assert sorted(got["left_out"]) == sorted(halves[1].obs_names[:40])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"key_added": "other"}, r"key_added \(sgt_label there, other here\)"),
        ({"annotator": {"coverage": 0.8}}, "what the method has learnt"),
        ({"annotator": {"unknown": "cell"}}, r"unknown \(auto there, cell here\)"),
    ],
)
def test_another_plan_is_refused_with_the_part_that_differs(halves, file, folder, once, copied, options, says):
    options = dict(options)
    how = options.pop("annotator", None)
    one = Annotator.load(folder) if how is None else Annotator.fit(halves[0], "cell_type", **QUICK, **how)
    with pytest.raises(InputValueError, match=f"holds another run, which differs in .*{says}"):
        one.annotate(file, store=copied, **options)
    assert bits(copied) == bits(once)


def test_an_input_that_changed_is_refused(halves, folder, once, copied):
    one = Annotator.load(folder)
    for changed, says in ((halves[1][:-1], "number of cells"), (halves[1][::-1], "counts")):
        with pytest.raises(InputValueError, match=says):
            one.annotate(changed.copy(), store=copied)
    assert bits(copied) == bits(once)


def test_what_does_not_go_together_is_said_before_any_work(halves, file, folder, tmp_path):
    where = tmp_path / "x.zarr"
    for options, says in (
        ({"reference": folder, "shard": (0, 2)}, "pass store="),
        ({"reference": folder, "store": where, "shard": (2, 2)}, r"shard is a pair \(i, n\)"),
        ({"reference": folder, "store": where, "majority": True}, "majority= does not go with store="),
        ({"reference": folder, "store": where, "copy": True}, "copy=True does not go with store="),
        ({"reference": halves[0], "store": where, "shard": (0, 2)}, "train once"),
        ({"reference": halves[0], "store": where, "method": "scbignn"}, "method='scbignn' does not go with store="),
        ({"reference": halves[0], "store": where, "use_rep": "X_pca"}, "use_rep= does not go"),
    ):
        with pytest.raises(InputValueError, match=says):
            sgt.tl.annotate(halves[1].copy(), **options)
    own = halves[1].copy()
    own.obs["cell_type"] = ["B cell", None] * (own.n_obs // 2) + [None] * (own.n_obs % 2)
    with pytest.raises(InputValueError, match="do not go with store="):
        sgt.tl.annotate(own, store=where)
    with pytest.raises(InputValueError, match="holds no cells"):
        sgt.tl.annotate(halves[1][:0].copy(), reference=folder, store=where)
    with pytest.raises(TypeError, match="a path"):
        sgt.tl.annotate(file, reference=folder)
    assert not where.exists()


def test_the_command(file, folder, once, tmp_path, capsys):
    store = tmp_path / "x.zarr"
    words = ["--reference", str(folder), "--store", str(store)]
    for i in range(2):
        assert main(["--quiet", "annotate", str(file), *words, "--shard", f"{i}/2"]) == 0
    assert bits(store) == bits(once)
    for more, says in ((["--output", "a.h5ad"], "not both"), (["--majority"], "majority= does not go with store=")):
        assert main(["annotate", str(file), *words, *more]) == 1
        assert says in capsys.readouterr().err
