"""``tl.embed(store=)``: what goes into a store beside the vectors, and what is said of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._keys import ROOT, EmbeddingKeys
from scgnn_tools._log import say
from scgnn_tools.data.organism import of_one_organism
from scgnn_tools.fm.stored import chunk_maker, plan_of
from scgnn_tools.store import CellStore, Field, make_chunks

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools import fm
    from scgnn_tools._random import RNG
    from scgnn_tools.data import Expression
    from scgnn_tools.genes import GeneMatch


def check_for_store(*, genes: Any, adapt: bool, copy: bool, rng: Any) -> None:
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
    store = CellStore(
        where,
        plan,
        fields=[Field("obsm", keys.obsm, "float32", model.card.dimension)],
        entry=("uns", ROOT, keys.uns),
        rest=rest,
        empty=lambda values: np.asarray(~values[0].any(axis=1)),
    )
    expression, found = of_one_organism(expression, found)
    make = chunk_maker(model, expression, found, batch_size=batch_size, rng=rng, halved=store.halved)
    done = make_chunks(store, shard, expression, obs.index, make, what="embed", resume=resume)
    say(f"embed: {model.card.name} on {expression.name} ({expression.kind.kind}): {done.said(store, shard)}")
    if not done.missing and len(store.empty_cells()):
        n = len(store.empty_cells())
        msg = (
            f"{n:,} of {expression.n_obs:,} cells express no gene that {model.card.name} knows; they get a zero vector."
        )
        warn(msg)
