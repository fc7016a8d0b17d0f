import gzip

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.data.readers import open_cells, read_cells

GENES = ["CD3D", "MS4A1", "NKG7", "LYZ", "GNLY"]
COUNTS = np.arange(15).reshape(3, 5).astype(np.float32)
CELLS = ["a", "b", "c"]


def table(path, *, turned=False):
    frame = pd.DataFrame(COUNTS.astype(int), index=CELLS, columns=GENES)
    (frame.T if turned else frame).to_csv(path, sep="\t" if ".tsv" in path.name else ",")


def native(path):
    adata = ad.AnnData(sp.csr_matrix(COUNTS), obs=pd.DataFrame(index=CELLS), var=pd.DataFrame(index=GENES))
    getattr(adata, f"write_{path.suffix[1:]}")(path)


def loom(path):
    with h5py.File(path, "w") as file:
        file["matrix"] = COUNTS.T
        file["row_attrs/Gene"] = np.array(GENES, dtype="S10")
        file["col_attrs/CellID"] = np.array(CELLS, dtype="S10")
        file["col_attrs/cluster"] = np.array([1, 1, 2])


def tenx(path):
    x = sp.csc_matrix(COUNTS.T)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name, value in (
            ("data", x.data.astype(np.int32)),
            ("indices", x.indices),
            ("indptr", x.indptr),
            ("shape", x.shape),
        ):
            group[name] = value
        group["barcodes"] = np.array(CELLS, dtype="S10")
        text = {
            "id": [f"ENSG{i:011d}" for i in range(5)],
            "name": GENES,
            "feature_type": ["Gene Expression"] * 5,
            "genome": ["GRCh38"] * 5,
        }
        for name, values in text.items():
            group[f"features/{name}"] = np.array(values, dtype="S20")


def mtx(path):
    path.mkdir()
    scipy.io.mmwrite(path / "matrix.mtx", sp.csc_matrix(COUNTS.T))
    files = {
        "features.tsv.gz": "".join(f"ENSG{i}\t{g}\tGene Expression\n" for i, g in enumerate(GENES)),
        "barcodes.tsv.gz": "\n".join(CELLS) + "\n",
    }
    for name, text in files.items():
        (path / name).write_bytes(gzip.compress(text.encode()))
    (path / "matrix.mtx.gz").write_bytes(gzip.compress((path / "matrix.mtx").read_bytes()))
    (path / "matrix.mtx").unlink()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.h5ad", native), ("a.zarr", native), ("a.loom", loom), ("a.h5", tenx), ("a", mtx), ("a.csv", table), ("a.csv.gz", table),
        ("a.tsv", lambda p: table(p, turned=True)), ("a.txt", lambda p: table(p, turned=True)),
    ],
)  # fmt: skip
def test_every_kind_of_file_gives_the_same_cells(name, make, tmp_path):
    make(tmp_path / name)
    got = read_cells(tmp_path / name)
    assert (list(got.obs_names), list(got.var_names)) == (CELLS, GENES)
    np.testing.assert_array_equal(sp.csr_matrix(got.X).toarray(), COUNTS)
    if name == "a.loom":
        assert list(got.obs["cluster"]) == [1, 1, 2]


def test_a_matrix_may_stay_in_its_file(tmp_path):
    for name in ("a.h5ad", "a.zarr"):
        native(tmp_path / name)
        assert not sp.issparse(open_cells(tmp_path / name).X)
    table(tmp_path / "a.csv")
    assert sp.issparse(open_cells(tmp_path / "a.csv").X)
    with pytest.raises(InputValueError, match="There is no file"):
        open_cells(tmp_path / "b.h5ad")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "There is no file"),
        ("a.csv", "cell,CD3D,note\na,1,x\n", "of 2 columns these do not: .'note'"),
        ("a.loom", "text", r"a\.loom cannot be read as \.loom"),
        ("a.h5", "text", "cannot be read as 10x"),
        ("a.xlsx", "text", r"a\.xlsx cannot be read as \.h5ad"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_the_path(name, content, says, tmp_path):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputValueError, match=says):
        read_cells(tmp_path / name)
