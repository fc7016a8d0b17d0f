"""Kept graphs as objects of torch-geometric, and back.

An edge goes from the row of its matrix to the column, as torch-geometric itself reads a scipy matrix, and its value is ``edge_weight``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._device import at_home
from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import GraphError, InputTypeError, InputValueError, MissingKeyError
from scgnn_tools._log import counted, printable
from scgnn_tools._names import check_key
from scgnn_tools._vectors import dense_vectors
from scgnn_tools.graph.canonical import as_csr

if TYPE_CHECKING:
    from anndata import AnnData
    from torch_geometric.data import Data, HeteroData

CELL, GENE = "cell", "gene"
EXPRESSES = "expresses"


@door_of_arrays
def to_pyg(
    adata: "AnnData",
    *,
    obsp: str | Sequence[str] = (),
    varp: str | Sequence[str] = (),
    expression: bool = False,
    layer: str | None = None,
    use_rep: str | None = None,
    gene_rep: str | None = None,
    labels_key: str | None = None,
) -> "Data | HeteroData":
    """Return graphs of an AnnData as torch-geometric's ``Data`` or ``HeteroData``.

    Parameters
    ----------
    adata
        Cells and genes with the graphs that ``pp`` or scanpy wrote.
    obsp, varp
        Keys of graphs of cells and of genes.
    expression
        Whether to add the bipartite graph of cells and the genes that they express.
    layer
        Layer whose entries are the weights of that graph; None takes ``X``.
    use_rep
        Key of ``obsm``: the features of the cells.
    gene_rep
        Key of ``varm``: the features of the genes.
    labels_key
        Column of ``obs``: the classes of the cells.

    Returns
    -------
    Data or HeteroData
        ``Data`` for one graph of cells or of genes, else ``HeteroData`` with the nodes "cell" and "gene" and the edges
        ("cell", key, "cell"), ("gene", key, "gene") and ("cell", "expresses", "gene"). Nodes hold ``x`` float32 and ``num_nodes``; cells
        ``y`` int64, -1 where there is no label, and ``classes``; edges ``edge_index`` and ``edge_weight`` float32.

    Raises
    ------
    GraphError
        If no graph is asked for, or one holds weights that are not finite in float32.
    MissingKeyError
        If a key is not there.
    InputTypeError
        If the expression is not in memory.
    InputValueError
        If something of cells or genes is asked for, and no graph has such nodes.

    Notes
    -----
    ``pp.cell_graph`` holds the neighbours of a cell in its row: here each cell sends to its neighbours. Where it is to hear from them,
    make the graph symmetric (``torch_geometric.transforms.ToUndirected``) or turn it round (``data.edge_index.flip(0)``).

    Examples
    --------
    >>> sgt.pp.cell_graph(adata)
    >>> data = sgt.graph.to_pyg(adata, obsp="sgt_cells", use_rep="X_cgc-mini", labels_key="cell_type")
    >>> data.num_nodes, tuple(data.x.shape)
    (206, (206, 128))
    """
    from torch_geometric.data import Data, HeteroData

    cells, genes = _names(obsp), _names(varp)
    if not cells and not genes and not expression:
        msg = f"No graph is asked for. Pass obsp= ({_there(adata.obsp)}), varp= ({_there(adata.varp)}) or expression=True."
        raise GraphError(msg)
    for name, value, keys, other in (
        ("use_rep", use_rep, cells, "obsp= or "),
        ("labels_key", labels_key, cells, "obsp= or "),
        ("gene_rep", gene_rep, genes, "varp= or "),
        ("layer", layer, [], ""),
    ):
        if value is not None and not keys and not expression:
            msg = f"{name}= is read for graphs that are not asked for. Leave it out, or pass {other}expression=True."
            raise InputValueError(msg)
    one = len(cells) + len(genes) == 1 and not expression
    out: Any = Data() if one else HeteroData()
    if cells or expression:
        _cells(out if one else out[CELL], adata, use_rep, labels_key)
    if genes or expression:
        _nodes(out if one else out[GENE], adata.n_vars, adata, "varm", gene_rep)
    for kind, where, keys in ((CELL, "obsp", cells), (GENE, "varp", genes)):
        for key in keys:
            matrix = as_csr(_get(adata, where, key))
            _edges(out if one else out[kind, key, kind], matrix, f"{where}[{printable(key)!r}]")
    if expression:
        _edges(
            out[CELL, EXPRESSES, GENE], _matrix(adata, layer), "X" if layer is None else f"layers[{printable(layer)!r}]"
        )
    return out


@door_of_arrays
def from_pyg(
    data: "Data | HeteroData",
    *,
    genes: bool = False,
    obs_names: Sequence[str] | None = None,
    var_names: Sequence[str] | None = None,
    key_added: str = "pyg",
    use_rep: str = "X_pyg",
    gene_rep: str = "pyg",
    labels_key: str = "label",
) -> "AnnData":
    """Return a new AnnData with the graphs of a ``Data`` or ``HeteroData``: what :func:`to_pyg` gives, or of any other source.

    Parameters
    ----------
    data
        ``HeteroData`` has nodes "cell" and "gene" alone.
    genes
        Whether the nodes of a ``Data`` are genes; else they are cells.
    obs_names, var_names
        Names of cells and genes, which torch-geometric does not keep; None numbers them.
    key_added
        Name of the graph of a ``Data``; those of ``HeteroData`` have names.
    use_rep, gene_rep
        Keys of ``obsm`` and ``varm`` for the features.
    labels_key
        Column of ``obs`` for the classes.

    Returns
    -------
    AnnData
        ``obsp``, ``varp`` and ``X``: the graphs, CSR float32, of ``edge_weight``, else of an ``edge_attr`` that is one number an edge, else
        1; ``obsm``, ``varm``, ``obs``: features and classes. ``X`` is empty without a graph of cells and genes.

    Raises
    ------
    GraphError
        If there are other nodes, or edges between others than these; if there is no ``edge_index``, or it holds what is no node; if
        weights or ``y`` are not one number an edge or a cell, or features not a row a node; if weights are not finite.
    InputValueError
        If a key is one that no file could hold, or there are more or fewer names than nodes.

    Examples
    --------
    >>> sgt.pp.cell_graph(adata)
    >>> back = sgt.graph.from_pyg(sgt.graph.to_pyg(adata, obsp="sgt_cells"), obs_names=adata.obs_names)
    >>> back.obsp["pyg"].shape
    (206, 206)
    """
    from anndata import AnnData
    from torch_geometric.data import HeteroData

    for name, key in (
        ("key_added", key_added),
        ("use_rep", use_rep),
        ("gene_rep", gene_rep),
        ("labels_key", labels_key),
    ):
        check_key(key, name)
    nodes = {t: data[t] for t in data.node_types} if isinstance(data, HeteroData) else {GENE if genes else CELL: data}
    other = set(nodes) - {CELL, GENE}
    if other:
        msg = f"The nodes of an AnnData are {CELL!r} and {GENE!r}; there is {', '.join(map(printable, sorted(other)))}. Rename them."
        raise GraphError(msg)
    n_obs, n_vars = (int(nodes[t].num_nodes or 0) if t in nodes else 0 for t in (CELL, GENE))
    out = AnnData(
        sp.csr_matrix((n_obs, n_vars), dtype=np.float32),
        obs=pd.DataFrame(index=_index(obs_names, n_obs, "obs_names")),
        var=pd.DataFrame(index=_index(var_names, n_vars, "var_names")),
    )
    if CELL in nodes:
        _write_cells(out, nodes[CELL], use_rep, labels_key)
    if GENE in nodes and nodes[GENE].get("x") is not None:
        out.varm[gene_rep] = _features(nodes[GENE]["x"], n_vars, "gene")
    if not isinstance(data, HeteroData):
        where = out.varp if genes else out.obsp
        where[key_added] = _adjacency(data, (n_vars, n_vars) if genes else (n_obs, n_obs))
        return out
    for source, key, target in data.edge_types:
        edges = data[source, key, target]
        if (source, target) == (CELL, CELL):
            out.obsp[check_key(key, "the name of a relation")] = _adjacency(edges, (n_obs, n_obs))
        elif (source, target) == (GENE, GENE):
            out.varp[check_key(key, "the name of a relation")] = _adjacency(edges, (n_vars, n_vars))
        elif (source, target) == (CELL, GENE):
            out.X = _adjacency(edges, (n_obs, n_vars))
        else:
            msg = f"Edges from {source!r} to {target!r} have no place in an AnnData; turn {key!r} round, from {CELL!r} to {GENE!r}."
            raise GraphError(msg)
    return out


def _names(keys: str | Sequence[str]) -> list[str]:
    return [keys] if isinstance(keys, str) else list(keys)


def _there(mapping: Any) -> str:
    return f"there is {', '.join(printable(k) for k in mapping) or 'none'}"


def _get(adata: "AnnData", where: str, key: str) -> Any:
    mapping = getattr(adata, where)
    if key not in mapping:
        msg = f"{printable(key)!r} is not in {where}; {_there(mapping)}."
        raise MissingKeyError(msg)
    return at_home(mapping[key])


def _matrix(adata: "AnnData", layer: str | None) -> sp.csr_array:
    x = adata.X if layer is None else _get(adata, "layers", layer)
    if not sp.issparse(x) and not isinstance(x, np.ndarray):
        msg = f"The graph of cells and genes is made in memory; seen {type(x).__name__}. Call adata.to_memory() first, or take fewer cells."
        raise InputTypeError(msg)
    return sp.csr_array(x)


def _nodes(out: Any, n: int, adata: "AnnData", where: str, key: str | None) -> None:
    import torch

    out.num_nodes = n
    if key is not None:
        name = "use_rep" if where == "obsm" else "gene_rep"
        out.x = torch.as_tensor(dense_vectors(_get(adata, where, key), f"{where}[{printable(key)!r}]", name))


def _cells(out: Any, adata: "AnnData", use_rep: str | None, labels_key: str | None) -> None:
    import torch

    _nodes(out, adata.n_obs, adata, "obsm", use_rep)
    if labels_key is not None:
        labels = pd.Categorical(_get(adata, "obs", labels_key)).remove_unused_categories()
        out.y, out.classes = torch.as_tensor(labels.codes.astype(np.int64)), list(labels.categories)


def _edges(out: Any, matrix: sp.csr_array, place: str) -> None:
    import torch

    if _beyond_float32(matrix.data):
        msg = f"{place} holds weights that are not finite in float32. Make it again."
        raise GraphError(msg)
    coo = matrix.tocoo()  # a stored zero is an edge, such as to an equal cell
    out.edge_index = torch.as_tensor(np.stack([coo.row, coo.col]).astype(np.int64))
    out.edge_weight = torch.as_tensor(coo.data.astype(np.float32))


def _beyond_float32(weights: np.ndarray) -> int:
    """Return how many weights are not finite, or would not be in float32."""
    return int((~(np.abs(weights) <= np.finfo(np.float32).max)).sum())


def _adjacency(edges: Any, shape: tuple[int, int]) -> sp.csr_matrix:
    if edges.get("edge_index") is None:
        msg = f"There is no edge_index; seen: {', '.join(map(str, edges.keys())) or 'nothing'}. Pass edges as edge_index, (2, n_edges)."
        raise GraphError(msg)
    index = edges["edge_index"].cpu().numpy()
    if index.ndim != 2 or len(index) != 2:
        msg = f"edge_index has the shape {index.shape}; wanted is (2, n_edges), from and to. Pass edge_index.T if it lies across."
        raise GraphError(msg)
    row, column = index
    for at, n, end in ((row, shape[0], "from"), (column, shape[1], "to")):
        if len(at) and not 0 <= at.min() <= at.max() < n:
            wrong = at[(at < 0) | (at >= n)][0]
            msg = f"edge_index holds an edge {end} node {wrong}, of {n:,} nodes, 0 to {n - 1}. Set num_nodes or make the edges again."
            raise GraphError(msg)
    field = "edge_attr" if edges.get("edge_weight") is None else "edge_weight"
    given = edges.get(field)
    values = np.ones(len(row), dtype=np.float32) if given is None else _one_each(given, field, len(row), "edge")
    lost = _beyond_float32(values)
    if lost:
        msg = f"{field} is not finite in float32 at {counted(lost, 'edge')}. Take them out, or set their weights."
        raise GraphError(msg)
    return sp.csr_matrix((values, (row, column)), shape=shape, dtype=np.float32)


def _one_each(given: Any, field: str, n: int, what: str) -> np.ndarray:
    """Return a field that holds one number for each edge or cell, also as a column."""
    values = _numpy(given)
    if values.shape not in ((n,), (n, 1)):
        msg = f"{field} holds one number for each {what}, ({n:,},) or ({n:,}, 1); it has the shape {values.shape}. "
        msg += (
            "Set edge_weight to the one that is meant, or delete it."
            if what == "edge"
            else "Set y to one class a cell, or delete it."
        )
        raise GraphError(msg)
    return values.reshape(n)


def _numpy(tensor: Any) -> np.ndarray:
    import torch

    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()  # which numpy does not have


def _features(given: Any, n: int, what: str) -> np.ndarray:
    """Return the features of nodes, a row each."""
    values = _numpy(given)
    if values.ndim != 2 or len(values) != n:
        msg = f"x holds a row for each {what}, ({n:,}, n_features); it has the shape {values.shape}. Set num_nodes, or make x again."
        raise GraphError(msg)
    return values


def _index(names: Sequence[str] | None, n: int, name: str) -> pd.Index:
    if names is not None and len(names) != n:
        msg = f"{name} has {counted(len(names), 'name')} for {counted(n, 'node')}. Pass one each, or leave it out."
        raise InputValueError(msg)
    return pd.Index([str(i) for i in range(n)] if names is None else list(names), dtype=object)


def _write_cells(out: "AnnData", cells: Any, use_rep: str, labels_key: str) -> None:
    if cells.get("x") is not None:
        out.obsm[use_rep] = _features(cells["x"], out.n_obs, "cell")
    y = cells.get("y")
    if y is None:
        return
    codes, classes = _one_each(y, "y", out.n_obs, "cell"), cells.get("classes")
    if classes is None:
        out.obs[labels_key] = codes
        return
    wrong = codes[~np.isin(codes, np.arange(-1, len(classes)))]
    if len(wrong):
        msg = f"y holds {wrong[0]}; with {counted(len(classes), 'name')} in classes it is 0 to {len(classes) - 1}, or -1. Add the names."
        raise GraphError(msg)
    out.obs[labels_key] = pd.Categorical.from_codes(codes.astype(np.int64), classes)
