import json

import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools.fm import saves

SHAPES = {"a": (None, 2), "b": (3,)}
TENSORS = {"a": np.arange(8, dtype=np.float32).reshape(4, 2), "b": np.ones(3, dtype=np.float16)}


def test_round_trip(tmp_path):
    saves.save(tmp_path, TENSORS, {"x": 1})
    tensors, config = saves.load(tmp_path, SHAPES)
    assert config["x"] == 1
    for name, value in TENSORS.items():
        assert np.array_equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("sixteenth", range(16))
def test_truncated_anywhere(tmp_path, sixteenth):
    saves.save(tmp_path, TENSORS, {})
    file = tmp_path / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * sixteenth // 16])
    with pytest.raises(WeightsError, match="damaged or was changed"):
        saves.load(tmp_path, SHAPES)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"a": TENSORS["a"]}, "missing: b"),
        ({**TENSORS, "c": TENSORS["b"]}, "not wanted: c"),
        ({**TENSORS, "b": np.ones(4, dtype=np.float32)}, r"tensor b has shape \(4,\), wanted \(3,\)"),
        ({**TENSORS, "b": np.array([1, np.nan, 2], dtype=np.float32)}, "tensor b holds NaN"),
    ],
)
def test_what_does_not_fit_is_an_error_of_its_own(tmp_path, tensors, says):
    saves.save(tmp_path, tensors, {})
    with pytest.raises(WeightsError, match=says):
        saves.load(tmp_path, SHAPES)


def test_a_page_instead_of_weights(tmp_path):
    import hashlib

    page = b"<html>404 not found</html>"
    (tmp_path / "model.safetensors").write_bytes(page)
    (tmp_path / "config.json").write_text(json.dumps({"sha256": hashlib.sha256(page).hexdigest()}))
    with pytest.raises(WeightsError, match="no safetensors file"):
        saves.load(tmp_path, SHAPES)


def test_missing_files_and_a_broken_config(tmp_path):
    with pytest.raises(WeightsError, match=r"holds no config\.json"):
        saves.load(tmp_path, SHAPES)
    with pytest.raises(WeightsError, match="There is no folder"):
        saves.load(tmp_path / "none", SHAPES)
    saves.save(tmp_path, TENSORS, {})
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="truncated or no JSON"):
        saves.load(tmp_path, SHAPES)


def test_a_vocabulary_with_a_hole(tmp_path):
    sgt.fm.load("corpus-svd").save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    saves.seal(tmp_path, {**config, "genes": config["genes"][:-1]})
    with pytest.raises(WeightsError, match="genes in the vocabulary"):
        sgt.fm.load("corpus-svd", checkpoint=tmp_path)


def test_one_bit_anywhere_in_a_folder_is_an_error(tmp_path):
    def beside(folder):
        np.savez_compressed(folder / "graph.npz", a=np.arange(5))
        (folder / "genes").mkdir()
        (folder / "genes" / "x").write_text("text")

    saves.save(tmp_path / "m", TENSORS, {"x": 1, "genes": ["ü", "B"], "t": 0.1}, beside=beside)
    saves.load(tmp_path / "m", SHAPES)
    rng = np.random.default_rng(0)
    for path in sorted(p for p in (tmp_path / "m").rglob("*") if p.is_file()):
        content = path.read_bytes()
        wanted = json.loads(content) if path.suffix == ".json" else None
        for at in rng.integers(len(content), size=60):
            damaged = bytearray(content)
            damaged[at] ^= 1 << rng.integers(8)
            path.write_bytes(bytes(damaged))
            try:
                _, config = saves.load(tmp_path / "m", SHAPES)
            except WeightsError:
                continue
            assert config == wanted, (path.name, at)  # a blank became another blank
        path.write_bytes(content)
    for path in ("graph.npz", "genes/x"):
        (tmp_path / "m" / path).unlink()
        with pytest.raises(WeightsError, match=path):
            saves.load(tmp_path / "m", SHAPES)
        beside_again = tmp_path / "again"
        saves.save(beside_again, TENSORS, {}, beside=beside, overwrite=True)
        (tmp_path / "m" / path).write_bytes((beside_again / path).read_bytes())


def test_folders_of_releases_without_a_seal_are_read(tmp_path):
    saves.save(tmp_path / "m", TENSORS, {"x": 1})
    path = tmp_path / "m" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in config.items() if k not in ("files", "seal")}))
    assert saves.load(tmp_path / "m", SHAPES)[1]["x"] == 1


@pytest.mark.parametrize("which", ["cgc-mini", "corpus-svd"])
def test_the_bundled_weights_are_sealed(which):
    from importlib import import_module

    folder = import_module(f"scgnn_tools.fm.{which.replace('-', '_')}.checkpoint").WEIGHTS
    assert {"seal", "files"} <= set(saves.read_raw(folder))


def test_saving_replaces_only_what_a_save_wrote_and_only_if_asked(tmp_path):
    model = sgt.fm.load("corpus-svd")
    model.save(tmp_path / "m")
    with pytest.raises(InputValueError, match="overwrite=True"):
        model.save(tmp_path / "m")
    model.save(tmp_path / "m", overwrite=True)
    (tmp_path / "m" / "notes.txt").write_text("mine")
    with pytest.raises(InputValueError, match=r"no save wrote \('notes.txt'\)"):
        model.save(tmp_path / "m", overwrite=True)
    assert (tmp_path / "m" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", [np.int8, np.bool_, np.complex64])
def test_own_tensors_of_another_type_are_refused(models, tmp_path, kind):
    models["scgpt"].save(tmp_path / "m")
    tensors, config = saves.load(
        tmp_path / "m", {k: tuple(v.shape) for k, v in models["scgpt"].network.state_dict().items()}
    )
    changed = {k: (v * 50).astype(kind) if v.dtype.kind == "f" else v for k, v in tensors.items()}
    saves.save(tmp_path / "m", changed, config, overwrite=True)
    with pytest.raises(WeightsError, match=r"is wanted|NaN|no safetensors"):
        sgt.fm.load("scgpt", checkpoint=tmp_path / "m", device="cpu")


def test_a_file_that_may_not_be_read_is_an_error_of_ours(tmp_path, monkeypatch):
    sgt.fm.load("cgc-mini").save(tmp_path / "m")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("scgnn_tools.fm.saves.read_json", refuse)
    with pytest.raises(WeightsError, match=r"holds no save that can be read.*Permission denied"):
        saves.read_raw(tmp_path / "m")
