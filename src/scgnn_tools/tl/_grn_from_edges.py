"""``tl.grn_from_edges``: the network of any tool, put where the tools and figures of this package find it."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scgnn_tools import genes
from scgnn_tools._columns import groups_column
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import GRN, GrnKeys
from scgnn_tools._log import counted, printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key
from scgnn_tools.genes.tables import checked_organism
from scgnn_tools.grn.imported import imported, score_matrix

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def grn_from_edges(
    adata: "AnnData | MuData",
    table: Any,
    *,
    groupby: str | None = None,
    prior: Any = None,
    gene_key: str | None = None,
    organism: Literal["human", "mouse"] | None = None,
    mod: str = RNA,
    key_added: str = GRN,
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Take over the network of any tool: pySCENIC, GRNBoost2, CellOracle, SCENIC+, decoupler, a file, a table of one's own.

    What :func:`scgnn_tools.pl.grn`, :func:`tf_activity`, :func:`evaluate_grn`, :func:`compare_grn`, :func:`tf_knockout` and
    :func:`export_grn` do with a network of :func:`infer_grn`, they then do with this one.

    Parameters
    ----------
    adata
        Any AnnData whose genes the network names.
    table
        A network in any form that ``prior=`` of :func:`infer_grn` takes; its other columns are kept as evidence. Negative weights are
        repressions, and the score is their size.
    groupby
        Column of ``obs`` for whose groups the table has networks: in a column of that name, or ``group``, or as a dict of group -> table.
    prior
        Network whose edges are marked as known; None marks none.
    gene_key
        Column of ``var`` with names as in the table; None takes ``var_names``. Older symbols, Ensembl ids and another case are found.
    organism
        "human" or "mouse"; None finds it out.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields:

    ``adata.uns[key_added]["edges"]``
        DataFrame, best first: ``group`` (with ``groupby``), ``source``, ``target`` (of ``var_names``), ``score``, ``known``, ``sign`` (1,
        -1 or NaN), and the other columns of the table.
    ``adata.uns[key_added]["params"]``
        dict: ``method`` ("imported"), ``table``, ``organism``, ``n_edges``, ``gene_key``, ``groupby``, ``groups``.
    ``adata.varp[key_added]``
        CSR float32 (n_vars, n_vars): the scores, transcription factor in the row; of several groups the best.

    Raises
    ------
    GraphError, InputValueError, MissingKeyError
        If the table cannot be read, or no edge lies between genes of the data; nothing is written.

    Examples
    --------
    >>> edges = pd.DataFrame({"TF": ["JUN", "JUN"], "target": ["FOS", "LYZ"], "importance": [2.0, 1.0]})
    >>> sgt.tl.grn_from_edges(adata, edges, key_added="mine")
    >>> adata.uns["mine"]["edges"]["target"].tolist()
    ['FOS', 'LYZ']
    """
    target = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = GrnKeys(check_key(key_added))
    check_apart([keys.varp] if isinstance(table, str) and table in target.varp else [], table=table)
    check_own(target, keys)
    groups = None if groupby is None else groups_column(target.obs, groupby, "groupby").dropna().astype(str).unique()
    names = genes.gene_names(target.var, gene_key=gene_key)
    of: str = genes.detect_organism(names) if organism is None else checked_organism(organism)
    edges, called, n_left = imported(table, target, names, of, groupby=groupby, prior=prior)
    if groups is not None:
        other = sorted(set(edges["group"]) - set(groups))
        if other:
            msg = (
                f"The table has networks of groups that obs[{groupby!r}] does not have: {', '.join(map(printable, other[:5]))}; there is: "
                f"{', '.join(map(printable, sorted(groups)[:5]))}. Rename them, or pass another groupby=."
            )
            raise InputValueError(msg)
    params: dict[str, Any] = {"method": "imported", "table": called, "organism": of, "n_edges": len(edges)}
    params |= {"gene_key": gene_key} if gene_key is not None else {}
    if groups is not None:
        params |= {"groupby": groupby, "groups": np.array(sorted(edges["group"].unique()), dtype=object)}
    entry = {"edges": edges, "params": params}
    changed = write(
        adata, {"varp": {keys.varp: score_matrix(target, edges)}, "uns": {keys.uns: entry}}, copy=copy, mod=mod
    )
    left = f"; {counted(n_left, 'edge')} with a gene that the data lack left out" if n_left else ""
    say(
        f"grn_from_edges: {counted(len(edges), 'edge')} of {counted(edges['source'].nunique(), 'factor')} from {called}{left} "
        f"-> uns['{key_added}'], varp['{key_added}']"
    )
    return changed
