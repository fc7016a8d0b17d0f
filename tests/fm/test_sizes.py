"""Sizes that a file claims: compared with its tensors before anything is built, for every model in the same way."""

import json
import shutil
import time
import tracemalloc
from dataclasses import dataclass, fields

import pytest
import torch
from torch import nn

import scgnn_tools as sgt
from scgnn_tools._errors import SgtError, WeightsError
from scgnn_tools.fm import drafts, saves

SIZES = {
    "geneformer": (
        "config.json",
        ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"],
    ),
    "scgpt": ("args.json", ["embsize", "nheads", "d_hid", "nlayers"]),
}
WRONG = [1, 7, 10**6, 10**9, 10**30, -1, 0, "12", "x", None, [1], {}, 1.5, True, float("inf")]


def costs(call):
    """Call, expect an error of ours, and return seconds and bytes."""
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(SgtError):
        call()
    seconds, (_, peak) = time.perf_counter() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds, peak


@pytest.mark.parametrize(("name", "key"), [(n, k) for n, (_, keys) in SIZES.items() for k in keys])
def test_published_configurations(folders, tmp_path, name, key):
    folder = shutil.copytree(folders[name], tmp_path / name)
    path = folder / SIZES[name][0]
    sound = json.loads(path.read_text())
    for value in WRONG[key.endswith("heads") :]:  # one head is as good as two
        path.write_text(json.dumps({**sound, key: value}))
        seconds, peak = costs(lambda: sgt.fm.load(name, checkpoint=folder, device="cpu"))
        assert seconds < 10, value
        assert peak < 50e6, value


@pytest.mark.parametrize("key", ["n_layers", "dim", "heads", "hidden", "n_tokens", "genes"])
def test_own_configurations_even_with_a_right_seal(model, tmp_path, key):
    if key not in {"genes", *(f.name for f in fields(model.sizes))}:
        pytest.skip("another word in this model")
    model.save(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    for value in (10**6, 10**9, -1, "x", None, [10**12], [["a"]]):
        saves.seal(tmp_path / "m", {**config, key: value})
        seconds, peak = costs(lambda: sgt.fm.load(model.card.name, checkpoint=tmp_path / "m", device="cpu"))
        assert seconds < 10, value
        assert peak < 50e6, value


@dataclass(frozen=True)
class Config:
    dim: int = 4
    n_layers: int = 2
    rate: float = 0.1
    closed: bool = False
    name: str = "x"
    heads: tuple[int, ...] | None = None
    cls_id: int = -1


def make(config):
    return nn.Sequential(*[nn.Linear(config.dim, config.dim, bias=False) for _ in range(config.n_layers)])


SHAPES = {"0.weight": (4, 4), "1.weight": (4, 4)}


def test_a_draft_has_the_shapes_of_the_network_and_no_memory(tmp_path):
    assert drafts.draft(make, Config(), SHAPES, tmp_path) == SHAPES
    begin = torch.random.get_rng_state()
    assert drafts.draft(make, Config(dim=10**6), SHAPES, tmp_path)["0.weight"] == (10**6, 10**6)
    assert torch.equal(torch.random.get_rng_state(), begin)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dim": "4"}, "dim is '4'; a whole number is wanted"),
        ({"dim": 4.0}, "a whole number"),
        ({"dim": True}, "a whole number"),
        ({"dim": 2**40}, "no network has such a size"),
        ({"dim": -1}, "no network has such a size"),
        ({"cls_id": -2}, "no network has such a size"),
        ({"n_layers": 1000}, "n_layers is 1,000; the file holds 2 tensors"),
        ({"rate": "0.1"}, "a number is wanted"),
        ({"rate": float("nan")}, "a number is wanted"),
        ({"closed": 1}, "true or false is wanted"),
        ({"name": 3}, "text is wanted"),
        ({"heads": (1, "x")}, "heads is"),
        ({"heads": (1, -5)}, "no network has such a size"),
    ],
)
def test_values_that_no_network_has(tmp_path, change, says):
    with pytest.raises(WeightsError, match=says):
        drafts.draft(make, Config(**change), SHAPES, tmp_path)


def test_layers_run_without_a_hole(tmp_path):
    assert drafts.count(dict.fromkeys(["a.0.x", "a.1.x", "a.1.y", "b.7"]), "a.", tmp_path) == 2
    assert drafts.count({}, "a.", tmp_path) == 0
    with pytest.raises(WeightsError, match="without a hole; it holds 2, the last 400,000"):
        drafts.count(dict.fromkeys(["a.0.x", "a.400000.x"]), "a.", tmp_path)
