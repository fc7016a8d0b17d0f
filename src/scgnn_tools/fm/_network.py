"""Foundation models that are networks over packed tokens: device, precision, read-outs, saving."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from scgnn_tools._choices import choice
from scgnn_tools._device import Precision, resolve_device, resolve_precision
from scgnn_tools._errors import InputValueError
from scgnn_tools._threads import check_fork
from scgnn_tools.data import Tokens, length_batches
from scgnn_tools.fm import estimate, readouts, saves
from scgnn_tools.fm._base import FoundationModel
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.nn import Segments
from scgnn_tools.nn.transformer import layer_index

if TYPE_CHECKING:
    from anndata import AnnData

STATES_CPU = 2**20
"""Numbers in the hidden state of a batch on a CPU: its tensors then stay in the processor's cache."""

TOKENS_GPU = 2**18


class NetworkModel(FoundationModel):
    """A foundation model that is a network and reads each cell as tokens.

    Parameters
    ----------
    card, vocabulary, report
        As in :class:`FoundationModel`.
    ids
        Token id of each gene of the vocabulary in the network's own numbering, shape (n_vocabulary,).
    network
        Called as ``network(ids, values, segments, layer=, watch=)``, returns hidden states (n_tokens, d).
    config
        What is saved beside the tensors, plain values.
    device, precision
        As in :func:`scgnn_tools.tl.embed`.

    Examples
    --------
    >>> sgt.models.CGC.setup_anndata(adata)
    >>> network = sgt.models.CGC(adata, dim=16, heads=2, hidden=16, n_layers=1, n_graph_layers=1, max_length=100).model
    >>> isinstance(network, sgt.fm.NetworkModel)
    True
    >>> tokens = network.tokenize(adata)
    >>> network.embed_cells(adata).shape
    (206, 16)
    """

    has_context = True
    default_layer = -1
    """Hidden state that read-outs use, counted in the list [embeddings, block 1, …]."""

    efficiency = 0.85
    """Share of the machine's rate of matrix products that the network reaches, for estimates of time."""

    gene_sampling: str | None = None
    """How genes are chosen where a cell expresses more than the network takes; None where there is no choice."""

    mask_share = 0.4
    """Share of a cell's genes that the published pretraining hides."""

    gene_input: Literal["rank", "value"] | None = None
    """What says how much of a gene a cell has: the rank of its token, or the value beside it. None where no single gene can be changed."""

    def __init__(
        self,
        card: ModelCard,
        vocabulary: np.ndarray,
        ids: np.ndarray,
        report: dict[str, str],
        network: nn.Module,
        config: Mapping[str, Any],
        *,
        device: "str | torch.device" = "auto",
        precision: Precision = "auto",
    ) -> None:
        super().__init__(card, vocabulary, report)
        self.ids = np.asarray(ids, dtype=np.int32)
        self.config = dict(config)
        self.device = resolve_device(device)
        self.dtype = resolve_precision(precision, self.device)
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.max_tokens = STATES_CPU // self.config["dim"] if self.device.type == "cpu" else TOKENS_GPU

    @property
    def on_another_device(self) -> bool:
        """Whether the processor has nothing to do while vectors are computed."""
        return self.device.type != "cpu"

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """The blocks whose attention can be read."""

    @property
    def longest(self) -> int | None:
        """Most tokens of a cell, special ones included; None for a network that takes every gene."""
        return None

    def top_value(self, values: np.ndarray) -> float:
        """Return the value of a gene that is turned up in a cell whose genes have ``values``: the largest of them."""
        return float(values.max(initial=0))

    @abstractmethod
    def _pool(self, hidden: Tensor, segments: Segments, tokens: Tokens) -> Tensor:
        """Return the vector of each cell, (n_cells, dimension)."""

    @abstractmethod
    def flops(self, lengths: np.ndarray) -> float:
        """Return the floating-point operations of a forward pass over cells of these lengths."""

    def forward(self, tokens: Tokens, *, layer: int | None = None) -> Tensor:
        """Return the hidden states of every token, packed as ``tokens``, (n_tokens, d) on the model's device.

        Parameters
        ----------
        tokens
            From :meth:`tokenize`; ``tokens.select(cells)`` takes some cells.
        layer
            Counted in the list [embeddings, block 1, …]; None takes the model's own.
        """
        with self.computing():
            return self.hidden(tokens, layer=layer)[0].float()

    def hidden(
        self, tokens: Tokens, *, layer: int | None = None, watch: Callable[[int, Tensor], None] | None = None
    ) -> tuple[Tensor, Segments]:
        """Return the hidden states of a batch and where each cell lies in them."""
        segments = Segments(tokens.offsets, self.device)
        ids = torch.as_tensor(tokens.ids, dtype=torch.long).to(self.device, non_blocking=True)
        values = None if tokens.values is None else torch.as_tensor(tokens.values).to(self.device, non_blocking=True)
        layer = self.default_layer if layer is None else layer
        return self.network(ids, values, segments, layer=layer, watch=watch), segments

    def pooled(self, tokens: Tokens) -> Tensor:
        """Return the vector of each cell of a batch, with gradients where they are enabled, (n_cells, dimension)."""
        hidden, segments = self.hidden(tokens)
        return self._pool(hidden.float(), segments, tokens)

    def masked_states(self, tokens: Tokens, at: np.ndarray) -> Tensor:
        """Return the hidden states of the tokens ``at`` (positions in the batch) when the network does not see their values."""
        raise NotImplementedError

    def masked_loss(self, tokens: Tokens, at: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the loss of the published pretraining when the tokens ``at`` are hidden, a scalar."""
        raise NotImplementedError

    def gene_of_token(self, tokens: Tokens) -> np.ndarray:
        """Return the position in the vocabulary of each token, -1 for special ones, int64 (n_tokens,)."""
        return self._position[tokens.ids]

    def is_gene(self, tokens: Tokens) -> np.ndarray:
        """Tell of each token whether it is a gene, bool (n_tokens,)."""
        return self.gene_of_token(tokens) >= 0

    def body(self, layer: int) -> list[nn.Module]:
        """Return the blocks that hidden state ``layer`` comes out of."""
        return list(self.blocks[: layer_index(layer, len(self.blocks))])

    def computing(self) -> AbstractContextManager[None]:
        """Return the context of inference: no gradients, matrix products in the model's precision."""
        self._check_process()
        return _Computing(self.device, self.dtype)

    def batches(self, tokens: Tokens) -> list[np.ndarray]:
        """Return the cells that have tokens, in batches of like length that fit the device."""
        full = np.flatnonzero(tokens.lengths > 0)
        return [full[b] for b in length_batches(self.lengths(tokens)[full], max_tokens=self.max_tokens)]

    def cell_vectors(self, tokens: Tokens) -> np.ndarray:
        """Return the vector of each cell, float32 (n_cells, dimension)."""
        with self.computing():
            return self.pooled(tokens).cpu().numpy()

    def _announce(self, first: Tokens, n_cells: int, n_chunk: int) -> None:
        self._check_process()
        estimate.announce(self, self.lengths(first)[first.lengths > 0], n_cells / max(n_chunk, 1))

    def _check_process(self) -> None:
        if self.device.type == "cpu" and torch.get_num_threads() > 1:
            check_fork()

    def contextual(self) -> "NetworkModel":
        """Return the model that gives vectors of genes in context: this one, unless its cells and genes have weights of their own."""
        return self

    def gene_of_state(self, tokens: Tokens, *, everywhere: bool = False) -> np.ndarray:
        """Return the position in the vocabulary of each hidden state of :meth:`forward`, -1 for what is no gene, int64 (n_states,).

        There is one state for each token. Some networks have every gene as a token. There a gene that the cell does
        not express is -1 too, or with ``everywhere`` where it is.
        """
        return self.gene_of_token(tokens)

    @property
    def ids_tensor(self) -> Tensor:
        """``ids`` on the device."""
        return torch.as_tensor(self.ids, dtype=torch.long, device=self.device)

    @cached_property
    def _position(self) -> np.ndarray:
        largest = max(int(self.ids.max(initial=0)), self.config.get("n_tokens", 0))
        out = np.full(largest + 1, -1, dtype=np.int64)
        out[self.ids] = np.arange(len(self.ids))
        return out

    def embed_genes(  # type: ignore[override]
        self,
        adata: "AnnData",
        *,
        context: bool | None = None,
        groupby: str | None = None,
        weights: str | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        rng: Any = None,
    ) -> Any:
        """Return a vector for each gene of the object, float32 (n_vars, d); NaN where there is none.

        Parameters
        ----------
        adata
            The cells.
        context
            False: the model's own gene table. True: the mean of the gene's hidden states over the cells that express it, streamed, so
            that cells × genes vectors are never in memory. None is True with ``groupby`` or ``weights``, else False.
        groupby
            Column of ``obs``: one mean for each group, in a dict.
        weights
            "attention" weighs each cell by the attention that the gene receives in it.
        layer, gene_key, organism, rng
            As in :meth:`embed_cells`. The gene table reads no cell: there ``layer`` and ``rng`` are an error.
        """
        choice("weights", weights, (None, "attention"))
        of_cells = {k: v for k, v in (("groupby", groupby), ("weights", weights)) if v is not None}
        if choice("context", context, (True, False, None)) is False and of_cells:
            from_cells = " and ".join(f"{k}=" for k in of_cells)
            msg = f"context=False asks for the gene table, and {from_cells} for vectors from cells. Leave one out."
            raise InputValueError(msg)
        if not (context or of_cells):
            unread = [k for k, v in (("layer", layer), ("rng", rng)) if v is not None]
            if unread:
                msg = f"The gene table reads no cell; leave out {', '.join(unread)}, or pass context=True for vectors from cells."
                raise InputValueError(msg)
            return super().embed_genes(adata, gene_key=gene_key, organism=organism)
        return readouts.mean_gene_vectors(
            self, adata, groupby=groupby, weights=weights, layer=layer, gene_key=gene_key, organism=organism, rng=rng
        )

    def attention_received(
        self,
        adata: "AnnData",
        *,
        groupby: str | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        rng: Any = None,
    ) -> "pd.Series | pd.DataFrame":
        """Return the attention that each gene receives in the last block, averaged over heads, queries and the cells that express it.

        Memory grows with the tokens, not with their square. A Series by gene, or a DataFrame with a column a group; NaN for a gene
        that no cell expresses.
        """
        return readouts.attention_received(
            self, adata, groupby=groupby, layer=layer, gene_key=gene_key, organism=organism, rng=rng
        )

    def attention(
        self,
        adata: "AnnData",
        genes: Any,
        *,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        rng: Any = None,
    ) -> "pd.DataFrame":
        """Return the mean attention among chosen genes in the last block, queries × keys; NaN for pairs that no cell has.

        Parameters
        ----------
        adata
            The cells.
        genes
            Names of genes of the object, each once.
        layer, gene_key, organism, rng
            As in :meth:`embed_cells`.
        """
        return readouts.attention_map(self, adata, genes, layer=layer, gene_key=gene_key, organism=organism, rng=rng)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the model to a folder as safetensors and JSON, whole or not at all; ``fm.load(name, checkpoint=folder)`` reads it.

        Parameters
        ----------
        folder
            A new folder.
        overwrite
            Replace a folder that a save wrote.

        Raises
        ------
        InputValueError
            If the folder is there and ``overwrite`` is not set, or holds something that no save wrote.
        """
        saves.save(folder, *self._saved(), beside=self._save_beside, overwrite=overwrite)

    def _saved(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return tensors and configuration."""
        tensors = {k: v.detach().cpu().numpy() for k, v in self.network.state_dict().items()}
        config = {**self.config, "model": self.card.name, "genes": self.vocabulary.tolist(), "ids": self.ids.tolist()}
        return tensors, config

    def _save_beside(self, folder: Path) -> None:
        """Write what a model has beside its network."""


class _Computing(AbstractContextManager[None]):
    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        half = dtype != torch.float32
        self._contexts = [
            torch.inference_mode(),
            torch.autocast(device.type, dtype=dtype) if half else nullcontext(),
        ]

    def __enter__(self) -> None:
        for context in self._contexts:
            context.__enter__()

    def __exit__(self, *details: Any) -> None:
        for context in reversed(self._contexts):
            context.__exit__(*details)
