"""What is known of perturbed genes, as the user asked for it: Gene Ontology, the prior network, vectors of a model, a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import sequence
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import as_text, printable
from scgnn_tools.data.conditions import Condition
from scgnn_tools.data.vectors import read_vectors
from scgnn_tools.genes import detect_organism, gene_names
from scgnn_tools.perturbation.relations import Relations, relations

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.fm import FoundationModel

NAMED = ("go", "prior", "vectors")
NONE, TABLE = "none", "table"


def check_features(features: Any, adata: "AnnData") -> list[str]:
    """Return the names of the sources; one that is unknown is an error before any work."""
    if isinstance(features, pd.DataFrame):
        _check_table(features)
        return [TABLE]
    names = sequence("features", features)
    if names == [NONE]:
        return []
    for name in names:
        if name not in NAMED and name not in adata.varm:
            msg = (
                f"features={printable(repr(name))} is none of {', '.join(map(repr, NAMED))}, 'none', a key of varm, or a DataFrame "
                "with a row a perturbed gene (or drug)."
            )
            raise InputValueError(msg)
        if name not in NAMED and not np.isfinite(read_vectors(adata, name, "varm")).all(axis=1).any():
            msg = (
                f"features={printable(repr(name))}: varm[{printable(repr(name))}] holds a vector of finite numbers for none of the genes; "
                "one for each gene that has a vector is wanted. Fill it, or pass other features=."
            )
            raise InputValueError(msg)
    return list(dict.fromkeys(names))


def collect_relations(
    adata: "AnnData",
    conditions: Sequence[Condition],
    features: Any,
    *,
    gene_key: str | None = None,
    model: "str | FoundationModel | None" = None,
) -> Relations:
    """Return how alike the perturbed genes are by each source."""
    names = check_features(features, adata)
    own = gene_names(adata.var, gene_key=gene_key)
    organism = detect_organism(own)
    vectors = {}
    for name in names:
        if name == TABLE:
            vectors[name] = features
        elif name == "vectors":
            vectors[name] = _of_model(model)
        elif name not in NAMED:
            table = pd.DataFrame(read_vectors(adata, name, "varm"), index=as_text(own))
            vectors[name] = table[np.isfinite(table).all(axis=1) & ~table.index.duplicated()]
    return relations(conditions, names, organism=organism, vectors=vectors)


def _check_table(table: pd.DataFrame) -> None:
    values = table.to_numpy()
    if not len(table) or values.dtype.kind not in "fiub" or not np.isfinite(values.astype(np.float64)).all():
        msg = f"features is a table of finite numbers, a row a perturbed gene; got {table.shape} of {values.dtype}."
        raise InputValueError(msg)
    if table.index.has_duplicates:
        msg = f"features holds {printable(table.index[table.index.duplicated()][0])!r} more than once; one row a gene is wanted."
        raise InputValueError(msg)


def _of_model(model: "str | FoundationModel | None") -> pd.DataFrame:
    from scgnn_tools import fm

    loaded = (
        fm.load(fm.best_bundled() if model is None else model) if model is None or isinstance(model, str) else model
    )
    table = pd.DataFrame(loaded.gene_table(), index=as_text(loaded.vocabulary))
    table = table[~table.index.duplicated()]
    table.attrs["organism"] = "human"
    return table
