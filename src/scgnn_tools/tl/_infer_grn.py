"""``tl.infer_grn``: which transcription factor regulates which gene, evaluated beside its baselines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import GRN, GrnKeys
from scgnn_tools._log import printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key
from scgnn_tools._random import RNG, seed
from scgnn_tools._threads import by_size
from scgnn_tools._write import as_path
from scgnn_tools.grn import Network, check_expression, check_groups, check_options, collect, groups_of, infer
from scgnn_tools.grn.collect import MOST_CELLS
from scgnn_tools.grn.imported import score_matrix
from scgnn_tools.grn.infer_said import network_said
from scgnn_tools.links import predictor_name
from scgnn_tools.store import check_folder

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
@by_size
def infer_grn(
    adata: "AnnData | MuData",
    prior: Any = "auto",
    *,
    tfs: "Sequence[str] | str | Path | None" = None,
    mask: Any = None,
    method: str = "sgt",
    groupby: str | None = None,
    min_expressed: float = 0.05,
    most_cells: int | None = MOST_CELLS,
    use_rep: str | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    organism: Literal["human", "mouse"] | None = None,
    split: str = "unseen_tf_matched",
    n_top: int = 100,
    n_runs: int = 3,
    controls: bool = True,
    store: str | Path | None = None,
    mod: str = RNA,
    key_added: str = GRN,
    rng: RNG = 0,
    device: str = "auto",
    copy: bool = False,
    method_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> "AnnData | MuData | None":
    """Infer a gene regulatory network, or one for each group of cells.

    The method is trained and evaluated on the prior, a network of known edges. It uses all genes that have a vector,
    because the genes of the data alone may hold too few edges. It then scores every pair of a transcription factor
    and a gene of the data. The call first says how long that will take.

    Parameters
    ----------
    adata
        Cells × genes; of a MuData one modality.
    prior
        Known edges: "auto" or "trrust" for the bundled TRRUST of the organism; "collectri" or "dorothea", which decoupler downloads; a
        key of ``varp``; a table or a file (.csv, .tsv, .parquet, .graphml, .cyjs, .gmt, perhaps with .gz) with a column each for the
        transcription factor (``source``, ``TF``, ``regulator``, ``Gene1``), the target (``target``, ``gene``, ``Gene2``) and perhaps
        weight (``weight``, ``importance``, ``score``; negative is repression), mode (``mode``, ``mor``; ``1/-1``, ``+/-``,
        ``activation/repression``) and ``label`` (0 is no edge); a base network of CellOracle or SCENIC+ (peaks × transcription factors,
        with ``gene_short_name``); regulons ``{"SPI1": ["LYZ", "CD14"]}``; or several of these, as a list or by name: which of them has
        an edge is then a column ``in_<name>``.
    tfs
        Transcription factors: a list, one name, or a file with one a line; None takes the bundled list of the organism and the sources
        of the prior, without those that are RNAs (NEAT1), which a printed line names.
    mask
        The only pairs that can be edges, in any form that ``prior`` takes: a base network of open chromatin and motifs. None allows all.
    method
        A name of :func:`scgnn_tools.models.link_predictor`, in any case. "sgt" is our own: counting, collaboration and alike genes, with
        weights learnt on held-out pairs; see :class:`scgnn_tools.links.sgt.SGT`.
    groupby
        Column of ``obs``: one network for each of its groups of at least 10 cells; a missing or blank value is no group. A method that
        needs expression is trained on the cells of each group. Any other is trained once, and its score gets what all cells say, what the
        group's own say as far as halves of them agree, and how much more of both genes there is than elsewhere. The evaluation is of all
        cells.
    min_expressed
        Share of the cells, of the group or of all, that have to express a transcription factor and a target; and at least 5 cells.
    most_cells
        Of more cells so many are drawn, by what they hold, before they are normalised: time and memory stay what they are for so many. With
        ``groupby`` small groups stay whole and large ones give as many cells each. None takes all.
    use_rep
        Key of ``varm`` with gene vectors; None takes those of the best bundled model, which cover its whole vocabulary.
    layer, gene_key, organism
        As in :func:`scgnn_tools.tl.embed`.
    split
        What the evaluation holds back: "unseen_tf_matched" (whole transcription factors, degree of the targets taken out: what counting
        cannot solve), "unseen_tf", "unseen_target", "degree_matched", "random_pair" (the papers').
    n_top
        Targets kept of each transcription factor, beside the known ones.
    n_runs
        Trainings, each on other negative pairs and without a third of all pairs, whose mean is the score; from three on no pair is scored
        by a training that has seen it. A method that neither learns from pairs nor draws is trained once.
    controls
        Whether permuted cells, rewired networks and recovery at equal degree stand beside the result. Without them it takes about half as
        long, and the printed line says that they are missing.
    store
        Folder that keeps each finished run and the evaluation, so that a call that was killed goes on with the next run and ends as if it
        had not been. ``n_runs`` and ``n_top`` may change in between; other data or options are refused.
    mod
        Modality of a MuData that holds the RNA; the result goes into that modality.
    key_added
        Name of the result.
    rng
        Seed.
    device
        Where to train.
    copy
        Return a changed copy and leave ``adata`` as it is.
    method_options
        Deprecated; pass the options by name.
    options
        Of the method; a wrong one is an error that names those that it has.

    Returns
    -------
    None, or the changed copy. Sets the following fields:

    ``adata.uns[key_added]["edges"]``
        DataFrame, best first: ``group`` (with ``groupby``), ``source``, ``target`` (of ``var_names``); ``score``: of a method that learns
        probabilities from the prior, those with the evidence of the cells in them, else what the method makes; ``probability`` (the same,
        calibrated on held-out pairs of the prior, apart for transcription factors that the prior knows and others; NaN if too few are
        held out); ``is_tf`` (the source is on the bundled list of transcription factors and their cofactors, bool; a source of the
        prior may not be); ``known`` (in the prior); ``stability`` (share of the runs that have the edge among the best ``n_top``; NaN
        with one run); ``sign`` (1 or -1 by the prior's mode, else by the correlation where permuted cells make it sure, else NaN),
        ``sign_from`` ("prior", "data", ""), ``sign_conflict`` (the two differ). Then the evidence: ``correlation`` over the cells (of
        the group), ``cosine`` of the gene vectors; with ``groupby`` ``coexpressed`` (share of the group's cells that express both) and
        ``specificity`` (that, less its mean over the other groups); ``prior_score`` (what the method says without these cells; from
        three runs on, of a training that has not seen the pair); ``data_score`` (what these cells say without the prior: correlation of
        what principal components say of the two genes, in standard deviations of permuted cells, shrunk by its reliability; NaN without
        expression), ``log_ratio`` (what the cells add to the logit), ``z`` (``data_score`` before it is shrunk; of the group),
        ``coherence`` (with the other known targets of the transcription factor); with ``groupby`` ``own_score`` (of the group's cells
        alone) and ``contrast`` (how much more of both genes there is than in other cells); and what the method says of its own.
    ``adata.uns[key_added]["evaluation"]``
        dict: ``table``, a DataFrame with the method and its baselines on the same held-out pairs: each metric with its 95 % interval over
        transcription factors (``auprc_low``, ``auprc_high``, …), and ``difference``, ``difference_low``, ``difference_high``, how much
        higher the AUPRC of the method is than that of the row; ``status``; ``split``; ``candidates``; ``calibration`` (of
        ``probability``); ``verdict``, a tie inside the interval; ``cells``, what the cells add, a line a question; ``reliability``
        (how well halves of the cells agree, by group) and ``ratio`` (what a standard deviation of evidence is worth); with ``controls``
        ``recovery`` (known edges against others at equal degree: joined, prior, cells, permuted cells) and ``held_out`` (expression of
        held-out cells by the network, by rewired ones, by components).
    ``adata.uns[key_added]["regulons"]``
        With ``groupby`` and a method that is trained once, DataFrame: ``group``, ``source``, ``n_targets``, ``specificity`` (how much
        higher than in other cells the up to 100 genes are that the cells tie to the transcription factor most, by ``data_score``, without
        its own gene; in standard deviations), ``expression`` (the same of its own gene).
    ``adata.uns[key_added]["new_factors"]``
        DataFrame ``source``, ``target``, ``data_score`` of transcription factors that the prior does not know, by the cells alone; they
        are not among ``edges`` unless ``tfs`` names them or the method learns nothing from the prior.
    ``adata.uns[key_added]["params"]``
        dict. ``interrupted`` says whether Ctrl-C ended the trainings of the network: it is then of those until then.
    ``adata.varp[key_added]``
        CSR float32 (n_vars, n_vars): the scores of ``edges``, transcription factor in the row; with ``groupby`` the best over the groups.

    Raises
    ------
    GraphError
        If no transcription factor is in the data, or the prior shares no gene.
    MissingKeyError, GeneMatchError, InputValueError
        Before anything is trained or written.
    KeyboardInterrupt
        If Ctrl-C comes before the first training of the network, as in the evaluation: half an evaluation is none, and nothing is written.

    Examples
    --------
    >>> sgt.tl.infer_grn(adata)  # doctest: +SKIP

    A network for each type of cell, by correlation alone, which takes seconds:

    >>> sgt.tl.infer_grn(adata, groupby="cell_type", method="pcc", controls=False)
    >>> adata.uns["sgt_grn"]["edges"].columns[:4].tolist()
    ['group', 'source', 'target', 'score']
    >>> verdict = adata.uns["sgt_grn"]["evaluation"]["verdict"]
    """
    target = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = GrnKeys(check_key(key_added))
    if isinstance(prior, str):
        check_apart([keys.varp] if prior in target.varp else [], prior=prior)
    check_own(target, keys)
    check_groups(target, groupby, min_expressed)
    folder = None if store is None else as_path("store", store)
    check_folder(folder)
    n_top, n_runs = integer("n_top", n_top), integer("n_runs", n_runs)
    method, given = predictor_name(method), _by_name(method_options, options)
    options = check_options(method, given, device, split)
    number = seed(rng)
    data = collect(
        target,
        prior,
        tfs=tfs,
        mask=mask,
        use_rep=use_rep,
        layer=layer,
        gene_key=gene_key,
        organism=organism,
        rng=number,
        most_cells=integer("most_cells", most_cells, or_none=True),
        groupby=groupby,
    )
    check_expression(data, method, options)
    groups = groups_of(target, groupby, data, min_expressed)
    network = infer(
        data, groups, method=method, options=options, split=split, n_top=n_top, n_runs=n_runs, rng=number, store=folder,
        controls=controls, keep_new=tfs is not None,
    )  # fmt: skip
    params: dict[str, Any] = {**data.params, "method": method, "n_top": n_top, "n_runs": n_runs, "seed": number}
    params |= {"min_expressed": min_expressed, "controls": controls, "interrupted": network.interrupted}
    if network.interrupted:
        params["n_runs"] = network.n_finished
        missing = "" if groupby is None else ", and groups after them are missing"
        warn(
            f"{method}: the trainings were interrupted; the network is of {network.n_finished} of {n_runs} runs{missing}."
        )
    if groupby is not None:
        params |= {"groupby": groupby, "groups": np.array([g.name for g in groups], dtype=object)}
    if given:
        params["options"] = {k: str(v) for k, v in given.items()}
    changed = write(adata, _fields(target, keys, network, data.column_of, params), copy=copy, mod=mod)
    for line in network_said(network, data, params, key_added):
        say(f"infer_grn: {line}")
    return changed


def _by_name(method_options: Mapping[str, Any] | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the method, those of the argument that they were given in before too."""
    if method_options is None:
        return options
    msg = "method_options= will go; pass the options of the method by name, as in infer_grn(adata, method='scregnet', max_epochs=50)."
    warn(msg, FutureWarning)
    both = sorted(set(method_options) & set(options))
    if both:
        msg = f"{', '.join(map(printable, both))} is given by name and in method_options. Give it by name."
        raise InputValueError(msg)
    return {**method_options, **options}


def _fields(
    adata: "AnnData", keys: GrnKeys, network: Network, column_of: pd.Series, params: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    names, edges = adata.var_names.to_numpy(dtype=object), network.edges

    def at(symbols: pd.Series) -> np.ndarray:
        return symbols.map(column_of).to_numpy(dtype=np.int64)

    table = edges.rename(columns={"tf": "source"})
    table = table.assign(source=names[at(edges["tf"])], target=names[at(edges["target"])])
    if "groupby" not in params:
        table = table.drop(columns="group")
    matrix = score_matrix(adata, table)
    entry = {"edges": table, "evaluation": network.evaluation, "params": params}
    for name, part in (("new_factors", network.new_factors), ("regulons", network.regulons)):
        if len(part):
            named = part.rename(columns={"tf": "source"})
            entry[name] = named.assign(**{c: names[at(named[c])] for c in ("source", "target") if c in named})
    return {"varp": {keys.varp: matrix}, "uns": {keys.uns: entry}}
