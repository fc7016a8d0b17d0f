"""``tl.annotate``: a label for every cell, calibrated, beside the baselines, able to say Unknown."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scgnn_tools import fm
from scgnn_tools._choices import text
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._fields import check_own, check_writable
from scgnn_tools._keys import LABEL, UNKNOWN, LabelKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key
from scgnn_tools._random import RNG
from scgnn_tools._threads import by_size
from scgnn_tools.annotation.annotator import Annotator, check_same, kept_annotator
from scgnn_tools.annotation.collect import of_itself, own_column
from scgnn_tools.annotation.majority import given_clusters
from scgnn_tools.annotation.run import run
from scgnn_tools.annotation.settings import settings_of
from scgnn_tools.annotation.sources import DEFAULT_LABELS, gather, is_bundled
from scgnn_tools.annotation.stored import check_stored
from scgnn_tools.annotation.writing import finish
from scgnn_tools.data.readers import open_cells
from scgnn_tools.store import place_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools.annotation.settings import Above
    from scgnn_tools.annotation.sources import Reference


@door
@by_size
def annotate(
    adata: "AnnData | MuData | str | Path",
    labels_key: str | None = None,
    *,
    reference: "Reference | Annotator" = None,
    batch_key: str | None = None,
    donor_key: str | None = None,
    method: str = "auto",
    transductive: bool = False,
    use_rep: str | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    organism: Literal["human", "mouse"] | None = None,
    unlabeled_category: str = UNKNOWN,
    unknown: Literal["auto", "cell"] | None = "auto",
    coverage: float | None = 0.9,
    conformal: Literal["marginal", "class"] = "marginal",
    hierarchy: "Above" = "auto",
    min_confidence: float = 0.8,
    majority: bool | str = False,
    mod: str = RNA,
    key_added: str = LABEL,
    store: "str | Path | None" = None,
    shard: tuple[int, int] | None = None,
    resume: bool = True,
    rng: RNG = 0,
    device: str = "auto",
    copy: bool = False,
    **options: Any,
) -> "AnnData | MuData | None":
    """Give every cell a cell-type label, with its confidence, from labelled cells.

    Where the labels come from:

    - ``reference=``: labelled cells, of one experiment or several; genes may differ, also by organism.
    - ``labels_key=``: a column of ``obs`` that is partly filled. Without it ``obs["cell_type"]``, if that is partly filled.
    - else the bundled immune reference (PBMC, 8 types).

    The probabilities of a cell depend on that cell alone: one query cell gets those that it gets among ten thousand.
    Only a transductive run also learns from the unlabelled cells. Whether a cell is Unknown depends on its query too,
    see ``unknown``. Ctrl-C while the method trains ends its training. The best weights so far then label the cells, a
    warning says so, and ``params`` records it.

    Parameters
    ----------
    adata
        Cells to label; of a MuData one modality. With ``store`` also the path of a file, whose matrices stay on disk.
    labels_key
        Column of ``obs`` with labels, of ``reference`` if that is given ("cell_type" if None).
    reference
        Labelled cells: an AnnData, the path of a file of cells, "immune" for the bundled ones, or a list or dict of these, whose shared
        genes are used; or an :class:`~scgnn_tools.annotation.Annotator`, or the folder of one, which is trained already. Cells of the
        query that a reference holds are left out of it. With several references, each in turn shows how strange known cells of another
        experiment look.
    batch_key, donor_key
        Columns of ``obs`` of the labelled cells that tell experiments and donors apart. With either, or with several references, whole
        experiments are held out in turn: they give the score, the temperature and the thresholds of the sets. Without, held-out cells are
        of the experiments that trained, and the verdict says "within one experiment".
    method
        A name of ``sgt.labels.METHODS``: "auto", an ensemble of five methods that takes the options of its member ``scgrapht`` too;
        "scgrapht", …; or a baseline, of which "logreg_pca", "centroid" and "knn_pca" are always scored beside it. ``scgrapht`` and
        ``scbignn`` take ``balance`` for unbalanced classes, see their options.
    transductive
        Let the method also learn from the unlabelled cells. It changes nothing for methods that always do so or that cannot.
    use_rep
        Vectors in ``obsm`` (of reference and query). None takes those that :func:`scgnn_tools.tl.embed` wrote, else embeds with the
        best bundled model, without writing the vectors; with a reference both are embedded on their shared genes.
    layer, gene_key, organism
        As in :func:`scgnn_tools.tl.embed`.
    unlabeled_category
        Label of a cell without label, beside NaN, "" and the like.
    unknown
        "auto" finds cells unlike the reference. With a reference and at least 50 cells, what all cells of the query have in common is
        taken out first: the laboratory. Whether a cell is Unknown then depends on the query that it is of, and on the cells of it that are
        most like it. "cell" judges each cell by itself; None gives every cell a label.
    coverage
        Share of cells whose set of labels is to hold the true one; None writes no sets.
    conformal
        Whether that holds over all cells ("marginal") or within each class ("class", larger sets).
    hierarchy
        What is above what: a table with ``child`` and ``parent``, a dict child -> parent(s), or the path of an .obo file such as the Cell
        Ontology. A cell gets the deepest name whose probability, the sum of the classes below it, reaches ``min_confidence``. "auto" is the
        Cell Ontology's for the bundled reference, so that a cell between CD4 and CD8 is a T cell; none for labels of your own.
    min_confidence
        See ``hierarchy``; without one it has no effect.
    majority
        Label clusters too, each by the label that most of its cells have: True makes small clusters of the cells' vectors, a name is that
        of a column of ``obs`` with clusters ("leiden" makes some if there is no such column). The labels of the cells stay as they are.
    mod
        Modality of a MuData, of references too; what is written is written there.
    key_added
        Name of the result. What an earlier call wrote under that name is replaced; the column that the labels are read from is not, unless
        it is "sgt_label", which is ours.
    store
        A new zarr folder for the labels, or one that was begun with the same call: what is finished there stays. It opens with
        ``anndata.read_zarr``; ``adata`` itself is left as it is. Labels come from ``reference``. See :doc:`/how-to/big_data`.
    shard
        ``(i, n)``: this call labels part i of n, counted from 0, into the store. It wants a trained annotator as ``reference``, the same
        for all parts. None takes all cells.
    resume
        False makes the chunks of this part of the store again.
    rng
        Seed of the split and of the training.
    device
        Where to train: "auto", "cpu", "cuda", …
    copy
        Return a changed copy and leave ``adata`` as it is.
    options
        Of the method; a wrong one is an error that names those that it has. ``gene_graph`` of ``scgrapht`` is a key of ``varp`` of the
        labelled cells, of the reference where there is one: see :doc:`/models/scgrapht`.

    Returns
    -------
    None, or the changed copy. Sets the following fields, ``key`` being ``key_added``:

    ``adata.obs[key]``
        categorical: the predicted label of every cell, labelled ones included, a parent of it, or "Unknown".
    ``adata.obs[f"{key}_confidence"]``
        float32: calibrated probability of the likeliest class, or of the parent; 0 for a cell without counts.
    ``adata.obs[f"{key}_reason"]``
        categorical: why a cell is Unknown, else "": it expresses too little of any class's markers, is unlike every cell of the reference,
        lies between two classes or outside every class, no name is safe, the query is unlike the reference as a whole, or "no counts".
    ``adata.obs[f"{key}_novelty"]``
        float32: how unlike the reference; above 1 a cell is Unknown. Not with ``unknown=None``.
    ``adata.obs[f"{key}_ontology_term_id"]``
        categorical: id of the label, with an .obo file or the bundled reference.
    ``adata.obs[f"{key}_agreement"]``
        float32: share of the ensemble's members whose likeliest class is this one; 0 for a cell without counts. With ``method="auto"``.
    ``adata.obs[f"{key}_majority"]``, ``adata.obs[f"{key}_majority_share"]``
        categorical: the label of the cell's cluster; float32: the share of the cluster's cells that have it. With ``majority``.
    ``adata.obsm[f"{key}_proba"]``
        DataFrame float32 (n_obs, n_classes): calibrated probabilities; a "/" in a class is "|" in its column, for the sake of files
        (``uns[key]["classes"]`` holds the names as they are).
    ``adata.obsm[f"{key}_set"]``
        DataFrame bool (n_obs, n_classes): the classes of the cell's conformal set. Not with ``coverage=None``.
    ``adata.uns[key]``
        dict with these entries:

        - ``evaluation``: a DataFrame with a row for the method and for each baseline, on the same held-out labelled cells. Its columns
          are accuracy, macro_f1, ece, …. A baseline has ``difference``, by how much the method is more often right, and its
          ``standard_error``. Rows of the kind "part" say what the members, or the sides of a fusion, reach alone. With several
          experiments ``lowest_accuracy`` is that on the hardest one, for a model that knows only the others.
        - ``verdict``: the method against the best baseline, in words.
        - ``classes``: the names of the classes, in the order of the columns.
        - ``calibration`` and ``confusion``: DataFrames over the held-out cells.
        - ``conformal``: what the sets promise, and what they did on held-out cells.
        - ``params``: how it was made, with ``query_distance`` (of the query from the reference, in spreads of the reference; above 1.5
          the query is unlike it as a whole), ``query_likeness`` (how alike the classes of both differ from each other, at most 1),
          ``query_shift`` (by how much all cells of the query are stranger), ``query_shift_taken_out``, and ``query_unlike`` (as a whole).

    Raises
    ------
    LabelError
        If no cell is labelled, or all have one label.
    MissingKeyError, GeneMatchError, InputScaleError, InputValueError
        Before anything is written.

    Warns
    -----
    SgtWarning
        If more than 30 % of the cells are Unknown, reference and query share fewer than 500 genes, or the query is unlike the reference
        as a whole; the message says what to do.

    Notes
    -----
    With ``store`` the fields are written into the store, and nothing into ``adata``. The store holds the label, ``_confidence``,
    ``_novelty``, ``_agreement``, and ``_reason`` (in short, without names of classes). The set is an array whose columns are
    ``uns[key]["classes"]``. ``uns[key]`` also holds ``inputs`` and ``outputs``, the sha256 of the rows and of the labels of each chunk.
    Once all chunks are there, it holds ``empty_cells``, the positions of cells without counts. What the cells of the query have in
    common is found out from at most 5,000 of them, which are chosen by what they hold. There are no probabilities in a store.

    Examples
    --------
    Labels of another experiment for new cells:

    >>> sgt.tl.annotate(query, "cell_type", reference=adata)
    >>> query.obs["sgt_label"].value_counts()  # doctest: +SKIP
    >>> query.uns["sgt_label"]["evaluation"].columns[:3].tolist()
    ['kind', 'n', 'accuracy']

    Without a reference the bundled blood cells give the labels, which takes about a minute:

    >>> sgt.tl.annotate(query)  # doctest: +SKIP
    """
    where, _ = place_of(store, shard, "labels.zarr", adata)
    whole: Any = open_cells(adata) if where is not None and isinstance(adata, str | Path) else adata
    inner = modality(whole, mod)
    if where is None:
        check_writable(whole, copy=copy, mod=mod)
    keys = LabelKeys(check_key(key_added))
    source = DEFAULT_LABELS if text("labels_key", labels_key, or_none=True) is None else labels_key
    if reference is None and source != LABEL and source in inner.obs:
        check_apart(keys.columns, labels_key=source)
    check_own(inner, keys)
    own = own_column(inner, labels_key, reference, unlabeled_category)
    if where is not None:
        _check_no_own(own)
    make = majority is not False and given_clusters(inner, majority) is None
    settings = settings_of(
        method=method,
        options=options,
        unknown=unknown,
        coverage=coverage,
        conformal=conformal,
        hierarchy=hierarchy,
        min_confidence=min_confidence,
        transductive=transductive,
        use_rep=use_rep,
        rng=rng,
        device=device,
        bundled=own is None and is_bundled(reference),
    )
    how: dict[str, Any] = {"layer": layer, "gene_key": gene_key, "organism": organism}
    written: dict[str, Any] = {"majority": majority, "mod": mod, "key_added": key_added, "copy": copy}
    written |= {"store": store, "shard": shard, "resume": resume}
    experiments: dict[str, Any] = {"batch_key": batch_key, "donor_key": donor_key}
    kept = kept_annotator(reference, device)
    if kept is not None:
        check_same(settings, kept, labels_key=labels_key, **experiments)
        return kept.annotate(whole, **how, **written)
    if where is not None:
        check_stored(settings, majority=majority, copy=copy, shard=shard, trained=False)
    if own is None:
        known, name = gather(
            reference,
            labels_key,
            fm.load(fm.best_bundled()),
            unlabeled_category=unlabeled_category,
            mod=mod,
            **experiments,
            use_rep=use_rep,
            layer=layer,
            gene_key=gene_key,
            gene_graph=settings.gene_graph,
        )
        fresh = Annotator(known, settings, name)
        return fresh.annotate(whole, **how, **written)
    how |= {"use_rep": use_rep, "gene_graph": settings.gene_graph, **experiments}
    data = of_itself(inner, own, unlabeled_category=unlabeled_category, **how)
    result = run(
        data.labelled,
        data.labels,
        data.query,
        experiments=data.experiments,
        unlabeled=data.unlabeled if settings.transductive else None,
        vectors=make,
        **settings.of_training,
    )
    return finish(whole, result, settings, data.params, keys, majority=majority, copy=copy, mod=mod)


def _check_no_own(own: str | None) -> None:
    if own is not None:
        msg = f"Labels of the object's own, here obs[{own!r}], do not go with store=. Pass reference= with labelled cells, or 'immune'."
        raise InputValueError(msg)
