import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData
from torch_geometric.data import Data, HeteroData

from scgnn_tools._errors import GraphError, InputTypeError, InputValueError, MissingKeyError
from scgnn_tools.graph import from_pyg, to_pyg


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    x = sp.random_array((6, 4), density=0.5, format="csr", rng=rng, dtype=np.float32)
    out = AnnData(x, obs=pd.DataFrame({"type": pd.Categorical(["B", "T", None, "B", "T", "B"])}, index=list("abcdef")))
    out.obsm["X_pca"] = rng.normal(size=(6, 3)).astype(np.float32)
    out.varm["v"] = rng.normal(size=(4, 2)).astype(np.float32)
    cells = sp.csr_matrix(np.eye(6, k=1, dtype=np.float32) * 2)
    cells.data[0] = 0  # two equal cells: a distance of zero is an edge
    out.obsp["near"], out.obsp["far"] = cells, sp.csr_matrix(np.eye(6, k=3, dtype=np.float32))
    out.varp["prior"] = sp.csr_matrix(np.eye(4, k=-1, dtype=np.float32))
    out.layers["counts"] = x * 3
    return out


def test_one_graph_is_data_and_comes_back(adata):
    data = to_pyg(adata, obsp="near", use_rep="X_pca", labels_key="type")
    assert isinstance(data, Data)
    assert data.validate()
    assert data.edge_index.tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]  # from the row to the column
    assert data.edge_weight.tolist() == [0, 2, 2, 2, 2]
    assert data.y.tolist() == [0, 1, -1, 0, 1, 0]
    back = from_pyg(data, obs_names=adata.obs_names, key_added="near", use_rep="X_pca", labels_key="type")
    assert back.obsp["near"].nnz == 5
    assert (back.obsp["near"] != adata.obsp["near"]).nnz == 0
    np.testing.assert_array_equal(back.obsm["X_pca"], adata.obsm["X_pca"])
    pd.testing.assert_series_equal(back.obs["type"], adata.obs["type"], check_index_type=False)


def test_a_graph_of_genes(adata):
    data = to_pyg(adata, varp="prior", gene_rep="v")
    back = from_pyg(data, genes=True, key_added="prior", gene_rep="v")
    assert back.shape == (0, 4)
    assert (back.varp["prior"] != adata.varp["prior"]).nnz == 0
    np.testing.assert_array_equal(back.varm["v"], adata.varm["v"])


def test_several_graphs_are_heterogeneous_and_come_back(adata):
    data = to_pyg(
        adata, obsp=["near", "far"], varp="prior", expression=True, layer="counts", use_rep="X_pca", gene_rep="v"
    )
    assert isinstance(data, HeteroData)
    assert data.validate()
    assert set(data.edge_types) == {
        ("cell", "near", "cell"), ("cell", "far", "cell"), ("gene", "prior", "gene"), ("cell", "expresses", "gene"),
    }  # fmt: skip
    back = from_pyg(data, use_rep="X_pca", gene_rep="v")
    assert back.shape == adata.shape
    assert (adata.layers["counts"] != back.X).nnz == 0
    for where, keys in (("obsp", ("near", "far")), ("varp", ("prior",))):
        for key in keys:
            assert (getattr(back, where)[key] != getattr(adata, where)[key]).nnz == 0


def test_edges_without_weights_weigh_one():
    back = from_pyg(Data(edge_index=torch.tensor([[0, 1], [1, 2]]), num_nodes=3))
    assert back.obsp["pyg"].toarray().tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("field", ["edge_weight", "edge_attr"])
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_weights_are_one_number_an_edge(field, shape):
    edges = torch.tensor([[0, 1, 0], [1, 2, 2]])
    data = Data(edge_index=edges, num_nodes=3, **{field: torch.tensor([0.5, 2.0, 3.0]).reshape(shape)})
    assert from_pyg(data).obsp["pyg"].toarray().tolist() == [[0, 0.5, 3], [0, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (Data(num_nodes=3), r"There is no edge_index; seen: num_nodes\. Pass edges as edge_index"),
        (Data(edge_index=torch.tensor([[0], [2]]), num_nodes=2), r"an edge to node 2, of 2 nodes, 0 to 1\."),
        (Data(edge_index=torch.tensor([[-1], [0]]), num_nodes=2), r"an edge from node -1, of 2 nodes, 0 to 1\."),
    ],
    ids=["none", "above", "below"],
)
def test_edges_are_pairs_of_nodes(data, match):
    with pytest.raises(GraphError, match=match):
        from_pyg(data)


def test_a_weight_that_float32_cannot_hold_is_refused(adata):
    adata.obsp["large"] = sp.csr_matrix(([1e300], ([0], [1])), shape=(adata.n_obs, adata.n_obs))
    with pytest.raises(GraphError, match=r"obsp\['large'\] holds weights that are not finite in float32"):
        to_pyg(adata, obsp="large")


def test_edge_weight_goes_before_edge_attr():
    data = Data(
        edge_index=torch.tensor([[0], [1]]), num_nodes=2, edge_weight=torch.ones(1) * 4, edge_attr=torch.ones(1, 7)
    )
    assert from_pyg(data).obsp["pyg"][0, 1] == 4


def test_classes_may_be_a_column():
    data = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2, y=torch.tensor([[1], [0]]))
    assert from_pyg(data).obs["label"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"edge_attr": torch.ones(1, 7)}, r"edge_attr holds one number for each edge, .*the shape \(1, 7\)\. Set edge_weight"),
        ({"edge_weight": torch.ones(2)}, r"edge_weight holds one number for each edge, .*the shape \(2,\)"),
        ({"edge_weight": torch.full((1,), float("nan"))}, r"edge_weight is not finite in float32 at 1 edge\."),
        ({"edge_weight": torch.full((1,), 1e300, dtype=torch.float64)}, r"edge_weight is not finite in float32 at 1 edge\."),
        ({"y": torch.ones(2, 3)}, r"y holds one number for each cell, \(2,\) or \(2, 1\); it has the shape \(2, 3\)\. Set y"),
        ({"y": torch.tensor([0, 2]), "classes": ["B"]}, r"y holds 2; with 1 name in classes it is 0 to 0, or -1\."),
        ({"x": torch.ones(3, 4)}, r"x holds a row for each cell, \(2, n_features\); it has the shape \(3, 4\)\."),
        ({"edge_index": torch.zeros((3, 2), dtype=torch.int64)}, r"edge_index has the shape \(3, 2\); wanted is \(2, n_edges\)"),
    ],
    ids=["edge_attr", "edge_weight", "nan", "large", "y", "classes", "x", "edge_index"],
)  # fmt: skip
def test_a_field_of_another_shape_is_named(given, match):
    with pytest.raises(GraphError, match=match):
        from_pyg(Data(**{"edge_index": torch.tensor([[0], [1]]), "num_nodes": 2, **given}))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"key_added": "a/b"}, r"key_added='a/b' cannot be the name of a result"),
        ({"use_rep": "a/b"}, r"use_rep='a/b' cannot be"),
        ({"obs_names": ["a"]}, r"obs_names has 1 name for 2 nodes\."),
    ],
    ids=["key_added", "use_rep", "obs_names"],
)
def test_a_name_that_no_file_holds_is_refused(given, match):
    data = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2, x=torch.ones((2, 3), dtype=torch.bfloat16))
    assert from_pyg(data).obsm["X_pyg"].dtype == np.float32
    with pytest.raises(InputValueError, match=match):
        from_pyg(data, **given)


@pytest.mark.parametrize(
    "given",
    [
        {"obsp": "near", "gene_rep": "v"},
        {"obsp": "near", "layer": "counts"},
        {"varp": "prior", "use_rep": "X_pca"},
        {"varp": "prior", "labels_key": "type"},
    ],
    ids=["gene_rep", "layer", "use_rep", "labels_key"],
)
def test_what_no_node_of_the_graphs_has_is_refused(adata, given):
    with pytest.raises(
        InputValueError, match=rf"{list(given)[1]}= is read for graphs that are not asked for\. Leave it out, or pass"
    ):
        to_pyg(adata, **given)


def test_an_expression_that_is_not_finite_is_refused(adata):
    adata.layers["nan"] = adata.X.toarray() * np.nan
    with pytest.raises(GraphError, match=r"layers\['nan'\] holds weights that are not finite"):
        to_pyg(adata, expression=True, layer="nan")


def test_what_is_not_there_is_said(adata):
    with pytest.raises(GraphError, match=r"obsp= \(there is near, far\), varp= \(there is prior\)"):
        to_pyg(adata)
    with pytest.raises(MissingKeyError, match="'nearer' is not in obsp; there is near, far"):
        to_pyg(adata, obsp="nearer")
    adata.layers["lazy"] = da.from_array(adata.X.toarray())
    with pytest.raises(InputTypeError, match=r"seen Array\. Call adata\.to_memory"):
        to_pyg(adata, expression=True, layer="lazy")
    other = HeteroData()
    other["drug"].num_nodes = 2
    with pytest.raises(GraphError, match="'cell' and 'gene'; there is drug"):
        from_pyg(other)
    turned = HeteroData()
    turned["cell"].num_nodes = turned["gene"].num_nodes = 1
    turned["gene", "in", "cell"].edge_index = torch.zeros((2, 1), dtype=torch.int64)
    with pytest.raises(GraphError, match="turn 'in' round"):
        from_pyg(turned)
