"""Every section ``Examples`` of a public docstring runs, as it stands, on a small real object.

An example finds ``sgt``, ``np``, ``pd``, ``adata`` (real blood cells: counts, ``obs["cell_type"]``, ``obs["batch"]``) and ``query`` (such
cells without labels). It runs in an empty folder. What it prints is compared; ``...`` stands for anything.
"""

import doctest
import warnings

import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools import assets
from tests.test_signatures import PUBLIC

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
EXAMPLES = [
    test
    for name, thing in PUBLIC.items()
    for test in [doctest.DocTestParser().get_doctest(thing.__doc__ or "", {}, f"sgt.{name}", None, None)]
    if test.examples
]


@pytest.fixture(scope="module")
def blood():
    """About 190 cells, the 1,000 genes that most of them express."""
    cells = assets.immune_reference()[::22].copy()
    expressed = np.asarray((cells.X > 0).sum(axis=0)).ravel()
    cells = cells[:, np.sort(np.argsort(-expressed, kind="stable")[:1000])].copy()
    cells.obs = cells.obs[["cell_type"]].astype(str).assign(batch=[f"b{i % 2}" for i in range(len(cells))])
    return cells


@pytest.mark.parametrize(
    "example",
    # a model class is trained for as long as it takes
    [pytest.param(e, id=e.name, marks=[pytest.mark.slow] * e.name.startswith("sgt.models")) for e in EXAMPLES],
)
def test_the_example_runs(example, blood, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    query = blood[::4].copy()
    del query.obs["cell_type"]
    example.globs = {"sgt": sgt, "np": np, "pd": pd, "adata": blood.copy(), "query": query}
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few cells of a class
        doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append)
    assert not said, "".join(said)


def test_examples_are_found():
    assert EXAMPLES
