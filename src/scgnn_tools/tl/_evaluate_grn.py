"""``tl.evaluate_grn``: any edge table against a known network, beside what counting reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools import genes as gene_names
from scgnn_tools._choices import integer
from scgnn_tools._doors import door
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._keys import GRN
from scgnn_tools._log import printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG, seed
from scgnn_tools.genes.tables import checked_organism
from scgnn_tools.graph.network_files import ENDINGS, ending, read_network
from scgnn_tools.grn.edge_tables import candidates, edge_scores, scores_of
from scgnn_tools.grn.given import check_names, given_factors, given_networks
from scgnn_tools.grn.groups import genes_held
from scgnn_tools.grn.judge import GrnEvaluation, judge
from scgnn_tools.grn.judged import coexpression, seen_pairs, true_pairs
from scgnn_tools.grn.names import ToSymbols, names_of, with_names
from scgnn_tools.grn.perturbed import PerturbedFactors
from scgnn_tools.grn.table import edges_of, network
from scgnn_tools.perturbation.inputs import CONTROL, screen

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def evaluate_grn(
    edges: "AnnData | MuData | pd.DataFrame | str | Path | Mapping[str, pd.DataFrame | str | Path]",
    truth: Any = "auto",
    *,
    train: Any = None,
    tfs: "Sequence[str] | str | Path | None" = None,
    genes: "Sequence[str] | str | Path | None" = None,
    key: str = GRN,
    group: str | None = None,
    exclude_known: bool = True,
    organism: str | None = None,
    perturbation_key: str | None = None,
    control: str = "auto",
    bootstrap: int = 200,
    mod: str = RNA,
    rng: RNG = 0,
) -> GrnEvaluation:
    """Judge edges, of :func:`infer_grn` or of any other tool, by a known network, beside degree, collaboration and co-expression.

    Much of a known network can be guessed from itself alone. So two baselines that see no expression stand beside the
    edges: the degrees of the genes, and what transcription factors with like targets say. They learn from four fifths
    of the judged pairs about the fifth, or from ``train``.

    Parameters
    ----------
    edges
        An AnnData, or a MuData, that :func:`infer_grn` was called on; a table with a column each for the transcription factor
        (``source``, ``tf``, ``TF``, ``regulator``, ``Gene1``), the target (``target``, ``gene``, ``Gene2``) and the score (``score``,
        ``importance``, ``weight``, ``EdgeWeight``), higher is likelier; a file with such a table; or several by name.
    truth
        A known network in any form that ``prior=`` of :func:`infer_grn` takes: "auto" or "trrust", the bundled TRRUST of the organism,
        "collectri", "dorothea", a file, a table; or labelled pairs, a table with a ``label`` of 0 and 1. Names of another case are found.
    train
        What the edges were learnt from, edges (``source``, ``target``) or labelled pairs; these are not judged.
    tfs, genes
        Transcription factors and targets (one, a list, or a file) that the tool could have named; None takes the transcription factors
        of the edges and all genes that the edges name, or of an AnnData those that enough of its cells express, or of a group's. A pair
        that the tool did not name ranks below all that it did.
    key, group
        Name of the network in an AnnData, and one of its groups.
    exclude_known
        Of an AnnData, do not judge the edges that it was trained on.
    organism
        "human" or "mouse"; None detects it.
    perturbation_key, control
        Column of ``obs`` that says what was done to each cell, and the name of the control, as in :func:`scgnn_tools.tl.perturb`. Of each
        transcription factor that was perturbed alone the best 50 targets (at most a tenth of the genes) are asked to move, beside
        rewired networks and the genes that go with the transcription factor in control cells. It needs an AnnData, and no truth has a
        say in it.
    bootstrap
        Draws of transcription factors for the 95 % intervals; 0 makes none.
    mod
        Modality of a MuData.
    rng
        Seed.

    Returns
    -------
    GrnEvaluation
        ``table``, ``pairs``, ``candidates``, ``verdict``; it prints as a table, and :func:`scgnn_tools.pl.grn_evaluation` draws it. With
        ``perturbation_key`` also ``response``, a row a network and perturbed transcription factor: ``n_cells``, ``n_targets``,
        ``auroc`` (share of other genes of like expression that a target moves further than), ``rewired`` (its mean in rewired
        networks), ``p``, ``e_distance`` (energy distance of perturbed and control cells over the targets), ``e_others`` (over other
        genes of like expression).

    Raises
    ------
    GraphError
        If nothing is left to judge.
    InputValueError, MissingKeyError
        If a table lacks a column, there are no control cells, or no perturbed gene is a transcription factor of the network.

    Examples
    --------
    The network of an object:

    >>> judged = sgt.tl.evaluate_grn(adata, exclude_known=False, bootstrap=0)
    >>> {"auroc", "auprc"} <= set(judged.table.columns)
    True

    The edges of any other tool:

    >>> mine = pd.DataFrame({"TF": ["JUN", "SPI1"], "target": ["FOS", "LYZ"], "importance": [2.0, 1.0]})
    >>> judged = sgt.tl.evaluate_grn(mine, genes=adata.var_names, bootstrap=0)
    """
    integer("bootstrap", bootstrap, least=0)
    adata = None
    if not isinstance(edges, pd.DataFrame | Mapping) and not _is_file(edges):
        adata = modality(
            edges, mod, name="edges", wanted="an AnnData, a table of edges, a file of one, or a dict of tables"
        )
    if adata is None and perturbation_key is not None:
        msg = "perturbation_key= is a column of obs: pass the object with the cells, and the edges by sgt.tl.grn_from_edges."
        raise InputValueError(msg)
    if adata is None and group is not None:
        msg = "group= names a group of the network in an object; of a table pass the rows of that group."
        raise InputValueError(msg)
    organism = None if organism is None else checked_organism(organism)
    tables, held, called, params = _given(edges), None, pd.Series(dtype=object), {}
    if adata is not None:
        params = network(adata, key).get("params", {})
        called = names_of(adata, params)
        tables = {str(params.get("method", "edges")): edges_of(adata, key, group=group)}
        held = genes_held(adata, params, group)
        if exclude_known and train is None:
            every_group = edges_of(adata, key)  # trained on the whole prior, whatever a group expresses of it
            train = with_names(every_group.loc[every_group["known"].to_numpy(dtype=bool), ["source", "target"]], called)
            train = train if len(train) else None
    named = {n: edge_scores(with_names(t, called)) for n, t in tables.items()}
    every = pd.unique(np.concatenate([t[c].to_numpy(dtype=object) for t in named.values() for c in ("tf", "target")]))
    pool = every if adata is None else called.to_numpy() if held is None else called.reindex(held).to_numpy()
    pool = pool if genes is None else given_factors(genes, argument="genes")
    organism = gene_names.detect_organism(pool) if organism is None else organism
    genes_first = np.concatenate([called.to_numpy(), pool])
    there = {str(n).upper() for n in genes_first}  # what edges call in another case is no other gene
    others = [n for n in every if str(n).upper() not in there]
    to_symbol = ToSymbols(np.concatenate([genes_first, np.array(others, dtype=object)]), organism)
    named = {n: edge_scores(t.assign(tf=to_symbol(t["tf"]), target=to_symbol(t["target"]))) for n, t in named.items()}
    sources = (
        np.concatenate([t["tf"].unique() for t in named.values()]) if tfs is None else to_symbol(given_factors(tfs))
    )
    perturbed = None
    if adata is not None and perturbation_key is not None:
        cells = screen(adata, perturbation_key, control=control, gene_key=params.get("gene_key"))
        perturbed = PerturbedFactors(
            cells.expression, cells.genes, np.flatnonzero(cells.condition == CONTROL), cells.alone,
            where=f"obs[{printable(repr(perturbation_key))}]", to_symbol=to_symbol, tables=named,
        )  # fmt: skip
    known = true_pairs(given_networks(truth, organism=organism, adata=adata, argument="truth"), to_symbol)
    seen = None
    if train is not None:
        seen = seen_pairs(given_networks(train, organism=organism, argument="train"), to_symbol)
    pairs, said = candidates(known, pd.Index(sources), pd.Index(to_symbol(pool)), left_out=seen)
    found = {n: scores_of(pairs, t) for n, t in named.items()}
    shares = ", ".join(f"{n} names {share:.1%}" for n, (_, share) in found.items())
    also = {} if adata is None else coexpression(adata, pairs, called, to_symbol)
    out = judge(
        pairs,
        {n: s for n, (s, _) in found.items()},
        candidates=f"{said}; {shares} of the pairs",
        train=seen,
        also=also,
        bootstrap=bootstrap,
        rng=rng,
    )
    if perturbed is not None:
        table, said = perturbed.judge(rng=seed(rng))
        out = replace(out, response=table, verdict=f"{out.verdict}\n{said}")
    for line in out.verdict.splitlines():
        say(f"evaluate_grn: {line}")
    return out


def _is_file(edges: Any) -> bool:
    """Say whether edges are named by a file; that of an object is none of edges."""
    return isinstance(edges, str | Path) and ending(edges) in ENDINGS


def _given(edges: Any) -> dict[str, pd.DataFrame]:
    """Return tables by name, none for an object."""
    if isinstance(edges, pd.DataFrame):
        return {"edges": edges}
    if _is_file(edges):
        return {Path(edges).name: read_network(edges)}
    if not isinstance(edges, Mapping):
        return {}
    if not edges:
        msg = "There are no edges to judge: the mapping is empty."
        raise InputValueError(msg)
    check_names(edges, "edges")
    for name, table in edges.items():
        if not isinstance(table, pd.DataFrame | str | Path):
            msg = f"edges[{printable(repr(name))}] is a table of edges (a DataFrame) or a file; got {type(table).__name__}."
            raise InputTypeError(msg)
    return {str(n): t if isinstance(t, pd.DataFrame) else read_network(t) for n, t in edges.items()}
