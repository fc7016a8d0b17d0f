"""Classes of genes, and the genes of them that have a vector."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scgnn_tools._choices import sequence
from scgnn_tools._columns import check_texts, without_value
from scgnn_tools._errors import InputValueError, LabelError
from scgnn_tools._log import printable
from scgnn_tools.genes import canonical_symbols

LEAST = 10
"""Genes that the smaller class of a task needs."""


def class_by_symbol(classes: "Mapping[str, Sequence[str]] | pd.Series") -> pd.Series:
    """Return the class of each gene by its symbol, sorted by it, without the genes of several classes; no name is no class."""
    if isinstance(classes, pd.Series) and not isinstance(classes.index, pd.MultiIndex):
        table = classes
    elif isinstance(classes, Mapping) and classes:
        lists = {name: sequence(f"classes[{printable(repr(name))}]", genes) for name, genes in classes.items()}
        table = pd.concat(
            [pd.Series(name, index=pd.Index(genes, dtype=object), dtype=object) for name, genes in lists.items()]
        )
    else:
        seen = "an empty one" if isinstance(classes, Mapping) else type(classes).__name__
        seen += " with an index of several levels" if isinstance(classes, pd.Series) else ""
        msg = f"classes is a mapping of names to genes, or a Series of names by gene; got {seen}."
        raise InputValueError(msg)
    check_texts(table, "classes")
    table = table[~without_value(table)].astype(str)
    table.index = pd.Index(canonical_symbols(table.index.to_numpy().astype(str), organism="human"))
    table = table[table.index != ""]
    table = table[~pd.DataFrame({"gene": table.index, "class": table.to_numpy()}).duplicated().to_numpy()]
    return table[~table.index.duplicated(keep=False)].sort_index()  # the order of genes and classes decides no fold


def with_vectors(label: pd.Series, vectors: np.ndarray, names: np.ndarray) -> tuple[pd.Series, np.ndarray, int]:
    """Return the classes of the genes that have a vector, its row, and how many genes have none."""
    usable = np.isfinite(vectors).all(axis=1) & ~pd.Index(names).duplicated() & (names != "")
    row = pd.Series(np.flatnonzero(usable), index=names[usable]).reindex(label.index)
    n_lost = int(row.isna().sum())
    label, at = label[row.notna()], row.dropna().to_numpy(dtype=np.int64)
    sizes = label.value_counts()
    if len(sizes) < 2 or sizes.min() < LEAST:
        seen = ", ".join(f"{printable(k)}: {v}" for k, v in sizes.items()) or "none"
        msg = f"At least 2 classes of at least {LEAST} genes that have a vector are wanted; there are {seen} ({n_lost} genes without one)."
        raise LabelError(msg)
    return label, at, n_lost
