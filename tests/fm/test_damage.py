"""Broken, wrong and hostile files: each gets its own error, and none gives a network with random parts."""

import hashlib
import json
import pickle
import shutil
import threading

import numpy as np
import pytest
import torch

import scgnn_tools as sgt
from scgnn_tools._errors import SgtWarning, WeightsError

FILES = {
    "scgpt": "best_model.pt",
    "geneformer": "model.safetensors",
    "scfoundation": "models.ckpt",
    "scbert": "panglao_pretrained.pth",
    "cgc": "CGCompass_pretrain_weights.pt",
}
BODY = {
    "scgpt": "transformer_encoder.layers.1.linear1.weight",
    "geneformer": "bert.encoder.layer.1.intermediate.dense.weight",
    "scfoundation": "model.encoder.transformer_encoder.1.linear1.weight",
    "scbert": "performer.net.layers.1.1.fn.fn.w1.weight",
    "cgc": "model.transformer_encoder.layers.1.linear1.weight",
}


@pytest.fixture
def copied(name, folder, tmp_path):
    """A copy of the checkpoint, to be damaged."""
    return shutil.copytree(folder, tmp_path / folder.name)


def change(folder, name, how) -> None:
    """Apply ``how`` to the tensors of a checkpoint and write it again."""
    path = folder / FILES[name]
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file, save_file

        tensors = load_file(path)
        how(tensors)
        save_file(tensors, path)
        return
    content = torch.load(path, weights_only=False)
    match name:
        case "scgpt":
            how(content)
        case "scfoundation":
            how(content["cell"]["state_dict"])
        case "scbert":
            how(content["model_state_dict"])
        case _:
            how(content["model"])
    torch.save(content, path)


def test_a_missing_tensor_is_an_error_that_names_it(name, copied):
    change(copied, name, lambda t: t.pop(BODY[name]))
    with pytest.raises(WeightsError, match=r"1 of \d+ tensors are missing: .*up\.weight.*Nothing was loaded"):
        sgt.fm.load(name, checkpoint=copied)


def test_a_misshaped_tensor_is_an_error_with_both_shapes(name, copied):
    change(copied, name, lambda t: t.update({BODY[name]: t[BODY[name]][:, :-1].contiguous()}))
    with pytest.raises(WeightsError, match=r"up\.weight has \(\d+, \d+\), wanted \(\d+, \d+\)"):
        sgt.fm.load(name, checkpoint=copied)


def test_an_extra_tensor_is_warned_of_and_in_the_report(name, copied, cells, models):
    key = ("model." if name in ("cgc", "scfoundation") else "") + "new_thing.weight"
    change(copied, name, lambda t: t.update({key: torch.ones(3)}))
    with pytest.warns(SgtWarning, match="does not know and does not use: new_thing.weight"):
        model = sgt.fm.load(name, checkpoint=copied, device="cpu")
    assert model.report["new_thing.weight"] == "not used: unknown to this network"
    np.testing.assert_array_equal(model.embed_cells(cells), models[name].embed_cells(cells))


def test_a_tensor_with_nan_is_an_error(name, copied):
    change(copied, name, lambda t: t[BODY[name]].view(-1)[3:4].fill_(float("nan")))
    with pytest.raises(WeightsError, match="NaN or infinity"):
        sgt.fm.load(name, checkpoint=copied)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_an_error(name, copied, share):
    path = copied / FILES[name]
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match="truncated or damaged"):
        sgt.fm.load(name, checkpoint=copied)


def test_a_missing_file_is_an_error_that_says_what_is_there(name, copied):
    (copied / FILES[name]).unlink()
    with pytest.raises(WeightsError, match="There is no "):
        sgt.fm.load(name, checkpoint=copied)


class Hostile:
    """Writes a file when unpickled."""

    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("protocol", ["zip", "legacy", "plain pickle"])
def test_a_pickle_that_would_run_code_does_not(name, copied, tmp_path, protocol):
    if name == "geneformer":
        (copied / FILES[name]).unlink()
    path = copied / ("pytorch_model.bin" if name == "geneformer" else FILES[name])
    content = {"model": {"x": torch.ones(1)}, "evil": Hostile(tmp_path / "pwned")}
    if protocol == "plain pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=protocol == "zip")
    with pytest.raises(WeightsError, match=r"could run code|truncated or damaged"):
        sgt.fm.load(name, checkpoint=copied)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("file", ["token_dictionary.pkl", "gene_median_dictionary.pkl"])
def test_a_dictionary_that_would_run_code_does_not(folders, tmp_path, file):
    folder = shutil.copytree(folders["geneformer"], tmp_path / "g")
    (folder / file).write_bytes(pickle.dumps({"ENSG00000000003": Hostile(tmp_path / "pwned")}))
    with pytest.raises(WeightsError, match="could run code"):
        sgt.fm.load("geneformer", checkpoint=folder)
    assert not (tmp_path / "pwned").exists()
    (folder / file).write_bytes(b"\x80\x04not a pickle")
    with pytest.raises(WeightsError, match=r"truncated or no dictionary|was not read"):
        sgt.fm.load("geneformer", checkpoint=folder)


@pytest.mark.parametrize("which", ["scgpt", "cgc"])
def test_a_vocabulary_with_a_hole_is_an_error(folders, tmp_path, which):
    folder = shutil.copytree(folders[which], tmp_path / which)
    words = json.loads((folder / "vocab.json").read_text())
    shifted = {w: i + (i >= 10) for w, i in words.items()}
    (folder / "vocab.json").write_text(json.dumps(shifted))
    with pytest.raises(WeightsError, match="without a hole; 1 are missing, the first is 10"):
        sgt.fm.load(which, checkpoint=folder)
    (folder / "vocab.json").write_text(json.dumps({w: min(i, 10) for w, i in words.items()}))
    with pytest.raises(WeightsError, match="some stand twice"):
        sgt.fm.load(which, checkpoint=folder)
    (folder / "vocab.json").write_text(json.dumps(dict(list(words.items())[:-20])))
    with pytest.raises(WeightsError, match=r"hole|not of one model"):
        sgt.fm.load(which, checkpoint=folder)


def test_a_token_dictionary_with_a_hole_is_an_error(folders, tmp_path):
    folder = shutil.copytree(folders["geneformer"], tmp_path / "g")
    path = folder / "token_dictionary.pkl"
    tokens = pickle.loads(path.read_bytes())
    last = max(tokens, key=tokens.__getitem__)
    path.write_bytes(pickle.dumps({**tokens, last: 7}))
    with pytest.raises(WeightsError, match="without a hole"):
        sgt.fm.load("geneformer", checkpoint=folder)


def test_dictionaries_of_another_series_are_an_error(folders, tmp_path):
    from tests.fm.conftest import GENES, checkpoints, ensembl_of

    folder = shutil.copytree(folders["geneformer"], tmp_path / "Geneformer-V2-104M")
    v1 = checkpoints.geneformer(
        tmp_path / "v1", ensembl_of(GENES), series="V1", n_layers=1, dim=32, n_heads=4, max_length=64
    )
    with pytest.raises(WeightsError, match=r"another series.*every gene gets another's vector"):
        sgt.fm.load("geneformer", checkpoint=folder, assets={"token_dictionary": v1 / "token_dictionary.pkl"})
    other = tmp_path / "gene_median_dictionary_gc30M.pkl"
    shutil.copy(v1 / "gene_median_dictionary.pkl", other)
    with pytest.raises(WeightsError, match="different series"):
        sgt.fm.load("geneformer", checkpoint=folder, assets={"gene_median": other})
    assert sgt.fm.load("geneformer", checkpoint=v1).series == "V1"


def test_gene_lists_of_another_model_are_an_error(folders, tmp_path):
    path = tmp_path / "genes.tsv"
    path.write_text("gene_name\tindex\nA\t0\nB\t1\n")
    with pytest.raises(WeightsError, match="not of one model"):
        sgt.fm.load("scfoundation", checkpoint=folders["scfoundation"], assets={"gene_order": path})
    path.write_text("gene_name\tindex\nA\t0\nB\t2\n")
    with pytest.raises(WeightsError, match="without a hole"):
        sgt.fm.load("scfoundation", checkpoint=folders["scfoundation"], assets={"gene_order": path})
    path.write_text("A\nB\nA\n")
    with pytest.raises(WeightsError, match="A stands twice"):
        sgt.fm.load("scbert", checkpoint=folders["scbert"], assets={"gene_order": path})


def test_an_own_folder_that_was_changed_is_an_error(model, tmp_path):
    model.save(tmp_path)
    path = tmp_path / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(WeightsError, match="damaged or was changed"):
        sgt.fm.load(model.card.name, checkpoint=tmp_path)


ODD = {
    "bool": (lambda t: t > 0, "floating-point numbers"),
    "int8": (lambda t: (t * 50).to(torch.int8), "floating-point numbers"),
    "int64": (lambda t: t.long(), "floating-point numbers"),
    "complex": (lambda t: t.to(torch.complex64), "complex"),
    "quantised": (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "quantised"),
    "sparse": (lambda t: t.to_sparse(), "sparse"),
    "meta": (lambda t: t.to("meta"), "meta device"),
    "stride 0": (lambda t: torch.zeros(1).expand(t.shape), "of which the file holds 4 bytes"),
    "float16 beyond its range": (lambda t: (t * 1e9).half(), "NaN or infinity"),
}


@pytest.mark.filterwarnings(
    "ignore:.*quantize.*", "ignore:.*Sparse.*", "ignore:TypedStorage"
)  # of PyTorch, in making them
@pytest.mark.parametrize("how", ODD)
def test_tensors_that_are_no_plain_numbers_are_refused_by_name(folders, tmp_path, how):
    folder = shutil.copytree(folders["scgpt"], tmp_path / "scgpt")
    path, (make, says) = folder / FILES["scgpt"], ODD[how]
    content = torch.load(path, weights_only=True)
    torch.save({**content, BODY["scgpt"]: make(content[BODY["scgpt"]])}, path)
    with pytest.raises(WeightsError, match=rf"layers\.1\.(linear1|up)\.weight.*{says}"):
        sgt.fm.load("scgpt", checkpoint=folder)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_other_floating_point_numbers_are_read(folders, tmp_path, cells, models, kind):
    folder = shutil.copytree(folders["scgpt"], tmp_path / "scgpt")
    change(folder, "scgpt", lambda t: t.update({k: v.to(kind) for k, v in t.items()}))
    model = sgt.fm.load("scgpt", checkpoint=folder, device="cpu")
    np.testing.assert_allclose(model.embed_cells(cells), models["scgpt"].embed_cells(cells), atol=0.05)


def test_of_two_files_that_fit_it_asks_which(name, copied, models, cells):
    given = copied / FILES[name]
    other = given.with_name(f"other{given.suffix}" if name != "geneformer" else "pytorch_model.bin")
    shutil.copy(given, other)
    with pytest.raises(WeightsError, match=r"2 files of .* fit: .*Say which: pass checkpoint="):
        sgt.fm.load(name, checkpoint=copied)
    model = sgt.fm.load(name, checkpoint=given, device="cpu")
    np.testing.assert_array_equal(model.embed_cells(cells), models[name].embed_cells(cells))


def test_of_two_dictionaries_that_fit_it_asks_which(folders, tmp_path):
    folder = shutil.copytree(folders["geneformer"], tmp_path / "g")
    shutil.copy(folder / "token_dictionary.pkl", folder / "token_dictionary_old.pkl")
    with pytest.raises(WeightsError, match=r"2 files of .* fit: .*assets=\{'token_dictionary'"):
        sgt.fm.load("geneformer", checkpoint=folder)
    sgt.fm.load("geneformer", checkpoint=folder, assets={"token_dictionary": folder / "token_dictionary.pkl"})


def test_more_layers_than_the_configuration_says(folders, tmp_path):
    folder = shutil.copytree(folders["scgpt"], tmp_path / "scgpt")
    args = json.loads((folder / "args.json").read_text())
    (folder / "args.json").write_text(json.dumps({**args, "nlayers": 1}))
    with pytest.raises(WeightsError, match="more layers than its configuration speaks of"):
        sgt.fm.load("scgpt", checkpoint=folder)


@pytest.mark.parametrize("file", ["best_model.pt", "vocab.json", "args.json"])
def test_a_downloaded_file_is_compared_with_its_record(folders, tmp_path, file):
    folder = shutil.copytree(folders["scgpt"], tmp_path / "scgpt")
    record = {
        p.name: {"url": "https://x", "sha256": hashlib.sha256(p.read_bytes()).hexdigest()} for p in folder.iterdir()
    }
    (folder / "download.json").write_text(json.dumps(record))
    model = sgt.fm.load("scgpt", checkpoint=folder, device="cpu")
    assert model.card.sha256 == record["best_model.pt"]["sha256"]
    path = folder / file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(WeightsError, match="was changed since it was downloaded"):
        sgt.fm.load("scgpt", checkpoint=folder, device="cpu")
    (folder / "download.json").write_text("{")
    with pytest.raises(WeightsError, match=r"download\.json is damaged"):
        sgt.fm.load("scgpt", checkpoint=folder, device="cpu")


def test_threads_load_sound_files(folders):
    failed = []

    def go(name):
        try:
            sgt.fm.load(name, checkpoint=folders[name], device="cpu")
        except WeightsError as error:
            failed.append(error)

    threads = [threading.Thread(target=go, args=(name,)) for _ in range(3) for name in ("scbert", "cgc", "scgpt")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed


def test_an_error_that_nobody_thought_of_is_ours(folders, tmp_path, monkeypatch):
    from scgnn_tools.fm import scgpt

    def fail(*args, **options):
        raise OverflowError("too much")

    monkeypatch.setattr(scgpt, "load", fail)
    with pytest.raises(WeightsError, match=r"no sound checkpoint of scgpt \(OverflowError: too much\)"):
        sgt.fm.load("scgpt", checkpoint=folders["scgpt"])
