"""``tl.embed(store=)``: what goes into a store beside the vectors, and what is said of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._keys import ROOT, EmbeddingKeys
from scgnn_tools._log import say
from scgnn_tools.fm.stored import embed_to_store, plan_of
from scgnn_tools.store import CellStore, shard_of

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

    from scgnn_tools import fm
    from scgnn_tools._random import RNG
    from scgnn_tools.data import Expression
    from scgnn_tools.genes import GeneMatch


def check_shard(shard: Any) -> tuple[int, int]:
    """Return the part of the cells that this worker has; None is all of them."""
    if shard is None:
        return 0, 1
    whole = isinstance(shard, tuple | list) and len(shard) == 2 and all(type(i) is int for i in shard)
    if not whole or not 0 <= shard[0] < shard[1]:
        msg = f"shard is a pair (i, n), part i of n, counted from 0: (0, 4) to (3, 4) for four workers; got {shard!r}."
        raise InputValueError(msg)
    return shard[0], shard[1]


def check_options(*, genes: Any, adapt: bool, copy: bool, rng: Any) -> None:
    """Refuse what needs all cells at once, or an object to write into."""
    wrong = {
        "genes='context'": (genes == "context", "it is a mean over all cells: pass genes='static', or leave out store="),
        "adapt=True": (adapt, "it looks at all cells: pass model=sgt.fm.load('cgc-mini').adapt(adata), the same for each worker"),
        "rng=Generator": (not (rng is None or isinstance(rng, int)), "it cannot be split among chunks: pass a seed, rng=0"),
        "copy=True": (copy, "the store is written, and the object stays as it is: leave it out"),
    }  # fmt: skip
    for name, (is_given, why) in wrong.items():
        if is_given:
            msg = f"{name} does not go with store=; {why}."
            raise InputValueError(msg)


def write_to_store(
    model: "fm.FoundationModel",
    adata: "AnnData",
    expression: "Expression",
    found: "GeneMatch",
    entry: Mapping[str, Any],
    of_genes: "np.ndarray | None",
    *,
    where: str | Path,
    shard: tuple[int, int],
    resume: bool,
    key: str,
    batch_size: int | None,
    rng: "RNG",
) -> None:
    """Make this worker's chunks, set the flag if they were the last ones, and say what was done."""
    import anndata as ad

    # without a column named like the index, which a file could not hold
    obs, var = (pd.DataFrame(index=pd.Index(of.index.astype(str), name=None)) for of in (adata.obs, adata.var))
    keys = EmbeddingKeys(key)
    rest = ad.AnnData(
        obs=obs,
        var=var,
        varm={} if of_genes is None else {keys.varm: of_genes},
        uns={ROOT: {keys.uns: {k: v for k, v in entry.items() if k != "empty_cells"}}},
    )
    plan = plan_of(model, expression, found, obs.index, {**entry["params"], "rng": rng, "key_added": key})
    store = CellStore(where, plan, key=key, dimension=model.card.dimension, rest=rest)
    chunks = shard_of(store.n_chunks, shard)
    was_finished = store.finished
    done = embed_to_store(
        model, expression, found, obs.index, store, chunks, resume=resume, batch_size=batch_size, rng=rng
    )
    missing = [] if was_finished and not done.made else store.finish()
    part = "" if shard[1] == 1 else f", part {shard[0]} of {shard[1]}"
    state = f"{len(missing):,} of {store.n_chunks:,} chunks are missing" if missing else "the store is finished"
    say(
        f"embed: {model.card.name} on {expression.name} ({expression.kind.kind}){part}: {done.made:,} chunks made, {done.there:,} were "
        f"there -> {where}, obsm['{keys.obsm}']; {state}"
    )
    if not missing and len(store.empty_cells()):
        n = len(store.empty_cells())
        msg = (
            f"{n:,} of {expression.n_obs:,} cells express no gene that {model.card.name} knows; they get a zero vector."
        )
        warn(msg)
