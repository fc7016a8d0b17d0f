"""Memory does not grow with the cells: what reads a file takes as much for four times the cells."""

import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn_tools import assets
from scgnn_tools.annotation import Annotator

CALLS = {
    "embed": "sgt.tl.embed(cells())",
    "annotate": "sgt.tl.annotate(cells(), reference=sys.argv[2])",
    "infer_grn": "sgt.tl.infer_grn(cells(), n_runs=1, controls=False)",
}
SCRIPT = """
import resource, sys, warnings
import anndata as ad
import scgnn_tools as sgt

warnings.simplefilter("ignore")
sgt.settings.progress = sgt.settings.verbose = False

def cells():
    return ad.read_h5ad(sys.argv[1], backed="r")

{call}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
SIZES = (25_000, 100_000)  # of more than 20,000 cells infer_grn draws


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two files of other cells than those of the reference, over 400 of its genes, and an annotator."""
    folder = tmp_path_factory.mktemp("sizes")
    reference = assets.immune_reference()
    total = np.asarray(reference.X.sum(axis=0)).ravel()
    reference = reference[:, np.argsort(-total, kind="stable")[200:600]].copy()
    Annotator.fit(reference[::8].copy(), "cell_type", method="logreg_pca").save(folder / "annotator")
    rows = sp.csr_matrix(reference.X)
    rows.data[::2] += 1
    for n in SIZES:
        obs = pd.DataFrame(index=[f"c{i}" for i in range(n)])
        parts = sp.csr_matrix(sp.vstack([rows] * (n // rows.shape[0] + 1), format="csr")[:n])
        parts.data += np.random.default_rng(n).integers(0, 2, len(parts.data)).astype(np.float32)
        ad.AnnData(parts, obs=obs, var=reference.var[[]]).write_h5ad(folder / f"{n}.h5ad")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is counted otherwise elsewhere")
@pytest.mark.parametrize("call", CALLS)
def test_four_times_the_cells_take_the_same_memory(files, call):
    taken = []
    for n in SIZES:
        words = [
            sys.executable,
            "-c",
            SCRIPT.format(call=CALLS[call]),
            str(files / f"{n}.h5ad"),
            str(files / "annotator"),
        ]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        taken.append(float(done.stdout.splitlines()[-1]))
    # 75,000 more names of cells, and their labels or vectors, 38 MB; their counts would be 100 MB, dense ones 120 MB
    assert taken[1] < taken[0] + 90, taken  # MiB
