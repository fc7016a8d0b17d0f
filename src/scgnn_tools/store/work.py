"""One worker's chunks: each is read, compared with what is there, and made if it is not done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scgnn_tools._log import counted
from scgnn_tools._progress import counter
from scgnn_tools.data import Expression
from scgnn_tools.store.cells import CellStore, shard_of
from scgnn_tools.store.digest import digest, digest_rows

if TYPE_CHECKING:
    import pandas as pd

Make = Callable[[sp.csr_array, int, Callable[[int], None]], Sequence[np.ndarray]]
"""From rows, the position of the first of them and what counts finished cells to the fields of a chunk."""


@dataclass(frozen=True)
class Made:
    """What one worker did: chunks that it made, those that were there, and those that nobody has made."""

    made: int
    there: int
    missing: int

    def said(self, store: CellStore, shard: tuple[int, int]) -> str:
        """Return it in words."""
        part = "" if shard[1] == 1 else f"part {shard[0]} of {shard[1]}: "
        state = (
            f"{self.missing:,} of {store.n_chunks:,} chunks are missing" if self.missing else "the store is finished"
        )
        return f"{part}{counted(self.made, 'chunk')} made, {self.there:,} were there -> {store.where}; {state}"


def make_chunks(
    store: CellStore,
    shard: tuple[int, int],
    expression: Expression,
    names: "pd.Index",
    make: Make,
    *,
    what: str,
    resume: bool = True,
) -> Made:
    """Make the chunks of one part that are not done, and finish the store if they were the last ones.

    Parameters
    ----------
    store
        Where they go.
    shard
        Part i of n.
    expression, names
        The matrix and the names of all cells, (n_obs,); the digest of both is kept for each chunk.
    make
        Makes the fields of a chunk.
    what
        Is shown beside how far it is.
    resume
        False makes all chunks of the part.
    """
    chunks, made, was_finished = shard_of(store.n_chunks, shard), 0, store.finished
    n_cells = sum(store.rows(c).stop - store.rows(c).start for c in chunks)
    with counter(n_cells, what=what, unit="cell") as advance:
        for chunk in chunks:
            at = store.rows(chunk)
            rows = [expression.block(at.start)]
            inputs = digest(digest_rows(rows), names[at].to_numpy())
            if resume and store.has(chunk, inputs):
                advance(at.stop - at.start)
                continue
            store.put(chunk, make(rows.pop(), at.start, advance), inputs)
            made += 1
    if was_finished and not made:
        store.mend()
        missing = []
    else:
        missing = store.finish()
    return Made(made, len(chunks) - made, len(missing))


def plan_of_cells(expression: Expression, names: "pd.Index", genes: np.ndarray) -> dict[str, str]:
    """Return what a plan says of the cells: a sample of 384, their names, and the number of all.

    The digest of every chunk's rows is kept beside what was made of them, and compared when the chunk is looked at again.

    Parameters
    ----------
    expression, names
        The matrix and the names of its cells, (n_obs,).
    genes
        Where its genes are in the vocabulary, int (n_vars,).
    """
    some = names[np.unique(np.linspace(0, len(names) - 1, min(len(names), 384)).astype(np.int64))]
    return {
        "number of cells": f"{expression.n_obs:,}",
        "counts": digest(expression.sampled()),
        "names of the cells": digest(some.to_numpy()),
        "names of the genes": digest(expression.var.index, genes),
    }
