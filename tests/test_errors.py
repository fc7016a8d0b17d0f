import copy
import multiprocessing.pool
import re
import traceback
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools import _errors
from scgnn_tools._errors import HELP, SgtError, SgtWarning, warn
from scgnn_tools.graph import knn


def test_a_warning_is_of_the_line_that_called_the_package():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warn("from here")
        knn(np.eye(4, dtype=np.float32), 9)
        cells = ad.AnnData(np.ones((60, 3)), obs=pd.DataFrame({"t": ["A", "B", "A"] * 20}, index=map(str, range(60))))
        cells.var_names = ["CD3E", "LYZ", "nobody"]
        cells.X[:, 0] = np.arange(60) % 2
        cells.obs.loc["0", "t"] = "alone"
        sgt.tl.annotate(cells, "t", method="centroid")  # through the wrapper that sets the threads
    ours = [w for w in seen if issubclass(w.category, SgtWarning)]
    assert len(ours) >= 3
    assert {w.filename for w in ours} == {__file__}


PAGE = (Path(__file__).parents[1] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
KINDS = [c for c in vars(_errors).values() if isinstance(c, type) and issubclass(c, SgtError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda c: c.__name__)
def test_an_error_leads_to_its_place_on_the_page(kind):
    error = kind("what was seen")
    assert str(error) == "what was seen"
    shown = "".join(traceback.format_exception(error)).splitlines()
    assert shown[-2:] == [f"scgnn_tools._errors.{kind.__name__}: what was seen", f"Help: {kind.url}"]
    page, _, anchor = kind.url.partition("#")
    headings = re.findall(r"^#{2,3} (.+)$", PAGE, flags=re.M)
    assert page == HELP
    assert anchor in [h.strip("`").lower() for h in headings]


def test_an_error_that_comes_from_another_process_says_its_help_once():
    error = copy.copy(_errors.MissingKeyError("no such column"))
    assert error.__notes__ == [f"Help: {_errors.MissingKeyError.url}"]
    with multiprocessing.pool.ThreadPool(1) as pool, pytest.raises(_errors.GraphError) as caught:
        pool.apply(knn, (np.eye(1), 1))
    assert caught.value.__notes__ == [f"Help: {_errors.GraphError.url}"]


def test_a_warning_leads_to_the_page():
    with pytest.warns(SgtWarning, match="two cells") as seen:
        warn("two cells")
    assert str(seen[0].message) == f"two cells\nHelp: {HELP}#warnings"
    assert "## Warnings" in PAGE
