"""Networks with random weights over the genes of one's own cells, to be pretrained."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._device import Precision
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._log import printable, say
from scgnn_tools._methods import check_options
from scgnn_tools._random import RNG, seed
from scgnn_tools._write import as_path
from scgnn_tools.data import open_expression
from scgnn_tools.fm import NetworkModel, cgc
from scgnn_tools.fm.cgc.coexpressed import with_coexpression
from scgnn_tools.fm.cgc.config import THINNINGS, VARIANTS, CGCConfig
from scgnn_tools.fm.cgc.sources import EDGES, read_graph, read_text
from scgnn_tools.fm.geneformer import Geneformer
from scgnn_tools.fm.geneformer.config import GeneformerConfig
from scgnn_tools.genes import gene_names, human_symbols
from scgnn_tools.train.corpus import Corpus, OnBad, corpus_genes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

COEXPRESSION_CELLS = 20_000
LEAST = {
    "dim": 1, "heads": 1, "hidden": 1, "n_layers": 1, "n_graph_layers": 0, "max_length": 2, "n_classes": 1, "n_class_layers": 1,
    "n_bins": 2, "n_types": 1,
}  # fmt: skip
"""The least that a size of a network can be."""


def _size(name: str, value: Any, *, least: int, most: int) -> int:
    """Return a size of a network; only one that is beyond ``most`` is told of it."""
    return integer(name, integer(name, value, least=least), least=least, most=most)


MOST, MOST_LAYERS = 2**31 - 1, 1_000
"""The most, beyond which there is no such tensor, or it takes for ever to make one."""
SIZES: dict[str, Callable[..., Any]] = {
    **{
        name: partial(_size, least=least, most=MOST_LAYERS if name.endswith("_layers") else MOST)
        for name, least in LEAST.items()
    },
    "dropout": partial(number, least=0, below=1),
    "cls_value": number,
    "eps": partial(number, above=0),
    "standardised": partial(choice, choices=(True, False)),
    "variant": partial(choice, choices=VARIANTS),
    "thinning": partial(choice, choices=THINNINGS),
    "precision": partial(choice, choices=get_args(Precision)),
}
"""By option of a network, the check of its value; the network itself checks the others."""
FOLLOWS = {
    "n_tokens", "n_text", "n_special", "pad_id", "cls_id", "mask_id", "eos_id", "graph", "text", "medians", "mapping",
}  # fmt: skip
"""What follows from the cells and the files, and is no option."""
OF_SETUP = ("layer", "gene_key", "organism")
"""What ``setup_anndata`` is told."""


def refuse_of_setup(who: str, options: Iterable[str]) -> None:
    """Refuse, in the constructor of a model, what its ``setup_anndata`` is told."""
    for name in (n for n in OF_SETUP if n in options):
        msg = f"{who} is told {name}= before: pass it to sgt.models.{who}.setup_anndata()."
        raise InputValueError(msg)


def untrained_cgc(
    sources: "Sequence[AnnData | str | Path]",
    *,
    graph: bool = True,
    coexpression: str | Path | None = None,
    text: str | Path | None = None,
    assets: "dict[str, str | Path] | None" = None,
    min_cells: int = 10,
    gene_key: str | None = None,
    layer: str | None = None,
    on_bad: "OnBad" = "raise",
    rng: RNG = 0,
    **options: Any,
) -> cgc.CGCModel:
    """Return a Cell-Graph Compass with random weights over the genes of a corpus.

    Parameters
    ----------
    sources
        As in :class:`~scgnn_tools.train.corpus.Corpus`.
    graph
        Whether cells are graphs of their genes; False leaves the transformer alone.
    coexpression
        "auto" links the genes whose expression correlates (above .6) in up to 20,000 cells of the corpus; a path reads a table
        ``source``, ``target``, ``weight``. The edges are kept with the model: the vector of a cell still depends on that cell alone.
    text
        Table of text features, genes × numbers (``.parquet``, ``.csv``, ``.npz``).
    assets
        Files of the other edges, as for ``sgt.fm.load("cgc")``: ``tf_target``, ``positions``; None takes the bundled prior and positions.
    min_cells
        Cells that express a gene, at least.
    gene_key, layer, on_bad
        As in :class:`~scgnn_tools.train.corpus.Corpus`.
    rng
        Seed of the weights.
    options
        As in ``CGC.untrained``: ``dim``, ``heads``, ``hidden``, ``n_layers``, ``n_graph_layers``, ``dropout``, ``max_length``,
        ``variant``, ``thinning``, ….
    """
    _check_sizes(cgc.CGCModel, CGCConfig, options, min_cells, ("coexpression", "text", "assets"))
    choice("on_bad", on_bad, get_args(OnBad))
    if not graph and coexpression is not None:
        msg = "coexpression= adds edges, and graph=False has none. Leave out one of them."
        raise InputValueError(msg)
    paths = _assets(assets)
    from_cells = isinstance(coexpression, str) and coexpression == "auto"
    if coexpression is not None and not from_cells:
        paths["coexpression"] = _file("coexpression", coexpression, "a table of source, target and weight, or 'auto'")
    of_text = None if text is None else _file("text", text, "a table of genes × numbers")
    genes = corpus_genes(sources, min_cells=min_cells, gene_key=gene_key, layer=layer, on_bad=on_bad)
    if not graph:
        options["n_graph_layers"] = 0
    vectors = None if of_text is None else read_text(of_text, genes)
    model = cgc.CGCModel.untrained(genes, graph=read_graph(genes, paths), text=vectors, seed=seed(rng), **options)
    if from_cells:
        corpus = Corpus(sources, model, gene_key=gene_key, layer=layer, on_bad=on_bad, seed=seed(rng))
        before, some = model.graph.n_edges, corpus.sample(COEXPRESSION_CELLS, seed=seed(rng))
        model.graph = with_coexpression(model.graph, some, variant=model.sizes.variant)
        say(
            f"cgc: {model.graph.n_edges - before:,} co-expression edges from {some.shape[0]:,} cells, beside {before:,} others"
        )
    return model


def untrained_geneformer(
    adata: "AnnData",
    *,
    layer: str | None = None,
    gene_key: str | None = None,
    organism: str | None = None,
    min_cells: int = 10,
    rng: RNG = 0,
    **options: Any,
) -> Geneformer:
    """Return a Geneformer with random weights over the genes that at least ``min_cells`` cells express, and their medians.

    ``options`` are those of :meth:`~scgnn_tools.fm.geneformer.Geneformer.untrained`.
    """
    _check_sizes(Geneformer, GeneformerConfig, options, min_cells)
    x = sp.csc_array(open_expression(adata, layer=layer, every_feature=True).log_normalized())
    symbols = human_symbols(gene_names(adata.var, gene_key=gene_key))
    first = np.zeros(len(symbols), dtype=bool)
    first[np.unique(symbols, return_index=True)[1]] = True
    enough = np.flatnonzero(first & (symbols != "") & (np.diff(x.indptr) >= min_cells))
    if len(enough) == 0:
        msg = f"No gene is expressed in {min_cells} cells. Pass a smaller min_cells."
        raise InputValueError(msg)
    kept = sp.csc_array(x[:, enough])
    medians = np.array(
        [np.median(np.expm1(kept.data[a:b])) for a, b in zip(kept.indptr[:-1], kept.indptr[1:], strict=True)]
    )
    return Geneformer.untrained(symbols[enough], np.maximum(medians, 1e-6), seed=seed(rng), **options)


def _assets(given: Any) -> dict[str, Path]:
    """Return the files of edges by their role."""
    if given is not None and not isinstance(given, Mapping):
        msg = f"assets is a dict, role -> path; got {printable(repr(given))}. The roles are: {', '.join(EDGES)}."
        raise InputTypeError(msg)
    for role in (r for r in given or {} if r not in EDGES):
        msg = f"cgc has no asset {printable(role)!r} of a new network; its assets are: {', '.join(EDGES)}."
        raise InputValueError(msg)
    return {role: _file(f"assets[{role!r}]", path, "a table of edges") for role, path in (given or {}).items()}


def _file(name: str, given: Any, wanted: str) -> Path:
    """Return the path of a file that is there."""
    path = as_path(name, given)
    if not path.is_file():
        msg = f"{name} is the path of {wanted}; there is no file {printable(repr(str(path)))}."
        raise InputValueError(msg)
    return path


def _check_sizes(
    kind: type[NetworkModel], sizes: type, options: dict[str, Any], min_cells: Any, more: Iterable[str] = ()
) -> None:
    """Refuse options that the network lacks, and sizes that none has, before any work."""
    own = [n for n, p in inspect.signature(kind.__init__).parameters.items() if p.kind is p.KEYWORD_ONLY]
    has = [n for n in [*(f.name for f in fields(sizes)), *own] if n not in FOLLOWS]
    check_options(kind.__name__, options, [*has, *more, "min_cells", "device", "precision"])
    integer("min_cells", min_cells)
    for name in (n for n in SIZES if n in options):
        SIZES[name](name, options[name])
