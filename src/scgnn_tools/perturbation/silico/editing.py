"""The tokens of one cell with genes taken out or turned up, and which tokens are the same genes before and after."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Edit:
    """A cell before and after.

    Attributes
    ----------
    ids, values
        Before: those of the cell, without what overflow cut from both, (n,); values None for models of ranks.
    new_ids, new_values
        After, (m,).
    kept, new_kept
        Places before and after of the genes that stay and were not perturbed, in one order, (k,).
    """

    ids: np.ndarray
    values: np.ndarray | None
    new_ids: np.ndarray
    new_values: np.ndarray | None
    kept: np.ndarray
    new_kept: np.ndarray


def deleted(ids: np.ndarray, values: np.ndarray | None, genes: np.ndarray, special: np.ndarray) -> Edit | None:
    """Take tokens out, ranks close up; None for a cell that has none of the genes.

    Parameters
    ----------
    ids, values
        Tokens of a cell.
    genes
        Token ids to take out.
    special
        Which tokens are no genes, bool (n,).
    """
    gone = np.isin(ids, genes) & ~special
    if not gone.any():
        return None
    stay = np.flatnonzero(~gone)
    kept = np.flatnonzero(~gone & ~special)
    place = np.cumsum(~gone) - 1
    return Edit(ids, values, ids[stay], None if values is None else values[stay], kept, place[kept])


def to_front(ids: np.ndarray, genes: np.ndarray, special: np.ndarray, max_length: int, *, insert: bool) -> Edit | None:
    """Move genes to the front of a cell's ranks, behind a token of the cell; those that it lacks are inserted if asked for.

    What overflows the input is cut from the cell before, too, so that both hold the same genes; how much is told by the length before the
    insertion. None for a cell where nothing moves.
    """
    there = genes[np.isin(genes, ids[~special])]
    lacking = genes[~np.isin(genes, there)] if insert else genes[:0]
    moved = np.concatenate([there, lacking])
    first, last = int(special[0]) if len(special) else 0, int(special[-1]) if len(special) else 0
    if not len(moved) or (not len(lacking) and np.array_equal(ids[first : first + len(moved)], moved)):
        return None
    end = len(ids) - last
    cut = max(0, len(ids) + len(lacking) - max_length)
    # of the genes that stay the last are cut; those that move stay, whatever their rank
    rest = ids[first:end][~np.isin(ids[first:end], moved)]
    rest = rest[: max(0, len(rest) - cut)]
    inside = ids[first:end]
    before = np.concatenate([ids[:first], inside[np.isin(inside, rest) | np.isin(inside, moved)], ids[end:]])
    after = np.concatenate([ids[:first], moved, rest, ids[end:]]).astype(ids.dtype)
    kept = first + np.flatnonzero(np.isin(before[first : len(before) - last], rest))
    new_kept = first + len(moved) + np.arange(len(rest))
    return Edit(before, None, after, None, kept, new_kept)


def turned_up(
    ids: np.ndarray,
    values: np.ndarray,
    genes: np.ndarray,
    special: np.ndarray,
    max_length: int,
    *,
    top: float,
    insert: bool,
) -> Edit | None:
    """Give genes the top value; those that a cell lacks get a token if asked for, and the last others make room, before and after.

    New tokens stand behind the other genes, before what a model has at the end of a cell.
    """
    own = np.isin(ids, genes) & ~special
    lacking = genes[~np.isin(genes, ids[own])] if insert else genes[:0]
    if (not own.any() or (values[own] == top).all()) and not len(lacking):
        return None
    cut = max(0, len(ids) + len(lacking) - max_length)
    others = np.flatnonzero(~own & ~special)
    stay = np.setdiff1d(np.arange(len(ids)), others[len(others) - cut :] if cut else [])
    before, was, is_own = ids[stay], values[stay], own[stay]
    now = np.where(is_own, top, was).astype(values.dtype)
    of_genes = np.flatnonzero(~special[stay])
    end = int(of_genes[-1]) + 1 if len(of_genes) else len(stay)
    new_ids = np.insert(before, [end] * len(lacking), lacking).astype(ids.dtype)
    new_values = np.insert(now, [end] * len(lacking), top).astype(values.dtype)
    kept = np.flatnonzero(~is_own & ~special[stay])
    return Edit(before, was, new_ids, new_values, kept, kept)
