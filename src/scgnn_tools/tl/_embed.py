"""``tl.embed``: a vector for every cell and every gene."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scgnn_tools import fm
from scgnn_tools._choices import choice, integer
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, SgtWarning
from scgnn_tools._fields import check_own, check_writable, root, write
from scgnn_tools._keys import IN_ROOT, ROOT, EmbeddingKeys
from scgnn_tools._log import say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_key
from scgnn_tools.data import open_expression
from scgnn_tools.data.readers import open_cells
from scgnn_tools.store import place_of
from scgnn_tools.tl._embed_store import check_for_store, write_to_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData

    from scgnn_tools._device import Precision
    from scgnn_tools._random import RNG
    from scgnn_tools.data import Expression
    from scgnn_tools.genes import GeneMatch


@door
def embed(
    adata: "AnnData | MuData | str | Path",
    model: "str | fm.FoundationModel" = "auto",
    *,
    checkpoint: "str | Path | None" = None,
    layer: str | None = None,
    gene_key: str | None = None,
    organism: Literal["human", "mouse"] | None = None,
    genes: Literal["static", "context", False] = "static",
    adapt: bool = False,
    batch_size: int | Literal["auto"] = "auto",
    assets: "Mapping[str, str | Path] | None" = None,
    device: str = "auto",
    precision: "Precision" = "auto",
    store: "str | Path | None" = None,
    shard: tuple[int, int] | None = None,
    resume: bool = True,
    rng: "RNG" = None,
    mod: str = RNA,
    key_added: str | None = None,
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Embed cells and genes with a foundation model.

    A cell's vector depends on that cell alone, not on its batch, chunk, order or run. With ``adapt=True`` it also
    depends on the cells that the model was adapted to.

    Parameters
    ----------
    adata
        Cells × genes; in memory, backed, zarr, dask or lazy; of a MuData one
        modality. Memory grows with the chunk of 8,192 cells, not with their number. With ``store`` also the path of a file of
        cells, as :func:`scgnn_tools.data.read_cells` takes it; the matrices of an ``.h5ad`` file or a zarr folder stay on disk.
    model
        A name of ``sgt.fm.list()``, a loaded model, or "auto": the model of ``checkpoint``, or else the best bundled one.
    checkpoint
        Weights in the model's own published format, or a folder that ``model.save`` or ``sgt.fm.convert`` wrote; None takes the
        bundled ones.
    layer
        "X", "raw" or a layer; None takes the first that fits (see :doc:`/concepts/expression`).
    gene_key
        Column of ``var`` with the gene names; None takes ``var_names``.
    organism
        Organism of the data; None finds it out. Mouse genes reach a human model through one-to-one orthologs.
    genes
        "static" writes the model's own gene vectors; "context" the mean of each gene's hidden state over the cells that express
        it, in a second pass; False none.
    adapt
        Train the model further on these cells, without labels, before it embeds them: for tissues that its corpus lacked, about as good as
        PCA of the cells themselves. Takes seconds; needs at least 100 cells. Only ``cgc-mini`` has it.
    batch_size
        Most cells in a batch; "auto" goes by tokens. Halved when memory runs out.
    assets
        Files that are not beside the checkpoint, by role, as for :func:`scgnn_tools.fm.load`.
    device
        "auto" takes a CUDA device if there is one, else the CPU.
    precision
        "auto" is bfloat16 on a CUDA device and float32 on the CPU; or "float32", "bfloat16", "float16".
    store
        A new zarr folder for the vectors, or one that was begun with the same call: what is finished there stays. It opens with
        ``anndata.read_zarr``; ``adata`` itself is left as it is. See :doc:`/how-to/big_data`.
    shard
        ``(i, n)``: this call embeds part i of n, counted from 0, into the store; n machines do so at once, in any order. None takes all
        cells.
    resume
        False makes the chunks of this part of the store again.
    rng
        Seed of the published random variants of tokenisation, for a model that was loaded with them. Each chunk of 8,192 cells has
        draws of its own.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result; None takes the model's name.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields, ``key`` being the model's name or ``key_added``:

    ``adata.obsm[f"X_{key}"]``
        float32 (n_obs, dimension); zeros for a cell that expresses no gene of the model.
    ``adata.varm[key]``
        float32 (n_vars, d); NaN for a gene that the model does not know, or with "context" that no cell expresses. Not with
        ``genes=False``.
    ``adata.uns["sgt"][key]``
        dict: ``params``, ``genes`` (the report of the match), ``sha256`` and ``licence`` of the weights, ``empty_cells`` (positions of
        the cells with zeros).

    With ``store`` the same fields are written into the store, and nothing into ``adata``; ``uns["sgt"][key]`` holds ``inputs`` and
    ``outputs`` too, the sha256 of the rows and of the vectors of each chunk, and ``empty_cells`` once all chunks are there.

    Raises
    ------
    InputScaleError, InputValueError, MissingKeyError, GeneMatchError, WeightsError
        Before anything is written.

    Examples
    --------
    >>> sgt.tl.embed(adata)
    >>> adata.obsm["X_cgc-mini"].shape, adata.varm["cgc-mini"].shape
    ((206, 128), (1000, 64))

    A model by name, and a name of your own for the result:

    >>> sgt.tl.embed(adata, "scgpt", checkpoint="scGPT_human")  # doctest: +SKIP
    >>> sgt.tl.embed(adata, genes=False, key_added="mine")
    >>> "X_mine" in adata.obsm
    True
    """
    most = integer("batch_size", batch_size, or_auto=True)
    choice("genes", genes, ("static", "context", False))
    if key_added is not None:
        check_key(key_added, reserved=IN_ROOT)
    where, part = place_of(store, shard, "vectors.zarr", adata)
    if where is not None:
        check_for_store(genes=genes, adapt=adapt, copy=copy, rng=rng)
    whole = open_cells(adata) if where is not None and isinstance(adata, str | Path) else adata
    adata = modality(whole, mod)
    if where is None:
        check_writable(whole, copy=copy, mod=mod)
    written = root(adata)
    loaded = _load(model, checkpoint, assets, device, precision)
    keys = EmbeddingKeys(check_key(loaded.card.name if key_added is None else key_added, reserved=IN_ROOT))
    if where is None and not (loaded.card.bundled and keys.key == loaded.card.name):
        check_own(adata, keys, keys.fields if genes else {"obsm": [keys.obsm]})
    if genes == "context" and not loaded.has_context:
        msg = f"genes='context' needs a network; {loaded.card.name} is a linear map. Pass genes='static'."
        raise InputValueError(msg)
    if adapt:
        loaded = _adapted(loaded, adata, layer, gene_key, organism)
    expression = open_expression(adata, layer=layer)
    found = loaded.match(expression, gene_key=gene_key, organism=organism)
    # raw may have other genes than the object, by which its organism was found
    of = {"gene_key": gene_key, "organism": found.organism if expression.name == "raw" else organism}
    entry = _entry(loaded, expression, found, gene_key=gene_key, genes=genes, adapt=adapt)
    if where is not None:
        of_genes = loaded.embed_genes(adata, **of) if genes else None
        write_to_store(
            loaded, adata, expression, found, entry, of_genes,
            where=where, shard=part, resume=resume, key=keys.key, batch_size=most, rng=rng,
        )  # fmt: skip
        return None
    vectors, entry["empty_cells"] = loaded.embed_expression(expression, found, batch_size=most, rng=rng)
    fields: dict[str, dict[str, Any]] = {"obsm": {keys.obsm: vectors}, "uns": {ROOT: {**written, keys.uns: entry}}}
    if genes == "static":
        fields["varm"] = {keys.varm: loaded.embed_genes(adata, **of)}
    elif genes == "context":
        fields["varm"] = {keys.varm: loaded.embed_genes(adata, context=True, layer=layer, rng=rng, **of)}
    changed = write(whole, fields, copy=copy, mod=mod)
    chosen = isinstance(model, str) and model == "auto" and checkpoint is None
    why = ("the best bundled model" if chosen else "as asked") + (", adapted to these cells" if adapt else "")
    say(
        f"embed: {loaded.card.name} ({why}) on {expression.name} ({expression.kind.kind}), {entry['genes']['n_matched']:,} of "
        f"{entry['genes']['n_genes']:,} genes -> obsm['{keys.obsm}']" + (f", varm['{keys.varm}']" if genes else "")
    )
    return changed


def _entry(
    model: "fm.FoundationModel",
    expression: "Expression",
    found: "GeneMatch",
    *,
    gene_key: str | None,
    genes: Any,
    adapt: bool,
) -> dict[str, Any]:
    """Return what ``uns`` says of an embedding."""
    params = {
        "model": model.card.name,
        "matrix": expression.name,
        "matrix_holds": expression.kind.kind,
        "organism": found.organism,
        "gene_key": gene_key or "var_names",
        "genes": str(genes),
        "adapted": bool(adapt),
    }
    weights = {"sha256": model.card.sha256, "licence": model.card.licence}
    return {"params": params, "genes": found.summary(), **weights}


def _adapted(
    model: "fm.FoundationModel", adata: "AnnData", layer: str | None, gene_key: str | None, organism: str | None
) -> "fm.FoundationModel":
    with warnings.catch_warnings():  # what there is to warn about is said once, by the embedding
        warnings.simplefilter("ignore", SgtWarning)
        return model.adapt(adata, layer=layer, gene_key=gene_key, organism=organism)


def _load(
    model: "str | fm.FoundationModel",
    checkpoint: "str | Path | None",
    assets: "Mapping[str, str | Path] | None",
    device: str,
    precision: "Precision",
) -> "fm.FoundationModel":
    if isinstance(model, fm.FoundationModel):
        given = {"checkpoint": checkpoint is not None, "assets": assets is not None}
        given |= {"device": device != "auto", "precision": precision != "auto"}
        for name in (n for n, is_given in given.items() if is_given):
            msg = f"{name}= goes with the name of a model; a loaded model has its own. Leave one of them out."
            raise InputValueError(msg)
        return model
    where = {} if device == precision == "auto" else {"device": device, "precision": precision}
    if model == "auto":
        model = fm.best_bundled() if checkpoint is None else fm.recognise(checkpoint)
    return fm.load(model, checkpoint=checkpoint, assets=assets, **where)
