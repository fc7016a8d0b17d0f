"""A graph that exceeds memory: rows of a sparse matrix and vectors of the nodes in plain files, of which only what is asked for is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import choice
from scgnn_tools._device import at_home
from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._write import as_path, write_folder

INDPTR, INDICES, WEIGHT, X, Y = "indptr.npy", "indices.npy", "weight.npy", "x.npy", "y.npy"
FILES = (INDPTR, INDICES, WEIGHT, X, Y)
CHUNK = 65_536
"""Nodes whose vectors are copied at once."""


@dataclass(frozen=True)
class MappedGraph:
    """Files of a graph; all but ``indptr`` stay on disk.

    Attributes
    ----------
    indptr
        Where the row of each node begins, int64 (n + 1,).
    indices, weight
        The nodes that it hears from, int32 or int64 (n_edges,), and the weights of these edges, float32 (n_edges,).
    x, y
        Vectors of the nodes, float32 (n, d), and their classes, int64 (n,); None where there are none.

    Examples
    --------
    >>> sgt.pp.cell_graph(adata)
    >>> sgt.graph.write_graph("graph", adata.obsp["sgt_cells"])
    >>> graph = sgt.graph.open_graph("graph")
    >>> graph.num_nodes, len(graph.indices) == int(graph.indptr[-1])
    (206, True)
    """

    indptr: np.ndarray
    indices: np.ndarray
    weight: np.ndarray
    x: np.ndarray | None = None
    y: np.ndarray | None = None

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.indptr) - 1


@door_of_arrays
def write_graph(
    folder: str | Path,
    graph: Any,
    *,
    x: np.ndarray | None = None,
    y: np.ndarray | None = None,
    overwrite: bool = False,
) -> None:
    """Write a graph to a folder, for :func:`open_graph`.

    Parameters
    ----------
    folder
        A new folder.
    graph
        Row i holds the nodes that node i hears from: a sparse matrix (n, n), or an iterable of blocks of its rows, CSR, which are written
        one after the other.
    x
        Vectors of the nodes, (n, d), in memory or mapped from a file.
    y
        Their classes, int (n,).
    overwrite
        Replace a folder that this function wrote.

    Raises
    ------
    InputValueError
        If the matrix is not square, or ``x`` or ``y`` is of another number of nodes.

    Examples
    --------
    >>> sgt.pp.cell_graph(adata)
    >>> sgt.graph.write_graph("graph", adata.obsp["sgt_cells"], x=adata.obsm["X_cgc-mini"])
    >>> graph = sgt.graph.open_graph("graph")
    >>> batch = next(sgt.graph.neighbor_batches(graph, 64, n_neighbors=(5,)))
    >>> batch.batch_size, batch.x.shape[1]
    (64, 128)
    """
    choice("overwrite", overwrite, (True, False))
    graph = at_home(graph)
    blocks = [graph] if sp.issparse(graph) else graph

    def fill(part: Path) -> None:
        n = _write_edges(part, blocks)
        for name, file, values, dtype in (("x", X, x, np.float32), ("y", Y, y, np.int64)):
            if values is not None:
                _write_nodes(part / file, name, values, dtype, n)

    write_folder(folder, fill, overwrite=overwrite, known=lambda there: FILES)


def _write_edges(part: Path, blocks: Iterable[Any]) -> int:
    """Write rows as they come, and return the number of nodes."""
    counts, n = [np.zeros(1, dtype=np.int64)], 0
    with (part / "indices").open("wb") as indices, (part / "weight").open("wb") as weight:
        for block in blocks:
            rows = sp.csr_array(at_home(block))
            if not np.isfinite(rows.data).all():
                msg = "A graph has finite weights; some are not. Make the graph again."
                raise InputValueError(msg)
            n = rows.shape[1]
            counts.append(np.diff(rows.indptr).astype(np.int64))
            rows.indices.astype(np.int64).tofile(indices)
            rows.data.astype(np.float32).tofile(weight)
    indptr = np.cumsum(np.concatenate(counts))
    if len(indptr) - 1 != n:
        msg = f"A graph has a row and a column for each node; got {len(indptr) - 1:,} rows and {n:,} columns."
        raise InputValueError(msg)
    np.save(part / INDPTR, indptr)
    for name, file, kind in (("indices", INDICES, np.int64), ("weight", WEIGHT, np.float32)):
        _with_header(
            part / name, part / file, kind, int(indptr[-1]), np.int32 if name == "indices" and n < 2**31 else kind
        )
    return n


def _with_header(raw: Path, file: Path, kind: Any, n: int, kept: Any) -> None:
    """Turn numbers in a file into an array in a file."""
    out = np.lib.format.open_memmap(file, mode="w+", dtype=kept, shape=(n,))
    with raw.open("rb") as numbers:
        for start in range(0, n, 16 * CHUNK):
            some = np.fromfile(numbers, dtype=kind, count=min(16 * CHUNK, n - start))
            out[start : start + len(some)] = some
    out.flush()
    raw.unlink()


def _write_nodes(file: Path, name: str, values: Any, dtype: Any, n: int) -> None:
    if len(values) != n:
        msg = f"{name} has a row for each node; got {len(values):,} rows for {n:,} nodes."
        raise InputValueError(msg)
    out = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=np.shape(values))
    for start in range(0, n, CHUNK):
        out[start : start + CHUNK] = values[start : start + CHUNK]
    out.flush()


@door_of_arrays
def open_graph(folder: str | Path) -> MappedGraph:
    """Open a graph that :func:`write_graph` wrote; :func:`neighbor_batches` draws from it, and reads what it draws.

    Raises
    ------
    InputValueError
        If there is no such folder, or its files do not fit each other.

    Examples
    --------
    >>> sgt.pp.cell_graph(adata)
    >>> sgt.graph.write_graph("graph", adata.obsp["sgt_cells"])
    >>> sgt.graph.open_graph("graph").num_nodes
    206
    """
    path = as_path("folder", folder).expanduser()
    try:
        indptr = np.load(path / INDPTR)
        found = [np.load(path / f, mmap_mode="r") if (path / f).exists() else None for f in FILES[1:]]
    except (OSError, ValueError, EOFError) as error:
        msg = f"{path} holds no graph that write_graph wrote ({printable(error, limit=200)})."
        raise InputValueError(msg) from error
    indices, weight, x, y = found
    n, n_edges = len(indptr) - 1, int(indptr[-1]) if len(indptr) else -1
    sizes = [len(f) if f is not None else -1 for f in (indices, weight)]
    if sizes != [n_edges, n_edges] or any(f is not None and len(f) != n for f in (x, y)):
        msg = (
            f"The files of {path} do not fit each other: one of them is cut or of another graph. Write the graph again."
        )
        raise InputValueError(msg)
    return MappedGraph(indptr, indices, weight, x, y)  # type: ignore[arg-type]
