"""Cells embedded into a store: chunk by chunk, on any number of machines, with the same bits as in one go."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, of_part
from scgnn_tools.data import Expression
from scgnn_tools.fm._base import FoundationModel
from scgnn_tools.store import plan_of_cells

if TYPE_CHECKING:
    import pandas as pd

    from scgnn_tools.genes import GeneMatch
    from scgnn_tools.store.work import Make


def plan_of(
    model: FoundationModel, expression: Expression, found: "GeneMatch", names: "pd.Index", options: Mapping[str, Any]
) -> dict[str, str]:
    """Return what decides the vectors of a store, part by part.

    Parameters
    ----------
    model, expression, found
        The model, the matrix, and where its genes are in the vocabulary.
    names
        Names of the cells, (n_obs,).
    options
        What else decides, among it the model and the matrix that is read.
    """
    return {
        "weights": model.fingerprint(),
        "precision": str(model.dtype).removeprefix("torch."),
        **plan_of_cells(expression, names, found.index),
        **{k: str(v) for k, v in options.items()},
    }


def chunk_maker(
    model: FoundationModel,
    expression: Expression,
    found: "GeneMatch",
    *,
    batch_size: int | None = None,
    rng: RNG = None,
    halved: Callable[[int], None] = lambda size: None,
) -> "Make":
    """Return what embeds the rows of a chunk.

    Parameters
    ----------
    model, expression, found
        As for :func:`plan_of`, of one organism.
    batch_size
        As in :func:`scgnn_tools.tl.embed`.
    rng
        A seed, or None: a Generator cannot be split among chunks.
    halved
        Is told the tokens of a batch that were left after memory ran out.
    """
    to_tokens = model.tokenizer(expression, found)

    def make(rows: sp.csr_array, start: int, advance: Callable[[int], None]) -> list[np.ndarray]:
        tokens, most = to_tokens(rows, of_part(rng, start)), model.max_tokens
        del rows
        vectors = model.embed_tokens(tokens, batch_size=batch_size, advance=advance)
        if model.max_tokens < most:
            halved(model.max_tokens)
        if not np.isfinite(vectors).all():
            msg = f"The model gave vectors that are not finite from cell {start} on. Pass precision='float32', or other weights."
            raise InputValueError(msg)
        return [vectors]

    return make
