"""The names of the genes of an object, what organism they are of, and their current symbols."""

from typing import cast

import numpy as np
import pandas as pd

from scgnn_tools import _choices
from scgnn_tools._errors import GeneMatchError
from scgnn_tools._log import as_text, printable
from scgnn_tools.genes import tables
from scgnn_tools.genes.ids import strip_version
from scgnn_tools.genes.tables import Organism

SAMPLE = 5000


def gene_names(var: pd.DataFrame, *, gene_key: str | None = None) -> np.ndarray:
    """Return the gene names of an object, shape (n_vars,).

    Parameters
    ----------
    var
        ``adata.var``, or that of ``adata.raw``.
    gene_key
        Column that holds the names; None takes the index.

    Raises
    ------
    MissingKeyError
        If there is no such column; the message names those that exist.
    GeneMatchError
        If the index holds numbers and a column holds gene names; the message says which.
    """
    if gene_key is not None:
        _choices.column("gene_key", gene_key, var, "var")
        return var[gene_key].astype(str).to_numpy(dtype=object)
    names = var.index.astype(str)
    if len(names) and names.str.fullmatch(r"\d+").all():
        for column in var.columns:
            text = pd.Index(var[column].head(SAMPLE).astype(str))
            if len(text) and _share_known(text) > 0.5:
                msg = (
                    f"var_names are numbers ({names[0]}, …), and var[{printable(column)!r}] looks like gene names "
                    f"({printable(text[0])}, …): pass gene_key={printable(column)!r}."
                )
                raise GeneMatchError(msg)
    return names.to_numpy(dtype=object)


def detect_organism(names: np.ndarray) -> Organism:
    """Return the organism whose tables know more of the names; human if they know none."""
    index = pd.Index(as_text(names[:SAMPLE]))
    ids = strip_version(index)
    mouse_ids, human_ids = ids.str.startswith("ENSMUSG").mean(), ids.str.match("ENSG").mean()
    if max(mouse_ids, human_ids) > 0.5:
        return "mouse" if mouse_ids > human_ids else "human"
    human = index.isin(tables.known_symbols("human")).mean()
    mouse = index.isin(tables.known_symbols("mouse")).mean()
    if index.str.fullmatch(r"\d{7}[A-Z]\d{2}RIK\d?").mean() > 0.01:  # mouse symbols that somebody put in upper case
        return "mouse"
    return "mouse" if mouse > human else "human"


def canonical_symbols(names: np.ndarray, *, organism: str | None = None) -> np.ndarray:
    """Return the current symbol of each name: Ensembl ids and older symbols resolved, unknown names kept, shape (n,)."""
    index = pd.Index(as_text(names))
    out = index.to_numpy(dtype=object).copy()
    if (organism or detect_organism(names)) == "mouse":
        return out
    ids = strip_version(index)
    for keys, table in ((ids, tables.symbol_of_id()), (pd.Series(index), tables.symbol_of_alias())):
        found = keys.map(table)
        out = np.where(found.notna(), found, out)
    return cast("np.ndarray", out)


def _share_known(names: pd.Index) -> float:
    known = names.isin(tables.known_symbols("human")) | names.isin(tables.known_symbols("mouse"))
    return float((known | (strip_version(names) != "").to_numpy()).mean())
