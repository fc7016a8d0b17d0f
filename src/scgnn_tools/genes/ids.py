"""Names of genes by their form: Ensembl ids of any species, and what else stands in matrices where a symbol is wanted."""

import numpy as np
import pandas as pd

# anchored, eleven digits: ENSA and ENSG-something are symbols
ENSEMBL = r"^(ENS(?:MUS)?G\d{11})(?:\.\d+)?$"
ANY_ENSEMBL = r"^ENS([A-Z]{3,4})?([GTP])\d{11}(?:\.\d+)?$"
SPECIES = {
    "": "human",
    "MUS": "mouse",
    "RNO": "rat",
    "DAR": "zebrafish",
    "XET": "frog",
    "GAL": "chicken",
    "SSC": "pig",
    "BTA": "cow",
    "OAR": "sheep",
    "CAF": "dog",
    "OCU": "rabbit",
    "MMU": "macaque",
    "MFA": "crab-eating macaque",
    "CJA": "marmoset",
    "PTR": "chimpanzee",
}
OTHER_IDS = {"fruit fly": r"^FBgn\d{7}$", "worm": r"^WBGene\d{8}$", "thale cress": r"^AT[1-5MC]G\d{5}$"}
HEADS = ("ENS", "FBgn", "WBGene", "AT")
"""How all of these ids begin."""
PREFIX = r"^((?:GRCh3[78]|hg19|hg38|GRCm3[89]|mm9|mm10|mm39|Rnor_6\.0|GRCz1[01])_+)\S"
LEAST = 0.5
"""Share of the names that has to be of a form for all to be called so."""


def _text(names: pd.Index) -> pd.Series:
    """Return names as a plain column of objects: strings of Arrow know other patterns."""
    return pd.Series(names.to_numpy(dtype=object), dtype=object)


def strip_version(names: pd.Index) -> pd.Series:
    """Return the Ensembl id of each name without its version, "" where the name is no human or mouse Ensembl id."""
    return _text(names).str.extract(ENSEMBL, expand=False).fillna("")


def species_of_ids(names: pd.Index) -> np.ndarray:
    """Return the species that each name is an id of, "" where it is no id, object (n,)."""
    out = np.full(len(names), "", dtype=object)
    maybe = np.flatnonzero([isinstance(n, str) and n.startswith(HEADS) for n in names])
    if not len(maybe):
        return out
    text = _text(names[maybe])
    parts = text.str.extract(ANY_ENSEMBL)
    is_id = parts[1].notna()
    stems = parts.loc[is_id, 0].fillna("")
    out[maybe[is_id.to_numpy()]] = [SPECIES.get(s, f"another species (ENS{s})") for s in stems]
    for species, pattern in OTHER_IDS.items():
        out[maybe[text.str.fullmatch(pattern).to_numpy(dtype=bool)]] = species
    return out


def genome_prefix(names: pd.Index) -> str:
    """Return the genome that most names begin with ("GRCh38_"), as Cell Ranger writes it for two genomes, or ""."""
    found = _text(names).str.extract(PREFIX, expand=False).dropna()
    return str(found.mode().iloc[0]) if len(found) > LEAST * len(names) else ""


def looks_like(names: pd.Index) -> str:
    """Say in words what the names look like, for messages."""
    if len(names) == 0:
        return "nothing (there are none)"
    species = pd.Series(species_of_ids(names))
    ids = species[species != ""]
    text = _text(names)
    if len(ids) > LEAST * len(names):
        own = text[(species != "").to_numpy()]
        kind = "transcript" if own.str.contains(r"^ENS[A-Z]*T\d", regex=True).mean() > LEAST else ""
        kind = "protein" if own.str.contains(r"^ENS[A-Z]*P\d", regex=True).mean() > LEAST else kind
        if not own.str.startswith("ENS").mean() > LEAST:
            return f"{ids.mode().iloc[0]} gene ids"
        versioned = own.str.contains(r"\.\d+$", regex=True).mean() > LEAST
        return f"{ids.mode().iloc[0]} Ensembl {kind + ' ' if kind else ''}ids{' with versions' if versioned else ''}"
    prefix = genome_prefix(names)
    if prefix:
        return f"genome-prefixed names ({prefix})"
    if text.str.contains("|", regex=False).mean() > LEAST:
        return "probe names (with |)"
    if text.str.fullmatch(r"\d+").mean() > LEAST:
        return "numbers"
    return _symbols_of(text)


def _symbols_of(text: pd.Series) -> str:
    title = text.str.fullmatch(r"[A-Z][a-z0-9]+.*").mean()
    upper = text.str.fullmatch(r"[A-Z0-9][A-Z0-9.\-_orf]*").mean()
    if text.str.fullmatch(r"(?=.*[a-z])[a-z0-9][a-z0-9.\-_:]*").mean() > LEAST:
        return "symbols in lower case, as of zebrafish or frog"
    if np.isclose(title, 0) or upper > title:
        return "human gene symbols" if upper > LEAST else "no gene names that are known here"
    return "mouse gene symbols"


def advice(looks: str) -> str:
    """Return what to type about names that look like that, or "" where there is nothing to say beyond another column."""
    if looks.startswith("genome-prefixed"):
        genome = looks[looks.index("(") + 1 : -1]
        return (
            f"Keep one genome and take its name off: adata = adata[:, adata.var_names.str.startswith({genome!r})].copy(); "
            f"adata.var_names = adata.var_names.str.removeprefix({genome!r})."
        )
    if looks.startswith("probe"):
        return "Keep the symbol: adata.var_names = adata.var_names.str.split('|').str[0]."
    if "transcript" in looks or "protein" in looks:
        return "Sum them to genes first."
    if "lower case" in looks:
        return "If they are human or mouse genes, pass organism='human' or 'mouse'; else map them to their human orthologs."
    if looks.startswith("mouse Ensembl"):
        return "Mouse Ensembl ids are not in the bundled tables: give mouse symbols."
    if ("Ensembl ids" in looks or "gene ids" in looks) and not looks.startswith("human"):
        return (
            "Models here know human genes, and mouse symbols through orthologs: map the genes to their human orthologs."
        )
    return ""
