"""``tl.integrate``: one space for the cells of several batches, beside its baselines."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn_tools._doors import door
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import INTEGRATED, IntegrationKeys
from scgnn_tools._log import say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key
from scgnn_tools._random import RNG
from scgnn_tools._threads import by_size
from scgnn_tools.integration import METHODS
from scgnn_tools.integration.inputs import batch_column, collect, confounding, label_column
from scgnn_tools.integration.run import check, check_baselines, run

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
@by_size
def integrate(
    adata: "AnnData | MuData",
    batch_key: str,
    *,
    method: str = "harmony",
    labels_key: str | None = None,
    condition_key: str | None = None,
    use_rep: str | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    n_comps: int = 50,
    n_top_genes: int = 2000,
    evaluate: bool = True,
    baselines: "tuple[str, ...] | list[str]" = ("pca", "center", "harmony"),
    max_epochs: int | None = None,
    mod: str = RNA,
    key_added: str = INTEGRATED,
    rng: RNG = 0,
    device: str = "auto",
    copy: bool = False,
    **options: Any,
) -> "AnnData | MuData | None":
    """Give the cells of several batches one space, and score it beside its baselines.

    The order of cells and genes decides nothing: methods see the cells sorted by what they hold, and the genes by name. On one machine with
    one number of threads the vector of a cell is the same to the last digits. A network that is trained on several threads or on a GPU adds
    numbers up in another order each time. Its vectors then differ between two runs of one object too.

    Labels are for the score alone; only a method that says so (``scanvi``) learns from them. Batches that hold different biology cannot be
    told from it: read ``evaluation`` by both bio and batch, and the warning on confounded labels.

    Parameters
    ----------
    adata
        Cells × genes, counts or log-normalised.
    batch_key
        Column of ``obs``: the sample, donor, chemistry or study of each cell.
    method
        A name of ``sgt.integration.METHODS``: "harmony" (needs ``scgnn_tools[integration]``), "none", "center", "combat", "scvi", "scanvi",
        "cgc", "scgpt" (with ``checkpoint=``, the folder of its weights).
    labels_key
        Column of ``obs`` with cell types, to score with; None scores the mixing alone.
    condition_key
        Column of ``obs`` with a biological condition that must survive, such as the treatment.
    use_rep
        Vectors in ``obsm`` that "none", "center" and "harmony" correct, for example those of :func:`scgnn_tools.tl.embed`; None takes
        principal components of the genes that vary within batches.
    layer, gene_key
        As in :func:`scgnn_tools.tl.embed`.
    n_comps, n_top_genes
        Number of components, and of the variable genes that they are made of.
    evaluate
        Whether to score; the baselines are then fitted too.
    baselines
        Names of what stands beside it, on the components: "pca", which is uncorrected, and names of methods.
    max_epochs
        Passes over the cells, for methods that are trained; None takes the method's own.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result.
    rng
        Seed of the method, and of the cells that are scored.
    device
        Where to train: "auto", "cpu", "cuda", …
    copy
        Return a changed copy and leave ``adata`` as it is.
    options
        Of the method; a wrong one is an error that names those that it has.

    Returns
    -------
    None, or the changed copy. Sets the following fields, ``key`` being ``key_added``:

    ``adata.obsm[f"X_{key}"]``
        float32 (n_obs, d).
    ``adata.uns[key]``
        dict with these entries:

        - ``evaluation``: a DataFrame with a row for the method, and for each baseline and control. Columns are those of
          :func:`scgnn_tools.metrics.integration`, with standard errors ``*_se`` over halves of the cells. Not with ``evaluate=False``.
        - ``verdict``: the method against its best baseline, in words.
        - ``history``: losses by epoch, of a method that is trained.
        - ``batches``: a DataFrame with the cells of each batch.
        - ``params``: how it was made.

    Raises
    ------
    MissingExtraError
        If the method's package is not installed; no other method takes its place.
    MissingKeyError, InputScaleError, InputValueError, LabelError
        Before anything is written.

    Warns
    -----
    SgtWarning
        If each label is in one batch only.

    Examples
    --------
    >>> sgt.tl.integrate(adata, "batch", labels_key="cell_type", method="center")
    >>> adata.obsm["X_sgt_integrated"].shape
    (206, 50)
    >>> adata.uns["sgt_integrated"]["evaluation"]["kind"].unique().tolist()
    ['method', 'baseline', 'control']
    """
    inner = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = IntegrationKeys(check_key(key_added))
    check_apart([keys.obsm], use_rep=use_rep)
    check_own(inner, keys)
    options |= {"device": device, "max_epochs": max_epochs}
    made = check(method, inner.n_obs, labels=labels_key is not None, options=options, use_rep=use_rep)
    others = check_baselines(baselines) if evaluate else []
    batch = batch_column(inner, batch_key)
    labels = None if labels_key is None else label_column(inner, labels_key)
    condition = None if condition_key is None else label_column(inner, condition_key, name="condition_key")
    shared = None if labels is None else confounding(batch, labels)
    needs = {METHODS[n].needs for n in (method, *others) if n != "pca"}
    inputs = collect(
        inner,
        batch,
        use_rep=use_rep,
        layer=layer,
        gene_key=gene_key,
        n_comps=n_comps,
        n_top_genes=n_top_genes,
        expression=bool(needs - {"vectors"}),
    )
    result = run(
        inputs,
        labels,
        made=made,
        method=method,
        baselines=others,
        condition=condition,
        scored=evaluate,
        rng=rng,
    )
    params = inputs.params | {
        "method": method,
        "row": result.row,
        "batch_key": batch_key,
        "labels_key": labels_key or "",
        "condition_key": condition_key or "",
        "sees_labels": METHODS[method].sees_labels,
        "transductive": True,
    }
    if shared is not None:
        params["confounding"] = shared
    batches = pd.DataFrame({"n": batch.sizes}, index=pd.Index(batch.names.astype(object), name="batch"))
    record: dict[str, Any] = {"verdict": result.verdict, "batches": batches, "params": params}
    if result.evaluation is not None:
        record["evaluation"] = result.evaluation
    if result.method.history is not None:
        record["history"] = result.method.history
    changed = write(adata, {"obsm": {keys.obsm: result.vectors}, "uns": {keys.uns: record}}, copy=copy, mod=mod)
    say(f"integrate: {result.verdict} -> obsm['{keys.obsm}']")
    return changed
