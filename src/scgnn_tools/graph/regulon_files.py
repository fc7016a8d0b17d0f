"""Networks as gene sets, adjacencies and loom files, for pySCENIC, AUCell, GSEA and SCope."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import MissingExtraError


def gene_sets(edges: pd.DataFrame) -> str:
    """Return edges as gene sets (.gmt), a line a factor; what it represses, if that is known, is a set of its own, ``SPI1(-)``.

    Parameters
    ----------
    edges
        ``source``, ``target``, ``sign``, best first.
    """
    lines = []
    for regulon, targets in _by_regulon(edges, activated=""):
        once = list(dict.fromkeys(targets))
        lines.append("\t".join([_flat(regulon), f"{len(once)} targets", *map(_flat, once)]))
    return "\n".join([*lines, ""])


def adjacencies(edges: pd.DataFrame) -> str:
    """Return edges as pySCENIC's and arboreto's table: ``TF``, ``target``, ``importance``, tab-separated."""
    table = edges[["source", "target", "score"]].set_axis(["TF", "target", "importance"], axis=1)
    return table.to_csv(sep="\t", index=False)


def write_loom(path: Path, x: Any, cells: np.ndarray, genes: np.ndarray, edges: pd.DataFrame) -> None:
    """Write cells and regulons as SCENIC's loom files hold them: genes in rows, membership in the row attribute ``Regulons``.

    Parameters
    ----------
    path
        The file.
    x
        Cells × genes.
    cells, genes
        Their names.
    edges
        ``source``, ``target``, ``sign``: what a factor represses is a regulon of its own, ``SPI1(-)``.

    Raises
    ------
    MissingExtraError
        If loompy is not installed.
    """
    loompy = loom()
    regulons = _by_regulon(edges, activated="(+)")
    member = np.zeros(len(genes), dtype=[(name, np.int8) for name, _ in regulons])
    number = pd.Index(genes)
    for name, targets in regulons:
        at = number.get_indexer(targets)
        member[name][at[at >= 0]] = 1
    rows, columns = {"Gene": genes.astype(str), "Regulons": member}, {"CellID": cells.astype(str)}
    loompy.create(str(path), sp.coo_matrix(sp.csr_matrix(x).T), rows, columns)


def _by_regulon(edges: pd.DataFrame, *, activated: str) -> list[tuple[str, pd.Series]]:
    """Return the targets of each regulon by its name: the factor with ``activated`` behind it, or "(-)" for what it represses."""
    represses = edges["sign"].to_numpy(dtype=float) < 0
    name = edges["source"].astype(str) + np.where(represses, "(-)", activated)
    return list(edges["target"].astype(str).groupby(name, sort=False))


def loom() -> Any:
    """Return loompy.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module("loompy")
    except ImportError as error:
        msg = "A loom file is written by loompy, which is not installed. Run: pip install 'scgnn_tools[loom]'"
        raise MissingExtraError(msg) from error


def _flat(name: str) -> str:
    return name.replace("\t", " ").replace("\n", " ")
