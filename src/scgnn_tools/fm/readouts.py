"""Vectors and attention of genes in context, streamed over cells: sums by gene, never cells × genes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from scgnn_tools._choices import sequence
from scgnn_tools._columns import whole_column
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._log import printable
from scgnn_tools._progress import counter
from scgnn_tools.data import Tokens, open_expression
from scgnn_tools.genes import gene_names
from scgnn_tools.nn import attention_weights
from scgnn_tools.nn import performer as performer_attention
from scgnn_tools.nn.attention import received
from scgnn_tools.nn.performer import PerformerLayer

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.nn.transformer import EncoderLayer

    Block = EncoderLayer | PerformerLayer

    from scgnn_tools.fm._network import NetworkModel
    from scgnn_tools.genes import GeneMatch
    from scgnn_tools.nn import Segments


def mean_gene_vectors(
    model: "NetworkModel",
    adata: "AnnData",
    *,
    groupby: str | None,
    weights: str | None,
    blocks: str = "last",
    everywhere: bool = False,
    **names: Any,
) -> "np.ndarray | dict[str, np.ndarray]":
    """Return the mean hidden state of each gene over the cells (of each group) that express it, float32 (n_vars, d).

    ``weights`` of a cell: None, all alike; "attention", what the gene receives there, of the last block or the mean of "all" of them;
    "attention_softmax", the exponential of that. ``everywhere`` counts the cells that do not express a gene too, where the
    network has it as a token all the same.
    """
    model = model.contextual()
    group, groups = _groups(adata, groupby)
    total: Tensor | None = None
    weight: Tensor | None = None
    _, batches = _batches(model, adata, **names)
    for cells, tokens in batches:
        last = len(model.blocks) - 1
        watch = _Watch(*(range(last + 1) if blocks == "all" else [last])) if weights else None
        with model.computing():
            hidden, segments = model.hidden(tokens, watch=watch)
            share = torch.ones(len(hidden), device=model.device) if watch is None else watch.received(model, segments)
            share = share.exp() if weights == "attention_softmax" else share
            genes = model.gene_of_state(tokens, everywhere=everywhere)
            position = torch.as_tensor(genes, device=model.device)
            if total is None or weight is None:
                total = torch.zeros(len(groups) * len(model.vocabulary), hidden.shape[1], device=model.device)
                weight = torch.zeros(len(total), device=model.device)
            keep = position >= 0
            row = torch.as_tensor(group[cells], device=model.device)[segments.cell] * len(model.vocabulary) + position
            total.index_add_(0, row[keep], hidden[keep].float() * share[keep].float().unsqueeze(-1))
            weight.index_add_(0, row[keep], share[keep].float())
    if total is None or weight is None:
        msg = f"No cell expresses a gene that {model.card.name} knows."
        raise InputValueError(msg)
    mean = (total / weight.unsqueeze(-1)).cpu().numpy().reshape(len(groups), len(model.vocabulary), -1)
    of_object = _match_object(model, adata, names)
    by_group = {name: _of_genes(of_object, mean[i]) for i, name in enumerate(groups)}
    return by_group if groupby is not None else by_group[groups[0]]


def attention_received(
    model: "NetworkModel", adata: "AnnData", *, groupby: str | None, **names: Any
) -> "pd.Series | pd.DataFrame":
    """Return the mean attention that each gene receives, by gene of the object (and group)."""
    model = model.contextual()
    group, groups = _groups(adata, groupby)
    size = len(groups) * len(model.vocabulary)
    total, times = np.zeros(size), np.zeros(size)
    _, batches = _batches(model, adata, **names)
    for cells, tokens in batches:
        watch = _Watch(len(model.blocks) - 1)
        with model.computing():
            _, segments = model.hidden(tokens, layer=-1, watch=watch)
            share = _received(last_block(model), watch.seen, segments).cpu().numpy()
        position = model.gene_of_state(tokens)
        keep = position >= 0
        row = (np.repeat(group[cells], segments.lengths) * len(model.vocabulary) + position)[keep]
        total += np.bincount(row, weights=share[keep], minlength=size)
        times += np.bincount(row, minlength=size)
    with np.errstate(invalid="ignore"):
        mean = (total / times).reshape(len(groups), -1)
    of_object = _match_object(model, adata, names)
    columns = {name: _of_genes(of_object, mean[i][:, None])[:, 0] for i, name in enumerate(groups)}
    table = pd.DataFrame(columns, index=adata.var_names)
    return table if groupby is not None else table[groups[0]].rename("attention")


def attention_map(model: "NetworkModel", adata: "AnnData", genes: Any, **names: Any) -> pd.DataFrame:
    """Return the mean attention among chosen genes, queries × keys."""
    model = model.contextual()
    wanted = [str(g) for g in sequence("genes", genes)]
    if repeated := [g for i, g in enumerate(wanted) if g in wanted[:i]]:
        msg = f"genes holds {printable(repr(repeated[0]))} twice. Pass each gene once."
        raise InputValueError(msg)
    found, batches = _batches(model, adata, **names)
    index = pd.Index(found.names).get_indexer(pd.Index(wanted))
    lost = [g for g, i in zip(wanted, index, strict=True) if i < 0 or not found.matched[i]]
    if lost or not wanted:
        msg = f"No such gene in the object and in {model.card.name}: {', '.join(map(printable, lost[:5])) or '(none was given)'}."
        raise MissingKeyError(msg)
    slot = np.full(len(model.vocabulary) + 1, -1)
    slot[found.index[index]] = np.arange(len(wanted))
    total, times = np.zeros((len(wanted),) * 2), np.zeros((len(wanted),) * 2)
    for _, tokens in batches:
        watch = _Watch(len(model.blocks) - 1)
        with model.computing():
            _, segments = model.hidden(tokens, layer=-1, watch=watch)
            q, k, _ = last_block(model).project(watch.seen)
            chosen = slot[model.gene_of_state(tokens)]
            for a, b in zip(segments.offsets[:-1], segments.offsets[1:], strict=True):
                at = np.flatnonzero(chosen[a:b] >= 0)
                if len(at):
                    rows = torch.as_tensor(at, device=q.device)
                    weights = _cell_map(last_block(model), q[a:b][rows], k[a:b])[:, rows].cpu().numpy()
                    grid = np.ix_(chosen[a:b][at], chosen[a:b][at])
                    total[grid] += weights
                    times[grid] += 1
    with np.errstate(invalid="ignore"):
        return pd.DataFrame(total / times, index=wanted, columns=wanted)


def last_block(model: "NetworkModel") -> "Block":
    """Return the block whose attention is read."""
    return cast("Block", model.blocks[-1])


class _Watch:
    """Keeps the input of some blocks."""

    def __init__(self, *blocks: int) -> None:
        self.blocks = blocks
        self.inputs: list[Tensor] = []

    def __call__(self, block: int, x: "Tensor") -> None:
        if block in self.blocks:
            self.inputs.append(x)

    @property
    def seen(self) -> "Tensor":
        """The input of the last one."""
        return self.inputs[-1]

    def received(self, model: "NetworkModel", segments: "Segments") -> "Tensor":
        """Return the attention that each token receives, mean over the blocks, (n_tokens,)."""
        each = [
            _received(cast("Block", model.blocks[i]), x, segments)
            for i, x in zip(self.blocks, self.inputs, strict=True)
        ]
        return torch.stack(each).mean(dim=0)


def _received(block: "Block", x: "Tensor", segments: "Segments") -> "Tensor":
    q, k, _ = block.project(x)
    if isinstance(block, PerformerLayer):
        return performer_attention.received(q.float(), k.float(), segments, block.projection)
    return received(q.float(), k.float(), segments)


def _cell_map(block: "Block", q: "Tensor", k: "Tensor") -> "Tensor":
    """Return the attention of some queries to all keys of a cell, mean over heads, (n, m)."""
    if isinstance(block, PerformerLayer):
        return performer_attention.weights(q.float(), k.float(), block.projection).mean(dim=0)
    return attention_weights(q.float(), k.float()).mean(dim=0)


def _batches(
    model: "NetworkModel", adata: "AnnData", *, layer: str | None = None, gene_key: str | None = None,
    organism: str | None = None, rng: Any = None,
) -> "tuple[GeneMatch, Iterator[tuple[np.ndarray, Tokens]]]":  # fmt: skip
    expression = open_expression(adata, layer=layer)
    found = model.match(expression, gene_key=gene_key, organism=organism)

    def run() -> Iterator[tuple[np.ndarray, Tokens]]:
        with counter(expression.n_obs, what="genes in context", unit="cell") as advance:
            for start, tokens in model.chunks(expression, found, rng):
                for cells in model.batches(tokens):
                    yield start + cells, tokens.select(cells)
                advance(tokens.n_cells)

    return found, run()


def _match_object(model: "NetworkModel", adata: "AnnData", names: dict[str, Any]) -> "GeneMatch":
    """Return where the genes of the object are in the vocabulary; the cells may have been read from ``raw``, which has others."""
    return model.match_names(gene_names(adata.var, gene_key=names.get("gene_key")), names.get("organism"))


def _groups(adata: "AnnData", groupby: str | None) -> tuple[np.ndarray, list[str]]:
    if groupby is None:
        return np.zeros(adata.n_obs, dtype=np.int64), [""]
    codes, names = pd.factorize(whole_column(adata.obs, groupby, "groupby").astype(str), sort=True)
    return codes.astype(np.int64), [str(n) for n in names]


def _of_genes(found: "GeneMatch", table: np.ndarray) -> np.ndarray:
    out = np.full((len(found.index), table.shape[1]), np.nan, dtype=np.float32)
    out[found.matched] = table[found.index[found.matched]]
    return out
