import json

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
    sgt.settings.verbose = sgt.settings.progress = True


QUICK = ["--labels", "bulk_labels", "--method", "logreg_pca", "--n-cells", "3", "--n-genes", "10", "--device", "cpu"]


def test_the_table_the_file_and_the_figure(file, tmp_path, capsys):
    table, out, figure = tmp_path / "genes.csv", tmp_path / "out.h5ad", tmp_path / "genes.png"
    assert main(["explain", str(file), *QUICK, "-o", str(table), "--figure", str(figure), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["written"] == [str(table), str(figure)]
    assert any("logreg_pca by occlusion" in line for line in said["notices"])
    genes = pd.read_csv(table, index_col="gene")
    assert len(genes) == 10
    assert set(genes.columns) <= set(ad.read_h5ad(file).obs["bulk_labels"])  # the classes under their own names
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert main(["--quiet", "explain", str(file), *QUICK, "-o", str(out)]) == 0
    kept = ad.read_h5ad(out).uns["sgt_explain"]
    assert kept["genes"].to_numpy() == pytest.approx(genes.to_numpy(), nan_ok=True)


@pytest.mark.parametrize(
    "pathway",
    [["CC"], pytest.param(["P2", "--n-seeds", "2"], marks=pytest.mark.slow)],
    ids=["no nodes of genes", "trainings compared"],
)
def test_the_table_and_the_figure_are_of_entries(file, tmp_path, pathway):
    table, figure = tmp_path / "entries.csv", tmp_path / "entries.png"
    how = ["--method", "scgrapht", "--how", "gradcam", "--pathway", *pathway, "-o", str(table), "--figure", str(figure)]
    assert main(["--quiet", "explain", str(file), *QUICK, *how]) == 0
    assert set(pd.read_csv(table, index_col=["side", "entry"]).index.get_level_values("side")) == {"graph", "vectors"}
    assert figure.read_bytes().startswith(b"\x89PNG")


BAD = [
    (["--how", "guess"], "occlusion"),
    (["--how", "gradcam"], "needs the graph of scgrapht"),
    (["--figure", "a.xlsx"], "--figure ends in .png, .pdf or .svg; got a.xlsx"),
    (["--n-cells", "0"], "n_cells"),
    (["--labels", "nobody"], "'nobody'"),
    (["--device", "none"], "Device 'none' is not available"),
]


@pytest.mark.parametrize(("words", "says"), BAD)
def test_bad_input_is_a_line_and_nothing_is_written(file, tmp_path, capsys, words, says):
    out = tmp_path / "out.h5ad"
    assert main(["explain", str(file), *QUICK, *words, "--output", str(out)]) == 1
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_the_labels_of_another_file(file, pbmc68k, tmp_path):
    pbmc68k[200:500].copy().write_h5ad(tmp_path / "reference.h5ad")
    given = ["--reference", str(tmp_path / "reference.h5ad"), "--output", str(tmp_path / "genes.csv")]
    assert main(["--quiet", "explain", str(file), *QUICK, *given]) == 0
    assert pd.read_csv(tmp_path / "genes.csv").shape[0] == 10
