"""A prior network on the genes of an object."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import GraphError
from scgnn_tools._log import printable
from scgnn_tools.graph.canonical import canonical


def check_edges(edges: pd.DataFrame) -> pd.DataFrame:
    """Return a table of edges in one form.

    Returns
    -------
    DataFrame
        ``source``, ``target`` as text, ``weight`` float, and ``mode`` if it was there; without self loops and duplicates.

    Raises
    ------
    GraphError
        If a column is missing, or a weight is text, negative or not finite.
    """
    missing = {"source", "target"} - set(edges.columns)
    if missing:
        there = ", ".join(map(printable, edges.columns)) or "none"
        msg = (
            f"A prior needs the columns source and target; {', '.join(sorted(missing))} is missing, there is: {there}."
        )
        raise GraphError(msg)
    edges = edges[edges["source"].notna() & edges["target"].notna()]
    out = pd.DataFrame(
        {"source": edges["source"].astype(str).to_numpy(), "target": edges["target"].astype(str).to_numpy()}
    )
    try:
        out["weight"] = edges["weight"].to_numpy(dtype=float) if "weight" in edges else 1.0
    except (TypeError, ValueError) as error:
        msg = f"The weights of a prior are numbers; got {printable(edges['weight'].iloc[0])!r} ({error})."
        raise GraphError(msg) from error
    if not (np.isfinite(out["weight"]) & (out["weight"] >= 0)).all():
        msg = f"The weights of a prior are finite and not negative; the least is {out['weight'].min()}. Give the sign as mode."
        raise GraphError(msg)
    if "mode" in edges:
        out["mode"] = edges["mode"].astype(str).to_numpy()
    out = out[(out["source"] != out["target"]) & (out["weight"] > 0)]
    out = out.sort_values("weight", ascending=False, kind="stable").drop_duplicates(["source", "target"])
    return out.sort_index().reset_index(drop=True)


def prior(edges: pd.DataFrame, genes: np.ndarray) -> sp.csr_array:
    """Return the edges between these genes as a matrix, source in the row, CSR float32 (n_genes, n_genes).

    Raises
    ------
    GraphError
        If no edge has both ends among the genes, or the table cannot be used.
    """
    edges = check_edges(edges)
    index = pd.Index(genes)
    index = pd.Series(np.arange(len(index)), index=index)
    index = index[~index.index.duplicated()]
    ends = [edges[c].map(index) for c in ("source", "target")]
    inside = (ends[0].notna() & ends[1].notna()).to_numpy()
    if not inside.any():
        msg = (
            f"None of the {len(edges):,} edges of the prior lies between the {len(genes):,} genes (prior: "
            f"{', '.join(map(printable, edges['source'][:3]))}; genes: {', '.join(map(printable, genes[:3]))})."
        )
        raise GraphError(msg)
    rows, columns = (e[inside].to_numpy(dtype=np.int64) for e in ends)
    return canonical(rows, columns, edges["weight"].to_numpy()[inside], (len(genes), len(genes)))
