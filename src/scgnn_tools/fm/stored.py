"""Cells embedded into a store: chunk by chunk, on any number of machines, with the same bits as in one go."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._progress import counter
from scgnn_tools._random import RNG, of_part
from scgnn_tools.data import Expression
from scgnn_tools.data.organism import of_one_organism
from scgnn_tools.fm._base import FoundationModel
from scgnn_tools.store import CellStore, digest, digest_rows

if TYPE_CHECKING:
    import pandas as pd

    from scgnn_tools.genes import GeneMatch


@dataclass(frozen=True)
class Made:
    """What one worker did: chunks that it made, and those that were there."""

    made: int
    there: int


def plan_of(
    model: FoundationModel, expression: Expression, found: "GeneMatch", names: "pd.Index", options: Mapping[str, Any]
) -> dict[str, str]:
    """Return what decides the vectors of a store, part by part.

    The counts are there as a sample of 384 cells, their names and the number of all; the digest of every chunk's rows is kept beside its
    vectors, and compared when the chunk is looked at again.

    Parameters
    ----------
    model, expression, found
        The model, the matrix, and where its genes are in the vocabulary.
    names
        Names of the cells, (n_obs,).
    options
        What else decides, among it the model and the matrix that is read.
    """
    some = names[np.unique(np.linspace(0, len(names) - 1, min(len(names), 384)).astype(np.int64))]
    precision = getattr(model, "dtype", "float64")
    return {
        "weights": model.fingerprint(),
        "precision": str(precision).removeprefix("torch."),
        "number of cells": f"{expression.n_obs:,}",
        "counts": digest(expression.sampled(), some.to_numpy()),
        "names of the genes": digest(expression.var.index, found.index),
        **{k: str(v) for k, v in options.items()},
    }


def embed_to_store(
    model: FoundationModel,
    expression: Expression,
    found: "GeneMatch",
    names: "pd.Index",
    store: CellStore,
    chunks: range,
    *,
    resume: bool = True,
    batch_size: int | None = None,
    rng: RNG = None,
) -> Made:
    """Make those of ``chunks`` that are not done.

    Parameters
    ----------
    model, expression, found, names
        As for :func:`plan_of`.
    store
        Where they go.
    chunks
        Which ones this worker has.
    resume
        False makes them all.
    batch_size
        As in :func:`scgnn_tools.tl.embed`.
    rng
        A seed, or None: a Generator cannot be split among chunks.
    """
    expression, found = of_one_organism(expression, found)
    to_tokens, made = model.tokenizer(expression, found), 0
    cells = sum(store.rows(c).stop - store.rows(c).start for c in chunks)
    with counter(cells, what="embed", unit="cell") as advance:
        for chunk in chunks:
            at = store.rows(chunk)
            rows = expression.block(at.start)
            inputs = digest(digest_rows([rows]), names[at].to_numpy())
            if resume and store.has(chunk, inputs):
                advance(at.stop - at.start)
                continue
            tokens = to_tokens(rows, of_part(rng, at.start))
            del rows
            store.put(chunk, model.embed_tokens(tokens, batch_size=batch_size, advance=advance), inputs)
            made += 1
    return Made(made, len(chunks) - made)
