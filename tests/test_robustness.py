"""What the three calls do with input that is wrong, odd or rare: one table.

Each row changes a sound object; ``embed``, ``annotate`` and ``infer_grn`` then give the documented result, equal to that of the sound
object where ``same`` is set, or an error that says what was seen and what to type; after an error the object is as it was.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._errors import (
    GeneMatchError,
    GraphError,
    InputScaleError,
    InputTypeError,
    InputValueError,
    LabelError,
    SgtWarning,
)
from scgnn_tools.genes import tables
from tests._compare import changed

KEY = sgt.fm.best_bundled()


def embed(adata):
    sgt.tl.embed(adata)
    return adata.obsm[f"X_{KEY}"]


@cache
def known_edges():
    """The edges of the bundled prior between genes of the sound object: what is odd is the object, and a small prior is quick."""
    prior, genes = tables.prior(), small_reference().var_names
    return prior[prior["source"].isin(genes) & prior["target"].isin(genes)]


def annotate(adata):
    sgt.tl.annotate(adata, "cell_type", method="logreg_pca")
    return adata.obsm["sgt_label_proba"].to_numpy()


def infer_grn(adata):
    sgt.tl.infer_grn(adata, known_edges(), method="degree", n_runs=1, n_top=20, controls=False)
    return adata.varp["sgt_grn"].toarray()


CALLS = {"embed": embed, "annotate": annotate, "infer_grn": infer_grn}


@dataclass(frozen=True)
class Row:
    """One kind of input."""

    name: str
    make: Callable[[ad.AnnData], ad.AnnData]
    error: type[Exception] | None = None
    says: str = ""
    warns: str = ""
    same: bool = True
    calls: tuple[str, ...] = ("embed", "annotate", "infer_grn")


def counts(change):
    """Return a row's ``make`` that changes the dense counts."""

    def make(a):
        x = a.X.toarray()
        out = change(x)
        a.X = sp.csr_matrix(x if out is None else out)
        return a

    return make


def form(to):
    def make(a):
        return ad.AnnData(to(a.X), obs=a.obs, var=a.var)

    return make


def put(x, at, value):
    x[at] = value


def log1p(a):
    import scanpy as sc

    sc.pp.normalize_total(a, target_sum=1e4)
    sc.pp.log1p(a)
    return a


def messy(x):
    """The same matrix with unsorted indices, duplicates and explicit zeros."""
    x = x.tocoo()
    half = x.data / 2
    rows, columns = np.r_[x.row, x.row, [0]], np.r_[x.col, x.col, [3]]
    order = np.argsort(rows, kind="stable")[::-1]
    order = order[np.argsort(rows[order], kind="stable")]
    data = np.r_[half, half, [0.0]][order].astype(np.float32)
    indptr = np.r_[0, np.cumsum(np.bincount(rows, minlength=x.shape[0]))]
    return sp.csr_matrix((data, columns[order], indptr), shape=x.shape)


def ensembl(a, *, version):
    ids = pd.Series(tables.symbol_of_id().index, index=tables.symbol_of_id().to_numpy())
    ids = ids[~ids.index.duplicated()].reindex(a.var_names)
    names = [f"{i}.{n % 9}" if version else i for n, i in enumerate(ids)]
    a.var_names = [x if k else old for x, k, old in zip(names, ids.notna(), a.var_names, strict=True)]
    return a


def rename(a, names):
    a.var_names = names
    return a


def with_obs(a, **columns):
    for k, v in columns.items():
        a.obs[k] = v
    return a


def half_unknown(a):
    return rename(a, [n if i % 2 else f"n{i}" for i, n in enumerate(a.var_names)])


def partly_labelled(a):
    return with_obs(a, cell_type=a.obs["cell_type"].astype(object).where(np.arange(a.n_obs) % 5 > 0, " "))


EMPTY_CELLS = "express no gene"
ROWS = [
    Row("sound", lambda a: a),
    # what is in the matrix
    Row("log-normalised", log1p),
    Row("counts in a layer, X scaled", lambda a: scaled(a, layer=True)),
    Row("scaled only", lambda a: scaled(a), InputScaleError, "it looks scaled. Put the counts into", calls=("embed", "annotate")),
    Row("NaN", counts(lambda x: put(x, (2, 5), np.nan)), InputValueError, "1 NaN .* the first at cell 2, gene 5"),
    Row("infinity", counts(lambda x: put(x, (3, 1), np.inf)), InputValueError, "1 infinite values, the first at cell 3, gene 1"),
    Row("minus infinity", counts(lambda x: put(x, (3, 1), -np.inf)), InputValueError, "infinite"),
    Row("counts with fractions", counts(lambda x: x * 1.5 + 30.25 * (x > 0)), warns="like counts with fractions", same=False),
    Row("object dtype", lambda a: ad.AnnData(a.X.toarray().astype(object), obs=a.obs, var=a.var), InputTypeError, "dtype object"),
    # how the matrix is stored
    Row("float64", form(lambda x: x.astype("float64"))),
    Row("int64", form(lambda x: x.astype("int64"))),
    Row("uint16", form(lambda x: x.astype("uint16"))),
    Row("float16, dense", form(lambda x: x.toarray().astype("float16"))),
    Row("dense", form(lambda x: x.toarray())),
    Row("dense, Fortran order", form(lambda x: np.asfortranarray(x.toarray()))),
    Row("CSC", form(lambda x: x.tocsc())),
    Row("csr_array", form(sp.csr_array)),
    Row("unsorted, duplicates, explicit zeros", form(messy)),
    Row("bool", lambda a: ad.AnnData(a.X.astype(bool), obs=a.obs, var=a.var), same=False),
    Row("65,535s in uint16", lambda a: ad.AnnData((a.X > 0).astype("uint16") * 65535, obs=a.obs, var=a.var), same=False),
    Row("a view", lambda a: ad.concat([a, a[:5]], merge="same", uns_merge="same", index_unique="-")[: a.n_obs]),
    Row("masked array", form(lambda x: np.ma.masked_equal(x.toarray(), 3)), InputTypeError, "masked array.*filled", calls=("embed",)),
    Row("masked array without a mask", form(lambda x: np.ma.masked_array(x.toarray(), mask=False)), calls=("embed",)),
    Row("no X, counts in a layer", lambda a: without_x(a, keep=True)),
    Row("no matrix at all", lambda a: without_x(a, keep=False), InputScaleError, "the object has no matrix", calls=("embed",)),
    Row("uns['sgt'] is text", lambda a: with_uns(a, sgt="mine"), InputTypeError, "holds str.*pop", calls=("embed", "annotate")),
    # cells
    Row("no cells", lambda a: a[:0].copy(), InputValueError, "no cells", calls=("embed",)),
    Row("one cell", lambda a: a[:1].copy(), same=False, calls=("embed", "infer_grn")),
    Row("zero-count cells", counts(lambda x: put(x, slice(10, 13), 0)), warns=EMPTY_CELLS, same=False, calls=("embed", "annotate")),
    Row("all zero", counts(lambda x: put(x, slice(None), 0)), InputValueError, "labelled cells is all zero.*layer=", calls=("annotate",)),
    Row("repeated obs_names", lambda a: with_names(a, ["cell"] * a.n_obs), calls=("embed",)),
    # genes
    Row("no genes", lambda a: a[:, :0].copy(), GeneMatchError, "0 columns", calls=("embed", "infer_grn")),
    Row("nothing in common", lambda a: rename(a, [f"region-{i}" for i in range(a.n_vars)]), GeneMatchError, "Matched 0 of"),
    Row("Ensembl ids", lambda a: ensembl(a, version=False)),
    Row("Ensembl ids with versions", lambda a: ensembl(a, version=True)),
    Row("repeated var_names", lambda a: rename(a, [a.var_names[0], *a.var_names[:-1]]), same=False, calls=("embed", "infer_grn")),
    Row("an all-zero gene", counts(lambda x: put(x, (slice(None), 7), 0)), same=False),
    Row("numbers as var_names", lambda a: numbered(a), GeneMatchError, "pass gene_key='symbol'"),
    Row("half of the genes unknown", half_unknown, warns="Matched", same=False),
    Row("odd names", lambda a: rename(a, ["né\nw", "x" * 1_000_000, "", *a.var_names[3:]]), same=False, calls=("embed",)),
    # labels
    Row("labels with NaN and blanks", partly_labelled, same=False, calls=("annotate",)),
    Row("one class", lambda a: with_obs(a, cell_type="B cell"), LabelError, "at least two classes", calls=("annotate",)),
    Row("two columns of labels", lambda a: twice(a), InputValueError, "obs has 2 columns called 'cell_type'", calls=("annotate",)),
    Row("no labels", lambda a: with_obs(a, cell_type=np.nan), LabelError, "labels no cell", calls=("annotate",)),
]  # fmt: skip


def scaled(a, *, layer=False):
    if layer:
        a.layers["counts"] = a.X.copy()
    x = log1p(a.copy()).X.toarray()
    a.X = (x - x.mean(axis=0)) / (x.std(axis=0) + 1)
    return a


def without_x(a, *, keep):
    if keep:
        a.layers["counts"] = a.X
    a.X = None
    return a


def with_uns(a, **entries):
    a.uns |= entries
    return a


def twice(a):
    a.obs = pd.concat([a.obs, a.obs], axis=1)
    return a


def with_names(a, names):
    a.obs_names = names
    return a


def numbered(a):
    a.var["symbol"] = a.var_names
    return rename(a, [str(i) for i in range(a.n_vars)])


@cache
def small_reference():
    some = assets.immune_reference()[::20].copy()
    expressed = np.asarray((some.X > 0).sum(axis=0)).ravel()
    some = some[:, np.sort(np.argsort(-expressed, kind="stable")[:2000])].copy()
    some.obs = some.obs[["cell_type"]].astype(str)
    return some


@pytest.fixture(scope="session")
def sound():
    """About 200 real cells, 2,000 genes, sound in every way."""
    return small_reference().copy()


@pytest.fixture(scope="session")
def expected(sound):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SgtWarning)  # rare classes
        return {name: call(sound.copy()) for name, call in CALLS.items()}


CASES = [pytest.param(row, name, id=f"{row.name}-{name}") for row in ROWS for name in row.calls]


@pytest.mark.filterwarnings("ignore:Variable names are not unique:UserWarning")  # anndata's own word on such input
@pytest.mark.filterwarnings("ignore:Observation names are not unique:UserWarning")
@pytest.mark.parametrize(("row", "name"), CASES)
def test_row(sound, expected, row, name):
    adata = row.make(sound.copy())
    before = adata.copy()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        if row.error is not None:
            with pytest.raises(row.error, match=row.says):
                CALLS[name](adata)
            assert changed(before, adata) == set()
            return
        got = CALLS[name](adata)
    ours = [str(w.message) for w in seen if issubclass(w.category, SgtWarning)]
    if row.warns and name != "annotate":
        assert sum(row.warns in w for w in ours) == (0 if name == "infer_grn" and row.warns == EMPTY_CELLS else 1), ours
    assert not [w for w in seen if "ImplicitModification" in w.category.__name__]
    assert np.isfinite(got).all()
    if row.same:
        np.testing.assert_allclose(got, expected[name], atol=2e-3 if name == "annotate" else 1e-4)


@pytest.mark.parametrize("name", CALLS)
def test_an_object_that_was_read_lazily(sound, expected, name, tmp_path):
    pytest.importorskip("xarray")
    sound.write_h5ad(tmp_path / "a.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rare classes; anndata on what it finds in the file
        got = CALLS[name](ad.experimental.read_lazy(tmp_path / "a.h5ad"))
    np.testing.assert_allclose(got, expected[name], atol=2e-3)


def test_one_cell_equals_its_row(sound, expected):
    np.testing.assert_allclose(embed(sound[17:18].copy())[0], expected["embed"][17], atol=1e-5)


def test_the_order_of_the_genes_does_not_matter(sound, expected):
    order = np.random.default_rng(0).permutation(sound.n_vars)
    turned = sound[:, order].copy()
    np.testing.assert_allclose(embed(turned), expected["embed"], atol=1e-5)
    inverse = np.argsort(order)
    np.testing.assert_allclose(infer_grn(turned)[np.ix_(inverse, inverse)], expected["infer_grn"], atol=1e-5)


@pytest.mark.filterwarnings("ignore:Variable names are not unique:UserWarning")
def test_duplicates_after_the_version_is_gone_are_summed_and_reported(sound):
    ids = ensembl(sound.copy(), version=False)
    at = int(np.flatnonzero(ids.var_names.str.startswith("ENSG"))[0])
    split = ad.concat([ids, ids[:, [at]]], axis=1, merge="same")
    x = split.X.tolil()
    x[:, at] = 0
    split.X = sp.csr_matrix(x)
    split.var_names = [*[f"{n}.1" if n.startswith("ENSG") else n for n in ids.var_names], f"{ids.var_names[at]}.2"]
    np.testing.assert_allclose(embed(split), embed(ids), atol=1e-4)
    assert split.uns["sgt"][KEY]["genes"]["n_duplicate"] == 1


def test_a_column_of_symbols(sound, expected):
    a = numbered(sound.copy())
    sgt.tl.embed(a, gene_key="symbol")
    np.testing.assert_allclose(a.obsm[f"X_{KEY}"], expected["embed"], atol=1e-5)


def test_mouse_genes_go_through_orthologs_with_one_warning(sound, expected):
    mouse = tables.mouse_of_human()
    kept = sound[:, sound.var_names.isin(mouse.index)].copy()
    human = embed(kept.copy())
    kept.var_names = mouse.reindex(kept.var_names).to_numpy()
    with pytest.warns(SgtWarning, match="Mouse genes.*one-to-one orthologs") as seen:
        got = embed(kept)
    assert len([w for w in seen if w.category is SgtWarning]) == 1
    np.testing.assert_allclose(got, human, atol=1e-4)


def test_more_neighbours_than_cells(sound):
    few = sound[:5].copy()
    sgt.tl.embed(few)
    with pytest.warns(SgtWarning, match="k=15 neighbours asked of 5 rows; taking 4"):
        sgt.pp.cell_graph(few)
    assert few.obsp["sgt_cells"].nnz == 20


def test_a_prior_with_what_users_put_into_it(sound):
    base = pd.DataFrame({"source": ["SPI1", "IRF1"], "target": ["CST3", "B2M"]})
    odd = pd.concat(
        [
            base,
            base,
            base.rename(columns={"source": "target", "target": "source"}),
            pd.DataFrame({"source": ["SPI1", None], "target": ["SPI1", "B2M"]}),
        ]
    )
    sgt.tl.infer_grn(sound_copy := sound.copy(), odd, method="degree", n_runs=1)
    assert sound_copy.uns["sgt_grn"]["params"]["n_edges"] == 4
    with pytest.raises(GraphError, match="are numbers; got 'much'"):
        sgt.tl.infer_grn(sound.copy(), base.assign(weight="much"))


def test_ctrl_c_while_training_leaves_the_object_alone(sound, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scgnn_tools.labels.scgrapht.training.fit_full_batch", interrupted)
    adata = sound.copy()
    before = adata.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SgtWarning)
        with pytest.raises(KeyboardInterrupt):
            sgt.tl.annotate(adata, "cell_type")
    assert changed(before, adata) == set()
