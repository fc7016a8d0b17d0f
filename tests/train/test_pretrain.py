"""Pretraining: the stream of cells, exact resuming, several processes, and what is refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools._errors import GeneMatchError, InputValueError, MissingKeyError, SgtWarning
from scgnn_tools.fm.cgc import CGCModel
from scgnn_tools.models.untrained import untrained_cgc
from scgnn_tools.train.corpus import Corpus, corpus_genes
from scgnn_tools.train.pretrain import Schedule, pretrain

SIZES = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1, "n_graph_layers": 1, "max_length": 33, "dropout": 0.1}


def cells(n: int, seed: int) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    genes = sgt.genes.prior()["target"].drop_duplicates().to_numpy()[:80]
    means = rng.gamma(0.5, 2.0, size=(3, len(genes)))[rng.integers(3, size=n)]
    x = sp.csr_matrix(rng.poisson(means).astype(np.float32))
    return ad.AnnData(x, var=pd.DataFrame(index=genes), obs=pd.DataFrame(index=[f"c{seed}_{i}" for i in range(n)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("corpus")
    cells(700, 0).write_h5ad(out / "a.h5ad")
    cells(300, 1).write_h5ad(out / "b.h5ad")
    return out


@pytest.fixture
def model(folder):
    return untrained_cgc([folder], min_cells=1, **SIZES)


def test_an_epoch_holds_every_cell_once_and_no_cell_for_validation(folder, model):
    corpus = Corpus([folder], model, validation=0.05)
    held = corpus.validation()
    assert held.shape[0] == 50
    rows = []
    for batch in corpus.batches(32, seed=0):
        rows.append(batch.rows)
        if sum(r.shape[0] for r in rows) >= 950:
            break
    seen = sp.vstack(rows).toarray()
    every = np.concatenate([seen, held.toarray()])
    truth = np.concatenate([ad.read_h5ad(folder / f).X.toarray() for f in ("a.h5ad", "b.h5ad")])
    assert len(seen) == 950
    at = pd.Index(ad.read_h5ad(folder / "a.h5ad").var_names).get_indexer(model.vocabulary)
    assert sorted(map(tuple, every)) == sorted(map(tuple, truth[:, at]))
    orders = [next(corpus.batches(32, seed=s)).rows.toarray() for s in (0, 0, 1)]
    assert (orders[0] == orders[1]).all()
    assert not (orders[0] == orders[2]).all()


def test_poor_cells_and_genes_that_hardly_vary_stay_out(folder, model):
    x = np.concatenate([ad.read_h5ad(folder / f).X.toarray() for f in ("a.h5ad", "b.h5ad")])
    least = int(np.median((x > 0).sum(axis=1)))
    corpus = Corpus([folder], model, min_genes=least, n_top_genes=15)
    good = int(((x > 0).sum(axis=1) >= least).sum())
    assert corpus.n_cells == good < 1000
    rows = [corpus.validation()]
    for batch in corpus.batches(32, seed=0):
        rows.append(batch.rows)
        if sum(r.shape[0] for r in rows) >= good:
            break
    seen = sp.csr_array(sp.vstack(rows))
    assert seen.shape[0] == good
    assert 15 <= len(np.unique(seen.indices)) <= 30  # 15 of each file
    assert corpus.digest() != Corpus([folder], model, n_top_genes=15).digest()
    with pytest.raises(InputValueError, match="holds 0 cells with min_genes=10000"):
        Corpus([folder], model, min_genes=10_000)
    with pytest.raises(InputValueError, match="n_top_genes is a positive integer"):
        Corpus([folder], model, n_top_genes=0)


def test_the_schedule_of_the_paper_takes_two_batches_a_step():
    assert Schedule.paper(steps=7) == Schedule(steps=7, accumulate=2)


def test_processes_share_the_stream_and_a_later_start_gives_the_same_batches(folder, model):
    corpus = Corpus([folder], model)

    def first(n, **how):
        stream = corpus.batches(64, seed=3, **how)
        return [next(stream) for _ in range(n)]

    alone = {b.index: b.rows.toarray() for b in first(40)}
    for rank in (0, 1):
        for b in first(20, rank=rank, ranks=2):
            assert b.index % 2 == rank
            np.testing.assert_array_equal(b.rows.toarray(), alone[b.index])
    for b in first(5, start=33):
        np.testing.assert_array_equal(b.rows.toarray(), alone[b.index])


@pytest.mark.parametrize("kind", ["sparse", "dense", "layer"])
@pytest.mark.filterwarnings("ignore:.*zarr v2.*")
def test_zarr_folders_are_streamed_as_files_are(folder, model, tmp_path, kind):
    for name in ("a", "b"):
        adata = ad.read_h5ad(folder / f"{name}.h5ad")
        if kind == "dense":
            adata.X = adata.X.toarray()
        if kind == "layer":
            adata.layers["counts"], adata.X = adata.X, np.zeros(adata.shape, dtype=np.float32)
        adata.write_zarr(tmp_path / f"{name}.zarr")
    corpus = Corpus([tmp_path], model)
    assert not any(
        isinstance(f.expression._matrix, np.ndarray) or sp.issparse(f.expression._matrix) for f in corpus.files
    )
    a, b = (next(c.batches(32, seed=0)).rows.toarray() for c in (Corpus([folder], model), corpus))
    np.testing.assert_array_equal(a, b)


def test_the_vocabulary_is_what_enough_cells_express(tmp_path):
    adata = cells(20, 0)
    counts = adata.X.toarray()
    counts[:, 0] = np.arange(20) == 3
    adata.X = sp.csr_matrix(counts)
    genes = corpus_genes([adata], min_cells=2)
    assert adata.var_names[0] not in genes
    assert adata.var_names[0] in corpus_genes([adata], min_cells=1)
    with pytest.raises(InputValueError, match="min_cells"):
        corpus_genes([adata], min_cells=1000)


def test_a_corrupt_file_is_named_and_refused_or_skipped(folder, model, tmp_path):
    for f in folder.iterdir():
        (tmp_path / f.name).write_bytes(f.read_bytes())
    (tmp_path / "c.h5ad").write_bytes((folder / "a.h5ad").read_bytes()[:5000])
    with pytest.raises(InputValueError, match=r"c\.h5ad.*on_bad='skip'"):
        Corpus([tmp_path], model)
    with pytest.warns(SgtWarning, match=r"Skipped .*c\.h5ad"):
        corpus = Corpus([tmp_path], model, on_bad="skip")
    assert corpus.n_cells == 1000
    with pytest.raises(InputValueError, match=r"nothing\.h5ad"):
        Corpus([tmp_path / "nothing.h5ad"], model)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputValueError, match=r"no \.h5ad"):
        Corpus([tmp_path / "empty"], model)


def test_cells_of_other_genes_are_refused(model):
    other = cells(30, 0)
    other.var_names = [f"nothing{i}" for i in range(other.n_vars)]
    with pytest.raises((GeneMatchError, InputValueError), match="Matched 0 of 80 genes"):
        Corpus([other], model)


def test_a_resumed_run_is_the_run_that_was_not_stopped(folder, tmp_path):
    def go(at, steps):
        fresh = untrained_cgc([folder], min_cells=1, **SIZES)
        plan = Schedule(steps=steps, batch_size=16, warmup=2, lr=1e-3, accumulate=2)
        history = pretrain(fresh, Corpus([folder], fresh), at, schedule=plan, checkpoint_every=5)
        return history, fresh.network.state_dict()

    whole, weights = go(tmp_path / "whole", 20)
    go(tmp_path / "parts", 10)
    parts, again = go(tmp_path / "parts", 20)
    pd.testing.assert_frame_equal(whole, parts)
    for name, tensor in weights.items():
        assert (tensor == again[name]).all(), name
    assert whole["step"].tolist() == [5, 10, 15, 20]
    assert whole["loss"].iloc[-1] < whole["loss"].iloc[0]
    saved = sgt.fm.load("cgc", checkpoint=tmp_path / "whole" / "model")
    assert (saved.network.genes.embedding.weight == weights["genes.embedding.weight"]).all()


def test_a_run_of_another_configuration_is_not_gone_on_with(folder, tmp_path, model):
    corpus = Corpus([folder], model)
    pretrain(model, corpus, tmp_path, schedule=Schedule(steps=2, batch_size=8), checkpoint_every=1)
    with pytest.raises(InputValueError, match=r"batch_size \(8 there, 9 here\).*resume=False"):
        pretrain(model, corpus, tmp_path, schedule=Schedule(steps=4, batch_size=9), checkpoint_every=1)
    grown = untrained_cgc([folder], min_cells=300, **SIZES)
    with pytest.raises(InputValueError, match="vocabulary cannot grow"):
        pretrain(grown, Corpus([folder], grown), tmp_path, schedule=Schedule(steps=4, batch_size=8), checkpoint_every=1)
    pretrain(grown, Corpus([folder], grown), tmp_path, schedule=Schedule(steps=2, batch_size=8), resume=False)


def test_cgc_of_models_trains_embeds_and_comes_back(tmp_path):
    adata = cells(120, 2)
    with pytest.raises(MissingKeyError, match="setup_anndata"):
        sgt.models.CGC(adata)
    sgt.models.CGC.setup_anndata(adata)
    cgc = sgt.models.CGC(adata, min_cells=1, **SIZES)
    cgc.train(steps=6, batch_size=16, warmup=1, lr=1e-3, checkpoint_every=3)
    vectors = cgc.get_latent_representation()
    assert vectors.shape == (120, 16)
    assert len(cgc.history) == 2
    cgc.save(tmp_path / "cgc")
    other = adata[:, ::-1].copy()
    other.uns.clear()
    np.testing.assert_allclose(
        sgt.models.CGC.load(tmp_path / "cgc", other).get_latent_representation(), vectors, atol=1e-5
    )
    with pytest.raises(InputValueError, match="speed"):
        cgc.train(speed=3)


def test_without_a_graph_there_are_no_edges(folder):
    assert untrained_cgc([folder], graph=False, min_cells=1, **SIZES).sizes.n_graph_layers == 0
    assert isinstance(untrained_cgc([folder], min_cells=1, **SIZES), CGCModel)


COMMAND = [
    "--dim", "16", "--heads", "2", "--hidden", "16", "--n-layers", "1", "--n-graph-layers", "1", "--max-length", "33", "--min-cells", "1",
    "--batch-size", "8", "--warmup", "5", "--lr", "1e-3", "--device", "cpu", "--devices", "2", "--checkpoint-every", "20",
]  # fmt: skip


def _start(folder, out):
    sgt_command = str(Path(sys.executable).with_name("sgt"))
    words = [sgt_command, "pretrain", str(folder), "--output", str(out), "--steps", "200", *COMMAND]
    with Path(f"{out}.log").open("wb") as log:
        return subprocess.Popen(words, start_new_session=True, stdout=log, stderr=log)


@pytest.mark.slow
def test_two_processes_killed_half_way_end_where_an_undisturbed_run_ends(folder, tmp_path):
    whole = _start(folder, tmp_path / "whole")
    assert whole.wait(300) == 0, Path(tmp_path / "whole.log").read_text()
    killed = _start(folder, tmp_path / "killed")
    state = tmp_path / "killed" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not state.is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "history.csv").exists(), "it ended before it was killed"
    again = _start(folder, tmp_path / "killed")
    assert again.wait(300) == 0, Path(tmp_path / "killed.log").read_text()
    a, b = (pd.read_csv(tmp_path / name / "history.csv") for name in ("whole", "killed"))
    pd.testing.assert_frame_equal(a, b, rtol=1e-5)
    assert a["step"].iloc[-1] == 200
