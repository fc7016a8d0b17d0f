import json

import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import WeightsError
from scgnn_tools.fm import _checkpoint

SHAPES = {"a": (None, 2), "b": (3,)}
TENSORS = {"a": np.arange(8, dtype=np.float32).reshape(4, 2), "b": np.ones(3, dtype=np.float16)}


def test_round_trip(tmp_path):
    _checkpoint.save(tmp_path, TENSORS, {"x": 1})
    tensors, config = _checkpoint.load(tmp_path, SHAPES)
    assert config["x"] == 1
    for name, value in TENSORS.items():
        assert np.array_equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("sixteenth", range(16))
def test_truncated_anywhere(tmp_path, sixteenth):
    _checkpoint.save(tmp_path, TENSORS, {})
    file = tmp_path / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * sixteenth // 16])
    with pytest.raises(WeightsError, match="damaged or was changed"):
        _checkpoint.load(tmp_path, SHAPES)


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
    _checkpoint.save(tmp_path, tensors, {})
    with pytest.raises(WeightsError, match=says):
        _checkpoint.load(tmp_path, SHAPES)


def test_a_page_instead_of_weights(tmp_path):
    import hashlib

    page = b"<html>404 not found</html>"
    (tmp_path / "model.safetensors").write_bytes(page)
    (tmp_path / "config.json").write_text(json.dumps({"sha256": hashlib.sha256(page).hexdigest()}))
    with pytest.raises(WeightsError, match="no safetensors file"):
        _checkpoint.load(tmp_path, SHAPES)


def test_missing_files_and_a_broken_config(tmp_path):
    with pytest.raises(WeightsError, match=r"holds no config\.json"):
        _checkpoint.load(tmp_path, SHAPES)
    _checkpoint.save(tmp_path, TENSORS, {})
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="truncated or no JSON"):
        _checkpoint.load(tmp_path, SHAPES)


def test_a_vocabulary_with_a_hole(tmp_path):
    sgt.fm.load("corpus-svd").save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    _checkpoint.seal(tmp_path, {**config, "genes": config["genes"][:-1]})
    with pytest.raises(WeightsError, match="genes in the vocabulary"):
        sgt.fm.load("corpus-svd", checkpoint=tmp_path)
