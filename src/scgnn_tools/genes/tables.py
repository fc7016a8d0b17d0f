"""The bundled tables of genes as look-ups, each read once and on first use."""

from functools import cache
from typing import Literal

import numpy as np
import pandas as pd

from scgnn_tools import assets
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError

Organism = Literal["human", "mouse"]
RNAS = ("lncRNA", "miRNA", "misc_RNA", "rRNA", "snRNA", "snoRNA")
"""Biotypes of Ensembl."""


@cache
def symbol_of_id() -> pd.Series:
    """Human Ensembl id -> current symbol."""
    table = assets.read_table("genes_human")
    return pd.Series(table["symbol"].to_numpy(), index=table["ensembl_id"].to_numpy())


@cache
def symbol_of_alias() -> pd.Series:
    """Older human symbol -> current symbol."""
    table = assets.read_table("aliases_human")
    return pd.Series(table["symbol"].to_numpy(), index=table["alias"].to_numpy())


@cache
def symbol_of_date() -> pd.Series:
    """Spreadsheet date -> human symbol."""
    table = assets.read_table("dates")
    return pd.Series(table["symbol"].to_numpy(), index=table["date"].to_numpy())


@cache
def human_of_mouse() -> pd.Series:
    """Mouse symbol -> its one-to-one human ortholog."""
    table = assets.read_table("orthologs")
    return pd.Series(table["human"].to_numpy(), index=table["mouse"].to_numpy())


@cache
def mouse_of_human() -> pd.Series:
    """Human symbol -> its one-to-one mouse ortholog."""
    table = assets.read_table("orthologs")
    return pd.Series(table["mouse"].to_numpy(), index=table["human"].to_numpy())


@cache
def known_symbols(organism: str) -> frozenset[str]:
    """Return every symbol of the organism that the tables know."""
    tfs = set(transcription_factors(organism, curated=False))
    if organism == "human":
        return frozenset(tfs | set(symbol_of_id()) | set(symbol_of_alias().index))
    return frozenset(tfs | set(human_of_mouse().index))


@cache
def known_index(organism: str) -> pd.Index:
    """Return the same symbols as an index, whose table of hashes is built once: looking names up in a set builds one each time."""
    return pd.Index(sorted(known_symbols(organism)), dtype=object)


def is_known(names: pd.Index, organism: str) -> np.ndarray:
    """Return which names are symbols of the organism, bool (n,)."""
    return known_index(organism).get_indexer(names) >= 0


@door
def transcription_factors(organism: str = "human", *, curated: bool = True) -> np.ndarray:
    """Return the symbols of the transcription factors, sorted, shape (n_tfs,).

    ``curated`` leaves out what long lists hold beside them (cofactors, chromatin proteins, a few RNAs); for the mouse there is one list.

    Examples
    --------
    >>> tfs = sgt.genes.transcription_factors()
    >>> "SPI1" in tfs
    True
    """
    table = assets.read_table("tfs")
    table = table[table["organism"] == checked_organism(organism)]
    if curated and organism == "human":
        table = table[table["curated"] == 1]
    return table["symbol"].to_numpy(dtype=str)


@cache
def noncoding(organism: str = "human") -> frozenset[str]:
    """Return symbols of genes that are RNAs and no proteins, NEAT1 for example; of the mouse those of the same name."""
    if checked_organism(organism) == "mouse":
        return frozenset(s[:1] + s[1:].lower() for s in noncoding("human"))
    table = assets.read_table("genes_human")
    is_rna = table["biotype"].isin(RNAS)
    return frozenset(table["symbol"][is_rna]) - set(table["symbol"][~is_rna]) - {""}


@door
def prior(name: str = "trrust", organism: str = "human") -> pd.DataFrame:
    """Return a bundled prior network.

    Returns
    -------
    DataFrame
        ``source`` (transcription factor), ``target``, ``mode`` ("Activation", "Repression", "Unknown", "Conflict"),
        ``n_references``; no self loops, no duplicates. TRRUST v2 is under CC BY-SA 4.0.

    Examples
    --------
    >>> prior = sgt.genes.prior()
    >>> prior[prior["source"] == "SPI1"].columns.tolist()
    ['source', 'target', 'mode', 'n_references']
    """
    if name != "trrust":
        msg = f"There is no bundled prior {name!r}; there is 'trrust'. A DataFrame with source and target works too."
        raise InputValueError(msg)
    table = assets.read_table("trrust")
    return table[table["organism"] == checked_organism(organism)].drop(columns="organism").reset_index(drop=True)


@door
def gene_ontology() -> pd.DataFrame:
    """Return the bundled sets of human genes that share a biological process.

    Returns
    -------
    DataFrame
        ``term`` (GO id), ``name``, ``gene``: a row a gene of a set. Gene Ontology, CC BY 4.0.

    Examples
    --------
    >>> sets = sgt.genes.gene_ontology()
    >>> sets.columns.tolist()
    ['term', 'name', 'gene']
    """
    table = assets.read_table("gene_ontology")
    return table.assign(gene=table["genes"].str.split(" ")).drop(columns="genes").explode("gene", ignore_index=True)


@door
def positions() -> pd.DataFrame:
    """Return where human genes lie: ``symbol``, ``chromosome``, ``position`` (rank along the chromosome, from 1).

    Examples
    --------
    >>> sgt.genes.positions().columns.tolist()
    ['symbol', 'chromosome', 'position']
    """
    table = assets.read_table("genes_human")
    placed = table[(table["chromosome"] != "") & ~table["symbol"].duplicated()]
    return placed[["symbol", "chromosome", "position"]].reset_index(drop=True)


def checked_organism(organism: str) -> str:
    """Return the organism if there are tables of it; another one is an error."""
    if not isinstance(organism, str) or organism not in ("human", "mouse"):
        msg = f"organism is 'human' or 'mouse'; got {organism!r}."
        raise InputValueError(msg)
    return organism
