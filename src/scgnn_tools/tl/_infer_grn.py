"""``tl.infer_grn``: which transcription factor regulates which gene, evaluated beside its baselines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import GRN, GrnKeys
from scgnn_tools._log import say
from scgnn_tools._random import RNG, seed
from scgnn_tools._write import check_writable, writing
from scgnn_tools.links import link_predictor
from scgnn_tools.links._run import evaluate, score_all
from scgnn_tools.splits import SPLITS
from scgnn_tools.tl._grn_inputs import collect, signs

if TYPE_CHECKING:
    from anndata import AnnData


def infer_grn(
    adata: "AnnData",
    prior: "str | pd.DataFrame" = "auto",
    *,
    tfs: Sequence[str] | None = None,
    method: str = "scregnet",
    use_rep: str | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    organism: Literal["human", "mouse"] | None = None,
    split: str = "unseen_tf_matched",
    n_top: int = 100,
    n_runs: int = 3,
    key_added: str = GRN,
    rng: RNG = 0,
    device: str = "auto",
    copy: bool = False,
) -> "AnnData | None":
    """Infer a gene regulatory network.

    The method is trained and evaluated on the whole prior over the genes that have a vector, not only on the genes of the data, which may
    hold too few edges; it then scores every pair of a transcription factor and a gene of the data.

    Parameters
    ----------
    adata
        Cells × genes. Only ``pcc`` and the signs use the expression.
    prior
        Known edges: "auto" or "trrust" for the bundled TRRUST of the organism, a DataFrame with ``source``, ``target`` and perhaps
        ``weight`` and ``mode``, or a key of ``varp``.
    tfs
        Transcription factors; None takes the bundled list of the organism and the sources of the prior.
    method
        "scregnet", or a baseline: "degree", "collaborative", "cosine", "pcc".
    use_rep
        Key of ``varm`` with gene vectors; None takes those of the best bundled model, which cover its whole vocabulary.
    layer, gene_key, organism
        As in :func:`scgnn_tools.tl.embed`.
    split
        What the evaluation holds back: "unseen_tf_matched" (whole factors, degree of the targets taken out: what counting cannot solve),
        "unseen_tf", "unseen_target", "degree_matched", "random_pair" (the papers').
    n_top
        Targets kept of each factor, beside the known ones.
    n_runs
        Trainings with different seeds, whose mean is the score.
    key_added
        Name of the result.
    rng
        Seed.
    device
        Where to train.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields:

    ``adata.uns[key_added]["edges"]``
        DataFrame, best first: ``source``, ``target`` (of ``var_names``), ``score`` (for trained methods the probability of an edge
        where about one candidate pair in six is one; a correlation or cosine for ``pcc`` and ``cosine``), ``known`` (in the prior),
        ``stability`` (share of the runs that have the edge among the best ``n_top``; NaN with one run), ``sign`` (1 or -1 by the
        prior's mode, else by the correlation in the data, else NaN), ``sign_from`` ("prior", "data", "").
    ``adata.uns[key_added]["evaluation"]``
        dict: ``table``, a DataFrame with the method and its baselines on the same held-out pairs; ``status``; ``split``; ``candidates``;
        ``verdict``.
    ``adata.uns[key_added]["params"]``
        dict.
    ``adata.varp[key_added]``
        CSR float32 (n_vars, n_vars): the scores of ``edges``, factor in the row.

    Raises
    ------
    GraphError
        If no transcription factor is in the data, or the prior shares no gene.
    MissingKeyError, GeneMatchError, InputValueError
        Before anything is written.
    """
    check_writable(adata, copy=copy)
    for name, value in (("n_top", n_top), ("n_runs", n_runs)):
        if value < 1:
            msg = f"{name} is a positive integer; got {value!r}."
            raise InputValueError(msg)
    if split not in SPLITS:
        msg = f"There is no split {split!r}; the splits are {', '.join(SPLITS)}."
        raise InputValueError(msg)
    options = {"device": device}
    link_predictor(method, **options)  # a wrong name is an error before any work
    number = seed(rng)
    data = collect(
        adata, prior, tfs=tfs, use_rep=use_rep, layer=layer, gene_key=gene_key, organism=organism, rng=number
    )
    evaluation = evaluate(data.inputs, method, split=split, rng=number)
    known = pd.MultiIndex.from_frame(data.edges[["source", "target"]])
    edges = score_all(
        data.inputs, method, data.tfs, known=known, n_top=n_top, n_runs=n_runs, rng=number, options=options
    )
    edges = pd.concat([edges, signs(edges, data)], axis=1)
    params = {**data.params, "method": method, "n_top": n_top, "n_runs": n_runs, "seed": number}
    keys = GrnKeys(key_added)
    with writing(adata, copy=copy) as out:
        _write(out, keys, edges, data.column_of, {"evaluation": evaluation, "params": params})
    say(
        f"infer_grn: {method} with {params['vectors']} on {params['prior']} ({params['n_edges']:,} edges); {len(data.tfs):,} factors × "
        f"{len(data.inputs.genes):,} genes scored, {len(edges):,} edges kept -> uns['{key_added}'], varp['{key_added}']"
    )
    say(f"infer_grn: {evaluation['verdict']} (split {split})")
    return out if copy else None


def _write(adata: "AnnData", keys: GrnKeys, edges: pd.DataFrame, column_of: pd.Series, rest: dict[str, Any]) -> None:
    i, j = (edges[c].map(column_of).to_numpy(dtype=np.int64) for c in ("tf", "target"))
    names = adata.var_names.to_numpy(dtype=object)
    table = pd.DataFrame({"source": names[i], "target": names[j]})
    for column in ("score", "known", "stability", "sign", "sign_from"):
        table[column] = edges[column].to_numpy()
    matrix = sp.csr_matrix((edges["score"].to_numpy(dtype=np.float32), (i, j)), shape=(adata.n_vars, adata.n_vars))
    adata.varp[keys.varp] = matrix
    adata.uns[keys.uns] = {"edges": table, **rest}
