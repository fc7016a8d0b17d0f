"""Which gene of a model each gene of the data is: per entry, never all or nothing."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, cast

import numpy as np
import pandas as pd

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import GeneMatchError, InputValueError
from scgnn_tools._log import as_bytes, as_text
from scgnn_tools.genes import tables
from scgnn_tools.genes.ids import strip_version
from scgnn_tools.genes.names import canonical_symbols, detect_organism, species
from scgnn_tools.genes.result import GeneMatch

LEAST_OTHER, LEAST_SHARE = 20, 0.05
"""So many names of a second organism, and so large a share of those that are known, make an object one of two organisms."""

__all__ = ["GeneMatch", "human_symbols", "match", "spelled_as"]


@door_of_arrays
def match(
    names: np.ndarray,
    vocabulary: np.ndarray,
    *,
    key: Literal["symbol", "ensembl"] = "symbol",
    organism: str | None = None,
    vocabulary_organism: str = "human",
    synonyms: pd.Series | None = None,
) -> GeneMatch:
    """Find each name in a vocabulary.

    Each name is tried as it is, then as an Ensembl id with or without version, as an older symbol, and as a
    spreadsheet date. If the organisms differ, it is also tried as a one-to-one ortholog. The first that leads into
    the vocabulary counts.

    Parameters
    ----------
    names
        Gene names of the data, shape (n_vars,); may repeat.
    vocabulary
        Gene names of the model, shape (n_vocabulary,); unique.
    key
        What the vocabulary holds.
    organism
        Organism of the data; None finds it out from the names.
    vocabulary_organism
        Organism of the vocabulary.
    synonyms
        More names of the vocabulary's genes: name in upper case -> gene; used before the bundled tables.

    Returns
    -------
    GeneMatch
        The position of each gene in the vocabulary and how it was found.

    Examples
    --------
    >>> found = sgt.genes.match(np.array(["ENSG00000167286", "LYZ"]), np.array(["CD3D", "LYZ"]))
    >>> found.index.tolist(), found.how.tolist()
    ([0, 1], ['ensembl', 'exact'])
    """
    names, words = as_text(names), as_text(vocabulary)
    others = [] if synonyms is None else [*as_text(synonyms.index), *as_text(synonyms)]
    text = "\0".join(
        [f"{len(names)} {len(words)} {len(others)}", key, str(organism), vocabulary_organism, *names, *words, *others]
    )
    content = hashlib.sha256(as_bytes(text)).digest()
    found = _RECENT.get(content)
    if found is None:
        found = _match(names, pd.Index(words), key, organism, vocabulary_organism, synonyms)
        while len(_RECENT) >= RECENT:  # one call asks for the same genes several times
            _RECENT.pop(next(iter(_RECENT)), None)
        _RECENT[content] = found
    return replace(found, names=found.names.copy(), index=found.index.copy(), how=found.how.copy())


RECENT = 8
"""Answers that are kept."""

_RECENT: dict[bytes, GeneMatch] = {}


def _match(
    names: np.ndarray,
    words: pd.Index,
    key: Literal["symbol", "ensembl"],
    organism: str | None,
    vocabulary_organism: str,
    synonyms: pd.Series | None,
) -> GeneMatch:
    if len(names) == 0:
        msg = "There are no genes to match: the object has 0 columns. Pass an AnnData with genes."
        raise GeneMatchError(msg)
    if words.has_duplicates:
        msg = f"The vocabulary holds {words[words.duplicated()][0]!r} more than once; its genes must be unique."
        raise InputValueError(msg)
    given, organism = organism, detect_organism(names) if organism is None else tables.checked_organism(organism)
    foreign, n_foreign = _foreign(names, organism)
    names = np.array([n.strip() for n in names], dtype=object)
    index = np.full(len(names), -1, dtype=np.int32)
    how = np.full(len(names), "lost", dtype="<U8")
    ways = _ways(pd.Index(names), words, key, organism, vocabulary_organism)
    if ways[-1][0] == "case":
        by_case = ways.pop()[1]
        if not foreign.any():
            ways.append(
                ("case", _where(by_case, _may_ignore_case(pd.Index(names), by_case, words, given=given is not None)))
            )
    if synonyms is not None:
        upper = pd.Index(strip_version(pd.Index(names)).to_numpy()).str.upper()
        ways.insert(1, ("version", _look_up(upper, synonyms)))
    for word, candidates in ways:
        found = words.get_indexer(candidates).astype(np.int32)
        new = (index < 0) & (found >= 0) & ~foreign
        if word == "case":  # never onto a gene that is there under its own name
            new &= ~np.isin(found, index[index >= 0])
        index[new], how[new] = found[new], word
    how[foreign] = "other"
    return GeneMatch(names, words.to_numpy(dtype=object), index, how, organism, mixed=given is None and bool(n_foreign))


def _foreign(names: np.ndarray, organism: str) -> tuple[np.ndarray, int]:
    """Return which names are of the other organism, if so many are that the object holds cells of both, and their number."""
    of = species(names)
    second = "human" if organism == "mouse" else "mouse"
    n_own, n_second = int((of == organism).sum()), int((of == second).sum())
    shouted = (
        organism == "mouse" and n_second > n_own
    )  # mouse symbols in upper case: the table takes them for human ones
    if shouted or min(n_own, n_second) < max(LEAST_OTHER, LEAST_SHARE * (n_own + n_second)):
        return np.zeros(len(names), dtype=bool), 0
    return of == second, n_second


def _may_ignore_case(names: pd.Index, candidates: pd.Index, words: pd.Index, *, given: bool) -> np.ndarray:
    """Return for which names upper and lower case may be ignored, bool (n,).

    For all, if the organism was ``given``, or if (nearly) all names match so and hardly one as it stands: somebody changed their case.
    Else only where somebody put a symbol of the same species in upper case: C1ORF112. Cd4 and cd4 are genes of mouse, fish and frog.
    """
    by_case = np.asarray(candidates != "")
    as_it_is = names.isin(words)
    changed = bool(by_case.mean() > 0.9 and as_it_is.mean() < 0.1)
    if given or changed:
        return by_case
    return by_case & np.asarray(names.str.upper() == names)


def _where(candidates: pd.Index, keep: np.ndarray) -> pd.Index:
    return pd.Index(np.where(keep, candidates.to_numpy(dtype=object), ""))


def spelled_as(names: np.ndarray, *wanted: Iterable[str], organism: str) -> np.ndarray:
    """Return the names, each gene of ``wanted`` that stands there by an id, an older symbol or in another case as it is spelled there.

    Where several spell one gene the first has its way, and of one ``wanted`` the name as it is.
    """
    out = as_text(names)
    words = pd.unique(out)
    called: dict[str, str] = {}
    for some in map(set, wanted):
        called |= {w: w for w in words if w in some and w not in called}
        lacking = np.array(sorted(some - set(words)), dtype=object)
        if len(lacking) and len(words):
            found = match(lacking, words, organism=organism, vocabulary_organism=organism)
            for gene, i in zip(lacking, found.index, strict=True):
                if i >= 0:
                    called.setdefault(words[i], gene)
    return np.array([called.get(n, n) for n in out], dtype=object)


@door_of_arrays
def human_symbols(names: np.ndarray) -> np.ndarray:
    """Return the human symbol of each name, shape (n,): mouse genes stand for their one-to-one orthologs and are "" without one.

    Examples
    --------
    >>> sgt.genes.human_symbols(np.array(["Cd3d", "Lyz2", "Actb"])).tolist()
    ['CD3D', ..., 'ACTB']
    """
    if detect_organism(names) != "mouse":
        return canonical_symbols(names, organism="human").astype(str)
    found = match(names, np.unique(tables.human_of_mouse().to_numpy()), organism="mouse")
    return np.where(found.matched, found.vocabulary[found.index], "").astype(str)


def _ways(names: pd.Index, words: pd.Index, key: str, organism: str, words_organism: str) -> list[tuple[str, pd.Index]]:
    """Return the ways from the data's names to the vocabulary, in their order: (how, candidate for each name or "")."""
    ids = strip_version(names)
    if key == "ensembl":
        of_symbol = pd.Series(tables.symbol_of_id().index, index=tables.symbol_of_id().to_numpy())
        of_symbol = of_symbol[~of_symbol.index.duplicated()]
        ways = [
            ("exact", names),
            ("version", pd.Index(ids)),
            ("symbol", _look_up(names, of_symbol)),
            ("alias", _look_up(_look_up(names, tables.symbol_of_alias()), of_symbol)),
            ("date", _look_up(_look_up(names, tables.symbol_of_date()), of_symbol)),
        ]
        if organism == "mouse" and words_organism == "human":
            ways.append(("ortholog", _look_up(_look_up(names, tables.human_of_mouse()), of_symbol)))
        return ways
    ways = [("exact", names), ("ensembl", _look_up(pd.Index(ids), tables.symbol_of_id()))]
    current = pd.Index(canonical_symbols(names.to_numpy(), organism=organism))
    # the vocabulary itself may hold older symbols: both sides are brought up to date
    old_word = pd.Series(words, index=canonical_symbols(words.to_numpy(), organism=words_organism))
    old_word = old_word[~old_word.index.duplicated(keep=False)]
    dated = _look_up(names, tables.symbol_of_date())
    ways += [
        ("alias", current),
        ("alias", _look_up(current, old_word)),
        ("date", dated),
        ("date", _look_up(dated, old_word)),
    ]
    if organism != words_organism:
        table = tables.human_of_mouse() if organism == "mouse" else tables.mouse_of_human()
        partner = _look_up(names, table)
        ways += [("ortholog", partner), ("ortholog", _look_up(partner, old_word))]
        if organism == "mouse":  # symbols that somebody put in upper case, found by their one mouse symbol
            upper = table.set_axis(table.index.str.upper())
            ways.append(("ortholog", _look_up(names, upper[~upper.index.duplicated(keep=False)])))
    else:
        ways.append(("case", _look_up(names.str.upper(), _unique_upper(words))))
    return ways


def _look_up(keys: pd.Index, table: pd.Series) -> pd.Index:
    """Return the entry of ``table`` for each key, "" where there is none."""
    return pd.Index(cast("pd.Series", keys.to_series().map(table)).fillna("").to_numpy(dtype=object))


def _unique_upper(words: pd.Index) -> pd.Series:
    table = pd.Series(words.to_numpy(), index=words.str.upper())
    return table[~table.index.duplicated(keep=False)]
