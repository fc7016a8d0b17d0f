import io
import re
import runpy
import signal
import sys
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools.cli import main


@pytest.fixture
def file(pbmc68k, tmp_path):
    path = tmp_path / "cells.h5ad"
    pbmc68k[:200].copy().write_h5ad(path)
    return path


@pytest.fixture(autouse=True)
def _loud_again():
    yield
    sgt.settings.verbose = True


def test_embed(file, tmp_path, capsys):
    out = tmp_path / "out.h5ad"
    assert main(["embed", str(file), "--output", str(out)]) == 0
    assert "written" in capsys.readouterr().out
    key = f"X_{sgt.fm.best_bundled()}"
    assert ad.read_h5ad(out).obsm[key].shape[0] == 200


@pytest.fixture
def some_edges(tmp_path):
    """A fifth of the bundled prior: enough to learn from, and quick."""
    edges = sgt.genes.prior()
    path = tmp_path / "some.tsv"
    edges[edges["source"].isin(edges["source"].unique()[::5])].to_csv(path, sep="\t", index=False)
    return str(path)


def test_grn_as_a_table(file, some_edges, tmp_path):
    out = tmp_path / "edges.csv"
    assert main(["--quiet", "grn", str(file), "--output", str(out), "--method", "degree", "--prior", some_edges]) == 0
    assert {"source", "target", "score", "known"} <= set(pd.read_csv(out))


def test_grn_by_group_with_exports(file, some_edges, tmp_path, capsys):
    out, exports = tmp_path / "net.h5ad", [tmp_path / "a.graphml", tmp_path / "a.cyjs", tmp_path / "A.HTML"]
    args = ["--quiet", "grn", str(file), "--output", str(out), "--method", "degree", "--groupby", "bulk_labels"]
    args += ["--n-runs", "1", "--n-top", "20", "--store", str(tmp_path / "runs"), "--prior", some_edges]
    for path in exports:
        args += ["--export", str(path)]
    with pytest.warns(UserWarning, match="No network for"):
        assert main(args) == 0
    edges = ad.read_h5ad(out).uns["sgt_grn"]["edges"]
    assert edges["group"].nunique() > 3
    assert "<graphml" in exports[0].read_text()
    assert exports[2].read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "runs" / "run0.safetensors").exists()
    assert main(args) == 1
    assert "exists. Pass --overwrite" in capsys.readouterr().err
    assert main(["grn", str(file), "--output", str(tmp_path / "b.h5ad"), "--export", "a.xlsx"]) == 1
    assert (
        "--export ends in .graphml, .cyjs, .csv, .tsv, .gmt, .parquet or .html; got a.xlsx" in capsys.readouterr().err
    )


def test_annotate(file, pbmc68k, tmp_path):
    out = tmp_path / "out.h5ad"
    reference = tmp_path / "reference.h5ad"
    pbmc68k[100:400].copy().write_h5ad(reference)
    args = ["--quiet", "annotate", str(file), "--output", str(out), "--method", "knn_pca"]
    assert main([*args, "--labels-key", "louvain", "--reference", str(reference)]) == 0
    assert "sgt_label" in ad.read_h5ad(out).obs


def test_a_network_from_files_of_priors_and_factors(file, tmp_path):
    from scgnn_tools import genes

    prior = genes.prior()
    prior[prior["source"].isin(["SPI1", "STAT1", "JUN", "FOS"])].to_csv(tmp_path / "own.tsv", sep="\t", index=False)
    (tmp_path / "tfs.txt").write_text("SPI1\nJUN\nSTAT1\n")
    args = ["--quiet", "grn", str(file), "--output", str(tmp_path / "n.csv"), "--method", "degree", "--n-runs", "1"]
    args += [
        "--prior",
        str(tmp_path / "own.tsv"),
        "--prior",
        "trrust",
        "--tfs",
        str(tmp_path / "tfs.txt"),
        "--mask",
        "trrust",
    ]
    assert main(args) == 0
    edges = pd.read_csv(tmp_path / "n.csv")
    assert set(edges["source"]) <= {"SPI1", "JUN", "STAT1"}
    assert edges["known"].all()
    assert {"in_own.tsv", "in_TRRUST (human)"} <= set(edges)


def test_annotate_keeps_its_annotator_and_takes_other_files(pbmc68k, tmp_path, capsys):
    pbmc68k[:300].copy().write_h5ad(tmp_path / "reference.h5ad")
    query = pbmc68k.raw[300:].to_adata()
    counts = pd.DataFrame(query.X.toarray(), index=query.obs_names, columns=query.var_names)
    counts.to_csv(tmp_path / "query.csv.gz")
    ann, one, other = tmp_path / "ann", tmp_path / "one.h5ad", tmp_path / "other.h5ad"
    given = ["--quiet", "annotate", str(tmp_path / "query.csv.gz"), "--majority", "--output"]
    train = [
        "--reference",
        str(tmp_path / "reference.h5ad"),
        "--labels",
        "bulk_labels",
        "--method",
        "logreg_pca",
        "--save",
        str(ann),
    ]
    assert main([*given, str(one), *train]) == 0
    assert f"{ann} written" in capsys.readouterr().out
    assert main([*given, str(other), "--reference", str(ann)]) == 0
    a, b = ad.read_h5ad(one).obs, ad.read_h5ad(other).obs
    assert "sgt_label_majority" in a
    assert (a["sgt_label"].astype(str) == b["sgt_label"].astype(str)).all()
    assert main([*given, str(tmp_path / "c.h5ad"), *train]) == 1
    assert "ann exists. Pass --overwrite" in capsys.readouterr().err
    assert main([*given, str(tmp_path / "c.h5ad"), "--reference", str(ann), "--save", str(tmp_path / "d")]) == 1
    assert "is a saved annotator already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--save", "theirs", "--overwrite", "--output", "a.h5ad"], "holds what no save wrote"),
        (["--save", "a\0b", "--output", "a.h5ad"], "null character"),
        (["--save", "same", "--store", "same"], "is given twice, by --store and --save"),
        (["--save", "x.zarr/ann", "--store", "x.zarr"], "one path lies within the other"),
        (["--store", "x.zarr", "--overwrite"], "--overwrite goes with --output"),
        (["--save", "ann", "--store", "x.zarr", "--shard", "0/2"], "train it once"),
        (["--save", "ann", "--store", "x.zarr", "--devices", "2"], "train it once"),
        (["--reference", "reference.h5ad", "--labels", "", "--output", "a.h5ad"], "labels_key='' is no column"),
    ],
)
def test_what_annotate_cannot_keep_is_refused_before_the_work(pbmc68k, tmp_path, monkeypatch, capsys, given, says):
    monkeypatch.chdir(tmp_path)
    pbmc68k[:60].copy().write_h5ad("reference.h5ad")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/thesis.txt").write_text("")
    before = sorted(tmp_path.rglob("*"))
    assert main(["--quiet", "annotate", "reference.h5ad", *given]) == 1
    assert says in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("store", ["a.h5ad", "a.h5ad/runs"])
def test_a_store_of_runs_where_the_output_goes_is_refused_before_the_work(
    pbmc68k, tmp_path, monkeypatch, capsys, store
):
    monkeypatch.chdir(tmp_path)
    pbmc68k[:60].copy().write_h5ad("cells.h5ad")
    assert main(["--quiet", "grn", "cells.h5ad", "--output", "a.h5ad", "--store", store]) == 1
    assert "is given twice, by --output, --export and --store" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["cells.h5ad"]


def test_annotate_keeps_its_annotator_beside_a_store(pbmc68k, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pbmc68k[:300].copy().write_h5ad("reference.h5ad")
    pbmc68k[300:400].copy().write_h5ad("query.h5ad")
    train = ["--reference", "reference.h5ad", "--labels", "bulk_labels", "--method", "centroid", "--save", "ann"]
    assert main(["--quiet", "annotate", "query.h5ad", *train, "--store", "labels.zarr"]) == 0
    assert ad.read_zarr("labels.zarr").n_obs == 100
    assert (tmp_path / "ann/config.json").is_file()


def test_a_stream_that_was_closed_before_the_start(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    status = main(["models"]), main(["embed", "nowhere.h5ad", "--output", "x.h5ad"])
    sys.stdout.close(), sys.stderr.close()
    assert status == (0, 1)


def test_an_error_is_red_on_a_terminal_where_rich_is_installed(monkeypatch):
    pytest.importorskip("rich", reason="rich is not installed: pip install 'scgnn_tools[cli]'")
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["embed", f"{'no' * 60}/where[red].h5ad", "--output", "x.h5ad"]) == 1
    (line,) = terminal.getvalue().splitlines()  # nothing is folded, and a name is no markup
    assert "\x1b[31m" in line
    assert "where[red].h5ad" in line


def test_errors_are_one_line_and_status_1(file, tmp_path, capsys):
    assert main(["embed", str(tmp_path / "no.h5ad"), "--output", str(tmp_path / "o.h5ad")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("sgt: There is no file")
    assert err.count("\n") == 1
    assert main(["embed", str(file), "--output", str(file)]) == 1
    assert "exists" in capsys.readouterr().err
    assert main(["embed", str(file), "--output", str(tmp_path / "o.h5ad"), "--layer", "spliced"]) == 1
    assert "spliced" in capsys.readouterr().err
    assert not (tmp_path / "o.h5ad").exists()


def test_wrong_arguments_are_status_2():
    with pytest.raises(SystemExit) as stop:
        main(["fly"])
    assert stop.value.code == 2


def test_interrupt_is_status_130(file, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scgnn_tools.tl.embed", interrupted)
    assert main(["embed", str(file), "--output", str(tmp_path / "o.h5ad")]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_models(capsys):
    assert main(["models"]) == 0
    assert sgt.fm.best_bundled() in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert sgt.__version__ in capsys.readouterr().out


def test_pretrain_with_edges_of_the_corpus_and_text_features(tmp_path, capsys):
    import anndata as ad
    import numpy as np
    import pandas as pd
    import scipy.sparse as sp

    from scgnn_tools import genes

    names = genes.prior()["target"].drop_duplicates().to_numpy()[:40]
    rng = np.random.default_rng(0)
    half = rng.poisson(rng.gamma(1.0, 3.0, size=(60, 20)))
    counts = sp.csr_matrix(np.concatenate([half, half], axis=1).astype(np.float32))
    ad.AnnData(counts, var=pd.DataFrame(index=names)).write_h5ad(tmp_path / "cells.h5ad")
    pd.DataFrame(rng.normal(size=(40, 6)), index=names).to_csv(tmp_path / "text.csv")
    sizes = ["--dim", "8", "--heads", "2", "--hidden", "8", "--n-layers", "1", "--n-graph-layers", "1", "--steps", "1"]
    more = ["--coexpression", "auto", "--text", str(tmp_path / "text.csv")]
    start = ["pretrain", str(tmp_path / "cells.h5ad"), "--output", str(tmp_path / "run")]
    assert main([*start, *sizes, *more, "--variant", "paper", "--min-cells", "1", "--device", "cpu"]) == 0
    model = sgt.fm.load("cgc", checkpoint=tmp_path / "run/model", device="cpu")
    assert (model.sizes.n_text, model.sizes.variant) == (6, "paper")
    assert (model.graph.correlation > 0.6).sum() >= 40
    again = ["pretrain", str(tmp_path / "cells.h5ad"), "--output", str(tmp_path / "more"), "--steps", "1"]
    assert main([*again, "--checkpoint", str(tmp_path / "run/model"), *more]) == 1
    assert "has its edges and text features" in capsys.readouterr().err


def test_pretrain_goes_on_from_cells_to_bulk_samples(tmp_path):
    import anndata as ad
    import numpy as np
    import pandas as pd

    from scgnn_tools import genes

    names = genes.prior()["target"].drop_duplicates().to_numpy()[:40]
    counts = np.random.default_rng(0).poisson(np.random.default_rng(1).gamma(1.0, 20.0, size=(40, 40)))
    ad.AnnData(counts.astype(np.float32), var=pd.DataFrame(index=names)).write_h5ad(tmp_path / "samples.h5ad")
    start = ["pretrain", str(tmp_path / "samples.h5ad"), "--steps", "1", "--device", "cpu", "--min-cells", "1"]
    sizes = ["--dim", "8", "--heads", "2", "--hidden", "8", "--n-layers", "1", "--n-graph-layers", "1"]
    assert main([*start, *sizes, "--output", str(tmp_path / "cells"), "--max-length", "30"]) == 0
    again = [*start, "--bulk", "--checkpoint", str(tmp_path / "cells/model"), "--output", str(tmp_path / "bulk")]
    assert main(again) == 0
    model = sgt.fm.load("cgc", checkpoint=tmp_path / "bulk/model", device="cpu")
    assert (model.sizes.continuous, model.sizes.standardised) == (True, False)
    tokens = model.tokenize(ad.read_h5ad(tmp_path / "samples.h5ad")[:1])
    expected = np.log1p(counts[0] / counts[0].sum() * 1e6)
    np.testing.assert_allclose(np.sort(tokens.values[1:]), np.sort(expected[expected > 0]), rtol=1e-5)
    assert main([*start, *sizes, "--bulk", "--output", str(tmp_path / "new")]) == 0


def test_an_output_that_takes_no_more_is_one_line(monkeypatch, capsys):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["models"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_sigterm_is_status_143_and_the_handler_is_given_back(file, tmp_path, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sgt.tl, "embed", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    assert main(["embed", str(file), "--output", str(tmp_path / "o.h5ad")]) == 143
    assert capsys.readouterr().err == "sgt: terminated\n"
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "o.h5ad").exists()


class HalfMade:
    """What a library had begun to make when the signal came."""

    def __del__(self):
        raise AttributeError("_as_parameter_")


def test_nothing_is_said_after_the_line_of_a_signal(file, monkeypatch, capsys):
    objects = [HalfMade()]
    monkeypatch.setattr(sys, "unraisablehook", lambda said: sys.stderr.write(f"{said.exc_value}\n"))
    monkeypatch.setattr(sgt.tl, "embed", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    words = ["embed", str(file), "--output", "o.h5ad"]
    assert main(words) == 143
    objects.append(HalfMade())
    del objects[0]  # a call of Python's goes on afterwards: its errors are told
    assert capsys.readouterr().err == "sgt: terminated\n_as_parameter_\n"
    monkeypatch.setattr(sys, "argv", ["sgt", *words])
    assert main() == 143
    objects.clear()
    assert capsys.readouterr().err == "sgt: terminated\n"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("--heads", "3"), ("--heads", "0"), ("--dim", "0"), ("--dim", "-4"), ("--n-layers", "0"), ("--max-length", "1"),
        ("--dropout", "1.5"),
        ("--min-cells", "0"), ("--devices", "0"), ("--batch-size", "0"), ("--checkpoint-every", "0"), ("--precision", "nonsense"),
        ("--lr", "-1"), ("--share", "1"), ("--warmup", "-1"), ("--epochs", "0"), ("--steps", "0"), ("--coexpression", "nosuch.csv"),
        ("--text", "nosuch.csv"),
    ],
)  # fmt: skip
def test_pretrain_refuses_wrong_numbers_in_one_line(file, tmp_path, capsys, word, value):
    small = {
        "--dim": "16",
        "--heads": "2",
        "--hidden": "16",
        "--n-layers": "1",
        "--n-graph-layers": "1",
        "--max-length": "33",
    }
    words = [w for pair in {**small, word: value}.items() for w in pair]
    assert main(["--quiet", "pretrain", str(file), "--output", str(tmp_path / "o"), "--device", "cpu", *words]) == 1
    assert capsys.readouterr().err.startswith("sgt: ")


def test_the_table_of_models_fits_and_a_card_says_all(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert all(any(line.startswith(name) for line in lines) for name in sgt.fm.list().index)
    assert main(["models", "scgpt"]) == 0
    out = capsys.readouterr().out
    assert "limits" in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    "command",
    [["models", "scGPT"], ["download", "scGPT"], ["embed", "nowhere.h5ad", "--model", "scGPT", "-o", "new.h5ad"]],
)
def test_a_model_that_is_misspelt_is_guessed(command, capsys):
    assert main(command) == 1
    assert "Did you mean 'scgpt'?" in capsys.readouterr().err


def test_a_model_without_its_weights_names_the_download(file, tmp_path, capsys):
    assert main(["embed", str(file), "--model", "scgpt", "-o", str(tmp_path / "o.h5ad")]) == 1
    assert "`sgt download scgpt` fetches its weights" in capsys.readouterr().err
    assert main(["embed", str(file), "-o", str(tmp_path / "o.h5ad"), "--device", "none"]) == 1
    assert "Device 'none' is not available" in capsys.readouterr().err


def test_a_download_says_licence_and_size_first(capsys, monkeypatch, tmp_path):
    assert main(["download", "scfoundation"]) == 1
    assert "add --accept-license" in capsys.readouterr().err
    monkeypatch.setattr(sgt.fm, "download_size", lambda name, variant: 205_000_000)
    monkeypatch.setattr(sgt.fm, "download", lambda name, **given: given["folder"])
    assert main(["download", "scgpt", "--folder", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "205 MB; licence: MIT" in err
    assert out.splitlines()[0] == str(tmp_path)


def test_info_names_versions_settings_and_weights(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sgt.settings, "cache_dir", tmp_path)
    (tmp_path / "scgpt/whole-human").mkdir(parents=True)
    (tmp_path / "scgpt/whole-human/download.json").write_text("{}")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert f"weights in {tmp_path}: scgpt/whole-human" in out
    assert "progress=" in out


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("annotate", sgt.labels.METHODS),
        ("explain", sgt.labels.METHODS),
        ("grn", sgt.links.PREDICTORS),
        ("perturb", sgt.perturbation.METHODS),
        ("integrate", sgt.integration.METHODS),
        ("report", ["self-contained"]),
    ],
)
def test_help_names_what_there_is(word, names, capsys):
    with pytest.raises(SystemExit):
        main([word, "--help"])
    said = re.split(r"[\s,]+", capsys.readouterr().out)
    assert set(names) <= set(said)


def test_the_package_is_the_command(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["scgnn_tools", "info"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("scgnn_tools", run_name="__main__")
    assert ended.value.code == 0
    assert sgt.__version__ in capsys.readouterr().out


def test_a_misspelt_command_is_recognised(capsys):
    with pytest.raises(SystemExit):
        main(["embedx", "a.h5ad"])
    assert "Did you mean 'embed'?" in capsys.readouterr().err
