import inspect

import anndata as ad
import numpy as np
import pytest

import scgnn_tools as sgt  # noqa: F401
from scgnn_tools._accessor import SgtAccessor

CALLS = [name for name in vars(SgtAccessor) if not name.startswith("_")]


@pytest.mark.parametrize("name", CALLS)
def test_every_call_hands_on_to_tl(monkeypatch, name):
    adata = ad.AnnData(np.eye(2, dtype="float32"))
    seen = []
    monkeypatch.setattr(f"scgnn_tools.tl.{name}", lambda *a, **k: seen.append((a, k)))
    getattr(adata.sgt, name)("first", key_added="mine")
    ((args, kwargs),) = seen
    assert args[0] is adata
    assert args[1:] == ("first",)
    assert kwargs == {"key_added": "mine"}


def test_every_function_of_tl_has_one():
    import scgnn_tools.tl as tl

    public = {n for n, f in vars(tl).items() if inspect.isfunction(f) and not n.startswith("_")}
    assert public == set(CALLS)
