"""The readers of files, each with sound files to damage and what a sound result is."""

import gzip
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from benchmarks import checkpoints
from hypothesis import strategies as st

import scgnn_tools as sgt
from scgnn_tools._errors import SgtError
from scgnn_tools.cli import _files
from scgnn_tools.data import open_expression
from scgnn_tools.data.bounds import check_object
from scgnn_tools.fm import saves
from scgnn_tools.fm._vocabulary import check_ids
from scgnn_tools.fm.dictionaries import read_arrays, read_dictionary, read_json, read_words
from scgnn_tools.graph.exchange import cytoscape, graphml
from scgnn_tools.graph.network_files import read_network
from scgnn_tools.graph.prior import check_edges, prior
from scgnn_tools.grn.edge_tables import candidates, edge_scores
from scgnn_tools.grn.given import given_factors
from scgnn_tools.store.folder import RunFolder
from tests.fuzz import damage

GENES = checkpoints.genes_like(40)


@dataclass(frozen=True)
class Reader:
    """``make`` writes sound files, ``read`` reads damaged ones and asserts that what it gets is sound; a list of ``draws`` damages them.

    Without ``make`` nothing is a file, and ``read`` takes what was drawn.
    """

    read: Callable[[Any], object]
    draws: st.SearchStrategy[Any]
    make: Callable[[Path], object] | None = None
    after: Callable[[Path], object] = lambda folder: None


def files_of(folder: Path) -> list[str]:
    """Return the files of a folder by relative name, sorted."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def tried(reader: Reader, sound: Path, scratch: Path, case: Any) -> str:
    """Read once; return what came of it, "sound" or the name of our error. Anything else is raised."""
    try:
        if reader.make is None:
            reader.read(case)
            return "sound"
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(sound, scratch)
        damage.apply(scratch, files_of(scratch), case)
        reader.after(scratch)
        reader.read(scratch)
    except SgtError as error:
        return type(error).__name__
    return "sound"


# checkpoints


def published(name: str) -> Callable[[Path], object]:
    """Return what writes a tiny checkpoint of a model in its published format."""

    def make(folder: Path) -> object:
        small = {"n_layers": 1, "dim": 16, "n_heads": 2}
        match name:
            case "geneformer":
                return checkpoints.geneformer(folder, checkpoints.ensembl_of(GENES), max_length=32, **small)
            case "scfoundation":
                return checkpoints.scfoundation(
                    folder, GENES, decoder_layers=1, decoder_dim=16, decoder_heads=2, sets=("cell", "gene"), **small
                )
            case "cgc":
                return checkpoints.cgc(folder, GENES, n_layers=1, dim=16)
        return getattr(checkpoints, name)(folder, GENES, **small)

    return make


def own(folder: Path) -> None:
    published("scgpt")(folder.with_name("published"))
    sgt.fm.load("scgpt", checkpoint=folder.with_name("published"), device="cpu").save(folder)


def sealed(folder: Path) -> None:
    """Give a changed folder a seal that fits: somebody made it so."""
    try:
        config = json.loads((folder / saves.CONFIG).read_text())
        saves.seal(folder, config)
    except (OSError, ValueError, AttributeError, RecursionError):
        return


def load(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        model = sgt.fm.load(name, checkpoint=folder, device="cpu")
        table = model.gene_table()
        assert len(table) == len(model.vocabulary)
        assert all(isinstance(g, str) for g in model.vocabulary)

    return read


# dictionaries, arrays and JSON


def dictionaries(folder: Path) -> None:
    folder.mkdir()
    words = {f"ENSG{i}": i for i in range(20)}
    for protocol in (0, 2, 4):
        (folder / f"words{protocol}.pkl").write_bytes(pickle.dumps(words, protocol=protocol))
    (folder / "medians.pkl").write_bytes(pickle.dumps({k: np.float64(v) for k, v in words.items()}))
    (folder / "words.json").write_text(json.dumps(words))
    np.savez_compressed(folder / "arrays.npz", a=np.arange(50), b=np.ones((5, 4), dtype=np.float32))


def read_dictionaries(folder: Path) -> None:
    """Every file is read, however the one before it ended."""
    calls: list[Callable[[], Any]] = [lambda: read_arrays(folder / "arrays.npz"), lambda: read_json(folder / "words.json")]  # fmt: skip
    for path in sorted(folder.glob("words*")):
        calls += [lambda p=path: check_ids(read_words(p, int), p), lambda p=path: read_dictionary(p)]
    calls.append(lambda: read_words(folder / "medians.pkl", float))
    for call in calls:
        try:
            found = call()
        except SgtError:
            continue
        assert found is None or isinstance(found, dict)


# tables of edges and lists of factors

TEXTS = ["A", "B", "SPI1", "", " ", "é\ud800", "x" * 300, "-1"]
CELLS = st.sampled_from([*TEXTS, None, float("nan"), float("inf"), -1, 0, 1, 1e300, 2**70, True, [], {}, ["A"]])
COLUMNS = st.sampled_from(
    ["source", "target", "weight", "mode", "tf", "TF", "score", "importance", "label", "", None, 3, "\ud800"]
)
KNOWN = st.sampled_from([["source", "target"], ["source", "target", "weight"], ["tf", "target", "score"]]) | st.just(
    ["tf", "target", "label"]
)
NAMED = st.one_of(st.lists(COLUMNS, max_size=5), KNOWN, st.builds(list.__add__, KNOWN, st.lists(COLUMNS, max_size=2)))
NAMES, NUMBERS = st.sampled_from(["A", "B", "SPI1"]), st.sampled_from([0, 1, 1.5])


def cells(column: object) -> st.SearchStrategy[Any]:
    """Return what may stand in a column: mostly what belongs there."""
    fits = NUMBERS if column in ("weight", "score", "importance", "label") else NAMES
    return st.integers(0, 9).flatmap(lambda n: fits if n else CELLS)


TABLES = st.tuples(NAMED, st.integers(0, 4)).flatmap(
    lambda c: st.fixed_dictionaries(
        {
            "columns": st.just(c[0]),
            "rows": st.lists(st.tuples(*map(cells, c[0])).map(list), min_size=c[1], max_size=c[1]),
            "kind": st.sampled_from(["object", "inferred", "category"]),
        }
    )
)


def table(case: dict[str, Any]) -> pd.DataFrame:
    out = pd.DataFrame(case["rows"], columns=pd.Index(case["columns"], dtype=object), dtype=object)
    if case["kind"] == "inferred":
        return out.infer_objects()
    if case["kind"] == "category" and not any(isinstance(v, list | dict) for row in case["rows"] for v in row):
        return out.astype("category")
    return out


def read_prior(case: dict[str, Any]) -> None:
    edges = check_edges(table(case))
    assert (edges["weight"] > 0).all()
    assert np.isfinite(edges["weight"]).all()
    assert (edges["source"] != edges["target"]).all()
    assert not edges.duplicated(["source", "target"]).any()
    matrix = prior(edges, np.array(["A", "B", "SPI1"], dtype=object))
    assert matrix.shape == (3, 3)


def read_edges(case: dict[str, Any]) -> None:
    edges = edge_scores(table(case))
    assert np.isfinite(edges["score"]).all()
    assert not edges.duplicated(["tf", "target"]).any()


def read_truth(case: dict[str, Any]) -> None:
    genes = pd.Index(["A", "B", "SPI1"])
    pairs, _ = candidates(table(case), genes, genes)
    assert set(pairs["label"]) == {0, 1}


def network_files(folder: Path) -> None:
    """Write a network in each format that a person could damage with an editor."""
    folder.mkdir()
    net = pd.DataFrame(
        {"source": ["SPI1", "SPI1", "IRF8"], "target": ["LYZ", "CD14", "B2M"], "weight": [1.5, -2.0, 1.0]}
    )
    texts = {
        "a.csv": net.to_csv(index=False),
        "a.graphml": graphml(net),
        "a.cyjs": cytoscape(net),
        "a.gmt": "SPI1(+)\tx\tLYZ\tCD14\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "a.tsv.gz").write_bytes(gzip.compress(net.to_csv(sep="\t", index=False).encode()))


def read_network_files(folder: Path) -> None:
    errors = []
    for path in sorted(folder.iterdir()):
        try:
            assert (check_edges(read_network(path))["weight"] > 0).all()
        except SgtError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def read_factors(case: Any) -> None:
    assert len(given_factors(case))


# objects and stores


def h5ad(folder: Path) -> None:
    folder.mkdir()
    x = sp.random_array((30, 20), density=0.3, rng=np.random.default_rng(0), format="csr", dtype=np.float32)
    x.data = np.ceil(x.data * 5)
    a = ad.AnnData(sp.csr_matrix(x), layers={"csc": sp.csc_matrix(x)}, obsm={"X_pca": x.toarray()[:, :3]})
    a.obs["label"] = pd.Categorical(np.resize(["a", "b"], 30))
    a.write_h5ad(folder / "a.h5ad")


def read_h5ad(folder: Path) -> None:
    path = folder / "a.h5ad"
    adata = _files.read(path)
    for layer in (None, "csc"):
        try:
            for _, rows in open_expression(adata, layer=layer).rows():
                assert np.isfinite(rows.data).all()
        except SgtError:
            continue
    try:
        backed = ad.read_h5ad(path, backed="r")
    except Exception:  # noqa: BLE001 - of anndata; what it opens is ours
        return
    try:
        check_object(backed)
        for _, rows in open_expression(backed).rows():
            assert np.isfinite(rows.data).all()
    finally:
        backed.file.close()


PLAN = {"cells": "abc", "method": "knn"}
MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)
RECORD = {"rows": pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]}), "n": 3}


def store(folder: Path) -> None:
    run = RunFolder(folder, PLAN)
    run.matrix("one", lambda: MATRIX)
    run.record("two", lambda: RECORD)


def read_store(folder: Path) -> None:
    run = RunFolder(folder, PLAN)
    np.testing.assert_array_equal(run.matrix("one", lambda: MATRIX, (3, 4)), MATRIX)
    kept = run.record("two", lambda: RECORD)
    assert kept["n"] == 3
    assert kept["rows"]["a"].tolist() == [1.0, 2.0]


def integrator(folder: Path) -> None:
    from scgnn_tools.integration import Batches, integration_method
    from scgnn_tools.integration.integrator import Integrator
    from scgnn_tools.integration.streamed_pca import StreamedPCA

    rng = np.random.default_rng(0)
    space = StreamedPCA(np.array(GENES, dtype=object))
    space.mean, space.axes = np.zeros(40, np.float32), rng.normal(size=(40, 4)).astype(np.float32)
    method = integration_method("center")
    method.fit(Batches(rng.normal(size=(30, 4)).astype(np.float32), np.arange(30) % 2), rng=0)
    about = {"method": "center", "options": {}, "organism": "human", "use_rep": "pca"}
    Integrator(method, space, np.array(["a", "b"], dtype=object), about).save(folder)


def read_integrator(folder: Path) -> None:
    from scgnn_tools.integration.integrator import Integrator

    found = Integrator.load(folder, device="cpu")
    assert len(found.space.genes) == len(found.space.mean) == len(found.space.axes)


FILES = damage.edits(damage.RAW, damage.TEXT, damage.LEAF)
READERS: dict[str, Reader] = {
    "own folder": Reader(load("scgpt"), FILES, own),
    "own folder, sealed again": Reader(load("scgpt"), damage.edits(damage.LEAF, damage.LEAF, damage.RAW), own, sealed),
    **{name: Reader(load(name), FILES, published(name)) for name in ("scgpt", "geneformer", "scfoundation", "scbert", "cgc")},
    "dictionaries": Reader(read_dictionaries, FILES, dictionaries),
    "prior": Reader(read_prior, TABLES),
    "edges": Reader(read_edges, TABLES),
    "truth": Reader(read_truth, TABLES),
    "network files": Reader(read_network_files, FILES, network_files),
    "factors": Reader(read_factors, st.one_of(st.lists(CELLS, max_size=4), CELLS)),
    # damage to HDF5's own tables is left out: libhdf5 can loop over it without end, in its own code, before anything of ours reads
    "h5ad": Reader(read_h5ad, damage.edits(damage.ARRAY, damage.CUT), h5ad),
    "store": Reader(read_store, FILES, store),
    "integrator": Reader(read_integrator, FILES, integrator),
}  # fmt: skip
