"""A prior network on the genes of an object."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools._log import counted, printable
from scgnn_tools.graph.canonical import canonical
from scgnn_tools.graph.edge_table import (
    ACTIVATION,
    CONFLICT,
    OPEN,
    REPRESSION,
    columns_of,
    is_mode,
    labels_of,
    modes_of,
    tidied,
    weights_of,
)

DENSE, MANY = 0.5, 1_000
"""Share of all pairs that have a weight, positive or negative, from which on a table holds scores and no edges; and of how many."""


def check_edges(edges: pd.DataFrame, *, above: float | None = None) -> pd.DataFrame:
    """Return a table of edges in one form, sorted by source and target, whatever the order of its rows.

    Parameters
    ----------
    edges
        Names of columns as in :data:`scgnn_tools.graph.edge_table.NAMES`, or a base network of peaks × transcription factors. A
        negative weight is a repression; a ``label`` of 0 is no edge.
    above
        Weights are scores that an edge has more of than this; None takes their sign as the mode.

    Returns
    -------
    DataFrame
        ``source``, ``target`` as text, ``weight`` float, above 0 without ``above``, and ``mode`` ("Activation", "Repression", "Unknown",
        "Conflict") if the table says one; without self loops, rows that lack a name, edges of weight 0 and duplicates, of which the
        heaviest stays. Duplicates of different signs are a conflict.

    Raises
    ------
    GraphError
        If it is no table, a column is missing or there twice, a weight is text, missing or not finite, or no edge is left.
    """
    if not isinstance(edges, pd.DataFrame):
        msg = f"A prior is a DataFrame with source and target, one row an edge; got {type(edges).__name__}. Use pd.DataFrame(...)."
        raise GraphError(msg)
    try:
        out, why = _in_one_form(edges, above)
    except InputValueError as error:
        raise GraphError(str(error)) from error
    if out.empty:
        msg = f"The network holds no edge that can be used: {why}. Pass a DataFrame with source and target, one row an edge."
        raise GraphError(msg)
    # by content: the order of the rows must not decide which of two duplicates stays, nor what is drawn for which edge
    modes = ["mode"] if "mode" in out else []
    out = out.sort_values(["source", "target", "weight", *modes], ascending=[True, True, False, *(True for _ in modes)])
    if modes:
        out["mode"] = joined_modes(out)
    return out.drop_duplicates(["source", "target"]).reset_index(drop=True)


def joined_modes(edges: pd.DataFrame) -> np.ndarray:
    """Return one mode for all rows of an edge: the one that is told, "Conflict" where both are."""
    both = edges["mode"].to_numpy()
    ends = [edges["source"], edges["target"]]

    def any_is(*modes: str) -> np.ndarray:
        return pd.Series(np.isin(both, modes), index=edges.index).groupby(ends).transform("any").to_numpy()

    up, down = any_is(ACTIVATION, CONFLICT), any_is(REPRESSION, CONFLICT)
    return np.select([up & down, up, down], [CONFLICT, ACTIVATION, REPRESSION], OPEN).astype(object)


def _in_one_form(edges: pd.DataFrame, above: float | None) -> tuple[pd.DataFrame, str]:
    """Return the edges of a table, and why there are none if there are none."""
    why = "it has no rows" if edges.empty else "no factor has a 1 in its column"
    edges = tidied(edges)
    found = columns_of(edges, ("source", "target", "weight", "mode", "label"), optional=("weight", "mode", "label"))
    source, target = found["source"], found["target"]
    named = edges[edges[source].notna() & edges[target].notna()]
    labelled = "" if found["label"] is None else f"are of label 0 (column {printable(found['label'])})"
    if found["label"] is not None:
        named = named[labels_of(named, found["label"]) == 1]
    out = pd.DataFrame({"source": named[source].astype(str).to_numpy(dtype=object)})
    out["target"] = named[target].astype(str).to_numpy(dtype=object)
    weight = np.ones(len(named)) if found["weight"] is None else weights_of(named, found["weight"], source, target)
    out["weight"] = weight if above is not None else np.abs(weight)
    mode = found["mode"]
    if mode is not None and (str(mode).lower() != "type" or is_mode(named[mode])):
        out["mode"] = modes_of(named[mode])
    if above is None and (weight < 0).any():
        _check_no_scores(out, weight)
        by_sign = np.where(weight < 0, REPRESSION, ACTIVATION)
        out["mode"] = np.where(out["mode"] == OPEN, by_sign, out["mode"]) if "mode" in out else by_sign
    if len(edges):
        loops = int((out["source"] == out["target"]).sum())
        lacking = int((edges[source].isna() | edges[target].isna()).sum())
        told = [f"{n:,} {what}" for n, what in ((lacking, "without a name"), (loops, "from a gene to itself")) if n]
        light = labelled or ("weigh 0" if above is None else f"weigh {above} or less")
        if lacking + loops < len(edges):
            told.append(f"{'the others' if told else 'all'} {light}")
        why = f"of {counted(len(edges), 'row')} {', '.join(told)}"
    heavy = out["weight"] > (0 if above is None else above)
    return out[(out["source"] != out["target"]) & heavy], why


def _check_no_scores(edges: pd.DataFrame, weight: np.ndarray) -> None:
    """Refuse a table of every pair with a score, such as PANDA's: the sign of a z-score says no repression."""
    pairs = edges["source"].nunique() * edges["target"].nunique()
    if len(edges) >= MANY and len(edges) > DENSE * pairs and not np.isin(weight, (-1, 1)).all():
        msg = (
            f"The table gives {len(edges):,} of {pairs:,} pairs a weight, {(weight < 0).mean():.0%} of them negative: these are scores of "
            "all pairs (as of PANDA), not edges. Keep what counts as an edge, for example table[table['weight'] > 3]."
        )
        raise InputValueError(msg)


@door_of_arrays
def prior(edges: pd.DataFrame, genes: np.ndarray) -> sp.csr_array:
    """Return the edges between these genes as a matrix, source in the row, CSR float32 (n_genes, n_genes).

    Parameters
    ----------
    edges
        ``source``, ``target`` and, where edges have one, ``weight``.
    genes
        Names of the rows and columns.

    Raises
    ------
    GraphError
        If no edge has both ends among the genes, or the table cannot be used.

    Examples
    --------
    >>> sgt.graph.prior(sgt.genes.prior(), adata.var_names.to_numpy()).shape
    (1000, 1000)
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
