import warnings

import anndata as ad
import numpy as np
import pandas as pd

import scgnn_tools as sgt
from scgnn_tools._errors import SgtWarning, warn
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
