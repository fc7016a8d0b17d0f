import signal
import subprocess
import sys
import time

import anndata as ad
import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools.cli import main


@pytest.fixture
def file(pbmc68k, tmp_path):
    cells = pbmc68k[:200].copy()
    cells.obs["donor"] = np.array(["x", "y"])[np.arange(200) % 2]
    cells.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


@pytest.fixture(autouse=True)
def _loud_again():
    yield
    sgt.settings.verbose = True


def test_batches_of_a_file_get_one_space_and_new_files_are_mapped_into_it(file, tmp_path, capsys):
    out, atlas, mapped = tmp_path / "out.h5ad", tmp_path / "atlas", tmp_path / "mapped.h5ad"
    args = ["--quiet", "integrate", str(file), "--batch-key", "donor"]
    assert main([*args, "--method", "center", "--labels-key", "bulk_labels", "--output", str(out)]) == 0
    assert "center" in ad.read_h5ad(out).uns["sgt_integrated"]["evaluation"].index
    assert main([*args, "--method", "center", "--save", str(atlas), "--overwrite", "--output", str(out)]) == 0
    assert (
        main(
            ["--quiet", "integrate", str(file), "--atlas", str(atlas), "--batch-key", "donor", "--output", str(mapped)]
        )
        == 0
    )
    one, two = (ad.read_h5ad(p).obsm["X_sgt_integrated"] for p in (out, mapped))
    np.testing.assert_allclose(one, two, atol=1e-4)
    assert f"{mapped} written" in capsys.readouterr().out


BAD = [
    ([], "Pass --batch-key"),
    (["--atlas", "a", "--method", "scvi"], "--atlas maps with a method that is there"),
    (["--batch-key", "nobody"], "'nobody'"),
    (["--batch-key", "donor", "--save", "."], ". exists. Pass another --save"),
    (["--batch-key", "donor", "--save", "FILE/atlas"], "cannot be written"),
    (["--batch-key", "donor", "--save", "OUTPUT"], "is given twice, by --output and --save"),
    (["--batch-key", "donor", "--device", "none"], "Device 'none' is not available"),
    (["--batch-key", "donor", "--method", "scvi", "--max-epochs", "0"], "max_epochs is a positive integer; got 0"),
    (["--batch-key", "donor", "--method", "scgpt", "--checkpoint", "FILE"], "no args.json"),
    (["--atlas", "nowhere"], "There is no folder nowhere"),
    (["--batch-key", "donor", "--method", "scgpt"], "pass checkpoint="),
]


@pytest.mark.parametrize(("words", "says"), BAD)
def test_bad_input_is_a_line(file, tmp_path, capsys, words, says):
    words = [w.replace("FILE", str(file)).replace("OUTPUT", str(tmp_path / "out.h5ad")) for w in words]
    assert main(["integrate", str(file), *words, "--output", str(tmp_path / "out.h5ad")]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert not (tmp_path / "out.h5ad").exists()


@pytest.mark.slow  # a process of its own, which imports all
@pytest.mark.parametrize(
    ("number", "status", "says"),
    [(signal.SIGINT, 130, "sgt: interrupted\n"), (signal.SIGTERM, 143, "sgt: terminated\n")],
)
@pytest.mark.parametrize("word", ["integrate", "annotate"])
def test_a_signal_ends_the_command_with_its_status_and_nothing_half_written(file, tmp_path, word, number, status, says):
    words = {
        "integrate": ["--batch-key", "donor", "--method", "scvi", "--max-epochs", "2000"],
        "annotate": ["--reference", str(file), "--labels", "bulk_labels", "--method", "auto"],
    }[word]
    code = "import sys; from scgnn_tools.cli import main; print('ready', flush=True); sys.exit(main())"
    paths = ["--save", str(tmp_path / "kept"), "--output", str(tmp_path / "out.h5ad")]
    command = [sys.executable, "-c", code, word, str(file), *words, *paths]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(2)
        child.send_signal(number)
        _, error = child.communicate(timeout=120)
    assert child.returncode == status
    assert error.endswith(says)
    assert [p.name for p in tmp_path.iterdir()] == ["cells.h5ad"]
