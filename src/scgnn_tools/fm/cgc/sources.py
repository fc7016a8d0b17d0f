"""Files that edges and text features of genes are read from."""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import genes as gene_tables
from scgnn_tools._errors import GraphError, WeightsError
from scgnn_tools._log import printable, say
from scgnn_tools.fm.cgc.graph import GeneGraph, gene_graph
from scgnn_tools.fm.dictionaries import read_arrays, reading
from scgnn_tools.graph.prior import check_edges

EDGES = ("tf_target", "positions", "coexpression")
POSITIONS = ("symbol", "chromosome", "position")


def read_graph(genes: np.ndarray, assets: dict[str, Path]) -> GeneGraph:
    """Return the graph of a vocabulary: from the tables that were given, else from the bundled prior and positions.

    Parameters
    ----------
    genes
        The vocabulary, shape (n_genes,).
    assets
        ``tf_target``: a table with ``source`` and ``target``; ``positions``: one with ``symbol``, ``chromosome`` and ``position``;
        ``coexpression``: a table with ``source``, ``target`` and ``weight``, the correlation, or an ``.npz`` of
        :func:`scipy.sparse.save_npz`, genes × genes of the vocabulary. There is none of the last by default, since the vector of a cell
        would depend on other cells.

    Raises
    ------
    GraphError
        If a table lacks a column or has no edge between genes of the vocabulary. Edges to other genes are left out.
    """
    tf_target, positions = gene_tables.prior(), gene_tables.positions()
    if "tf_target" in assets:
        path = assets["tf_target"]
        tf_target = check_edges(_table(path))
        _ends(tf_target, genes, path)
    if "positions" in assets:
        path = assets["positions"]
        positions = _table(path)
        missing = [c for c in POSITIONS if c not in positions]
        if missing:
            msg = f"{path} lacks the columns {', '.join(missing)}; {', '.join(POSITIONS)} are wanted."
            raise GraphError(msg)
    coexpression = _coexpression(assets["coexpression"], genes) if "coexpression" in assets else None
    return gene_graph(genes, tf_target=tf_target, positions=positions, coexpression=coexpression)


def read_text(path: Path, genes: np.ndarray, *, width: int | None = None) -> np.ndarray:
    """Return the text features of genes, float32 (n_genes, width); zeros for a gene without any.

    Parameters
    ----------
    path
        A table (``.parquet``, ``.csv``, ``.tsv``) whose index or first column are the genes and whose other columns are numbers, or an
        ``.npz`` with arrays ``genes`` (n,) and ``vectors`` (n, width).
    genes
        The vocabulary, shape (n_genes,).
    width
        Numbers a gene that a network was trained with; None takes any.

    Raises
    ------
    WeightsError
        If the file cannot be read, holds something else, or none of the genes.
    """
    path = Path(path)
    names, vectors = _vectors(path)
    if vectors.ndim != 2 or len(vectors) != len(names) or width not in (None, vectors.shape[-1]):
        wanted = "width" if width is None else width
        msg = f"{path}: vectors have shape {vectors.shape}, wanted ({len(names)}, {wanted})."
        raise WeightsError(msg)
    if not np.isfinite(vectors).all():
        msg = f"{path}: the vector of {printable(names[~np.isfinite(vectors).all(axis=1)][0])} holds NaN or infinity."
        raise WeightsError(msg)
    index = pd.Index(names)
    at = index[~index.duplicated()].get_indexer(genes)
    first = np.flatnonzero(~index.duplicated())
    if (at < 0).all():
        msg = (
            f"{path} has vectors for {', '.join(map(printable, names[:3]))}, …: none of the {len(genes):,} genes of the "
            f"vocabulary ({', '.join(map(printable, genes[:3]))}, …). Its genes are symbols."
        )
        raise WeightsError(msg)
    out = np.zeros((len(genes), vectors.shape[1]), dtype=np.float32)
    out[at >= 0] = vectors[first[at[at >= 0]]]
    say(f"cgc: text features for {(at >= 0).sum():,} of {len(genes):,} genes, from {path.name}")
    return out


def _vectors(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with reading(path, "holds no arrays genes and vectors, and no table of genes × numbers"):
        if path.suffix == ".npz":
            file = read_arrays(path)
            return file["genes"].astype(str), file["vectors"].astype(np.float32)
        table = _table(path)
        if not isinstance(table.index, pd.RangeIndex):
            table = table.reset_index()
        return table.iloc[:, 0].astype(str).to_numpy(), table.iloc[:, 1:].to_numpy(dtype=np.float32)


def _coexpression(path: Path, genes: np.ndarray) -> sp.csr_array:
    n = len(genes)
    if Path(path).suffix == ".npz":
        with reading(path, "holds no sparse matrix"):
            matrix = sp.csr_array(sp.load_npz(path))
            matrix.check_format(full_check=True)
        if matrix.shape != (n, n):
            msg = f"{path} has shape {matrix.shape}; {n:,} genes a side are wanted."
            raise WeightsError(msg)
        return matrix
    table = _table(path)
    missing = sorted({"source", "target", "weight"} - set(table))
    if missing:
        msg = f"{path} lacks the columns {', '.join(missing)}; source, target and weight, the correlation, are wanted."
        raise GraphError(msg)
    table = table.drop_duplicates(["source", "target"])
    source, target, inside = _ends(table, genes, path)
    weight = table["weight"].to_numpy(dtype=np.float32)[inside]
    if not (np.abs(weight) <= 1).all():
        msg = f"{path}: the weights of co-expression are correlations, between -1 and 1."
        raise GraphError(msg)
    return sp.csr_array((weight, (source, target)), shape=(n, n))


def _ends(table: pd.DataFrame, genes: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ends of the edges between genes of the vocabulary, and which edges these are."""
    index = pd.Index(genes)
    source, target = index.get_indexer(table["source"].astype(str)), index.get_indexer(table["target"].astype(str))
    inside = (source >= 0) & (target >= 0)
    if not inside.any():
        some = ", ".join(map(printable, table["source"].astype(str)[:3])) or "none"
        msg = (
            f"None of the {len(table):,} edges of {path} lies between genes of the vocabulary (its sources: {some}; the vocabulary: "
            f"{', '.join(map(printable, genes[:3]))}, …). Genes are symbols."
        )
        raise GraphError(msg)
    if not inside.all():
        say(
            f"cgc: {(~inside).sum():,} of {len(table):,} edges of {Path(path).name} have a gene that is not in the vocabulary"
        )
    return source[inside], target[inside], inside


def _table(path: Path) -> pd.DataFrame:
    path = Path(path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    try:
        return pd.read_csv(path, sep="," if path.suffix == ".csv" else None, engine="python")
    except pd.errors.ParserError as error:
        msg = f"{path} is no table: {printable(error, limit=200)}"
        raise GraphError(msg) from error
    except pd.errors.EmptyDataError as error:
        msg = f"{path} is empty."
        raise GraphError(msg) from error
