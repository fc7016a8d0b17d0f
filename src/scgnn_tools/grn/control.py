"""The control of a comparison: the same, with the cells or the donors dealt to the two groups at random."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools.data.order import by_content
from scgnn_tools.grn.compare import by_cells, differing_first
from scgnn_tools.grn.jackknife import Parts, random_parts

PARTS = 20
"""Parts of the cells of a group, each of which is left out once."""

DEALT = 5
"""Times that cells or donors are dealt to the groups at random. Factors share targets, so in rare draws many differ at once."""


def beside_random_groups(
    edges: pd.DataFrame,
    factors: pd.DataFrame,
    x: sp.csr_array,
    genes: pd.Index,
    parts: Parts,
    rng: np.random.Generator,
    *,
    flip: bool,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return edges and factors with what the cells say, what differs first, and how many of them differ, in random groups too.

    Parameters
    ----------
    edges, factors, x, genes
        As :func:`scgnn_tools.grn.compare.by_cells` takes them.
    parts
        The cells of each group by donor, or each group in one part, which is then drawn into several.
    rng
        Of the parts and of the random groups.
    flip
        Whether the groups are drawn in each other's place. Drawn by name, which of them is called a decides nothing.
    """
    parts = parts.flipped() if flip else parts
    if not parts.replicates:
        parts = at_random(parts, by_content(x), rng)
    sides = [p.flipped() if flip else p for p in (parts, *(dealt(parts, rng) for _ in range(DEALT)))]
    told, *random = (by_cells(edges, factors, x, genes, p) for p in sides)
    n = np.array([[table["differs"].sum() for table in tables] for tables in (told, *random)])
    rows = {
        "groups": n[0],
        "random groups": np.median(n[1:], axis=0).astype(int),
        "random groups, most": n[1:].max(axis=0),
    }
    control = pd.DataFrame.from_dict(rows, orient="index", columns=["edges", "factors"])
    return differing_first(told[0]), differing_first(told[1]), control


def at_random(parts: Parts, order: np.ndarray, rng: np.random.Generator) -> Parts:
    """Return the cells of two groups in parts that are drawn from an order of all cells."""
    place = np.argsort(order)
    one, other = (rows[np.argsort(place[rows])] for rows in (np.concatenate(parts.a), np.concatenate(parts.b)))
    return random_parts(one, other, min(PARTS, len(one) // 3, len(other) // 3), rng)


def dealt(parts: Parts, rng: np.random.Generator) -> Parts:
    """Return random groups: donors that change sides, or cells."""
    if parts.replicates:
        return parts.exchanged(rng)
    one, other = (np.concatenate(side) for side in (parts.a, parts.b))
    drawn = rng.permutation(np.concatenate([one, other]))
    return random_parts(drawn[: len(one)], drawn[len(one) :], len(parts.a) // 2, rng)
