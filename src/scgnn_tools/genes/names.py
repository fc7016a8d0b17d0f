"""The names of the genes of an object, what organism they are of, and their current symbols."""

from typing import cast

import numpy as np
import pandas as pd

from scgnn_tools import _choices
from scgnn_tools._doors import door
from scgnn_tools._errors import GeneMatchError
from scgnn_tools._log import as_text, printable
from scgnn_tools.genes import tables
from scgnn_tools.genes.ids import species_of_ids, strip_version
from scgnn_tools.genes.tables import Organism

GENES = "Gene Expression"
"""What ``var["feature_types"]`` calls a gene, as Cell Ranger writes it; other features are no genes, whatever their names."""
NO_GENES = ("Antibody Capture", "Antigen Capture", "CRISPR Guide Capture", "Multiplexing Capture", "Peaks", "Custom")


@door
def gene_names(var: pd.DataFrame, *, gene_key: str | None = None) -> np.ndarray:
    """Return the gene names of an object, shape (n_vars,); a feature that is no gene (an antibody) has its kind behind its name.

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

    Examples
    --------
    >>> sgt.genes.gene_names(adata.var).shape
    (1000,)
    """
    if gene_key is not None:
        _choices.column("gene_key", gene_key, var, "var")
        names = var[gene_key].astype(str).to_numpy(dtype=object)
    else:
        names = var.index.astype(str).to_numpy(dtype=object)
        if len(names) and pd.Index(names).str.fullmatch(r"\d+").all():
            column = best_column(var)
            if column is not None:
                text = printable(var[column].iloc[0])
                msg = (
                    f"var_names are numbers ({names[0]}, …), and var[{printable(column)!r}] looks like gene names "
                    f"({text}, …): pass gene_key={printable(column)!r}."
                )
                raise GeneMatchError(msg)
    gene = is_gene(var)
    if gene is None:
        return names
    kinds = var["feature_types"].astype(str).to_numpy(dtype=object)
    return np.array([n if g else f"{n} ({k})" for n, g, k in zip(names, gene, kinds, strict=True)], dtype=object)


@door
def is_gene(var: pd.DataFrame) -> np.ndarray | None:
    """Return which features are genes, bool (n_vars,), by ``var["feature_types"]``; None where all are, or nothing says so.

    Examples
    --------
    >>> var = pd.DataFrame({"feature_types": ["Gene Expression", "Antibody Capture"]}, index=["CD3D", "CD3"])
    >>> sgt.genes.is_gene(var).tolist()
    [True, False]
    """
    if "feature_types" not in var or not isinstance(var["feature_types"], pd.Series):
        return None
    kinds = var["feature_types"].astype(str)
    gene = (kinds == GENES).to_numpy()
    if len(gene) and not gene.any() and kinds.isin(NO_GENES).all():
        msg = (
            f"The object holds no genes: var['feature_types'] says {', '.join(map(printable, kinds.unique()[:3]))}. Pass the one with "
            f"{GENES!r}."
        )
        raise GeneMatchError(msg)
    return gene if gene.any() and not gene.all() else None


def best_column(var: pd.DataFrame, *, than: float = 0.5) -> str | None:
    """Return the column of ``var`` most of whose names are known, if their share is above ``than``."""
    shares = {}
    for column in dict.fromkeys(var.columns):
        values = var[column]
        if isinstance(values, pd.Series) and not pd.api.types.is_numeric_dtype(values):
            shares[column] = share_known(pd.Index(values.astype(str).to_numpy(dtype=object)))
    best = max(shares, key=lambda c: shares[c], default=None)
    return best if best is not None and shares[best] > than else None


def species(names: np.ndarray) -> np.ndarray:
    """Return the species of each name, by the form of an id or because only its table has the very symbol; "" elsewhere, object (n,)."""
    index = pd.Index(as_text(names))
    out = species_of_ids(index)
    human, mouse = tables.is_known(index, "human"), tables.is_known(index, "mouse")
    out[human & ~mouse] = "human"
    out[mouse & ~human] = "mouse"
    return out


@door
def detect_organism(names: np.ndarray) -> Organism:
    """Return the organism, human or mouse, of which more of the names are, all of them looked at; human if none is of either.

    Examples
    --------
    >>> sgt.genes.detect_organism(np.array(["Cd3d", "Lyz2", "Actb"]))
    'mouse'
    """
    index = pd.Index(as_text(names))
    if index.str.fullmatch(r"\d{7}[A-Z]\d{2}RIK\d?").mean() > 0.01:  # mouse symbols that somebody put in upper case
        return "mouse"
    of = species(names)
    return "mouse" if (of == "mouse").sum() > (of == "human").sum() else "human"


@door
def canonical_symbols(names: np.ndarray, *, organism: str | None = None) -> np.ndarray:
    """Return the current symbol of each name: Ensembl ids and older symbols resolved, unknown names kept without blanks around, (n,).

    Examples
    --------
    >>> sgt.genes.canonical_symbols(np.array(["ENSG00000167286", "CD3D"])).tolist()
    ['CD3D', 'CD3D']
    """
    index = pd.Index([name.strip() or name for name in as_text(names)], dtype=object)
    out = index.to_numpy(dtype=object).copy()
    if (organism or detect_organism(names)) == "mouse":
        return out
    ids = strip_version(index)
    for keys, table in ((ids, tables.symbol_of_id()), (pd.Series(index), tables.symbol_of_alias())):
        found = keys.map(table)
        out = np.where(found.notna(), found, out)
    return cast("np.ndarray", out)


def share_known(names: pd.Index) -> float:
    """Return the share of names that are genes of man or mouse, by symbol or id."""
    if len(names) == 0:
        return 0.0
    known = tables.is_known(names, "human") | tables.is_known(names, "mouse")
    return float((known | strip_version(names).isin(tables.symbol_of_id().index).to_numpy()).mean())
