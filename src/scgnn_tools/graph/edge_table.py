"""The table of a network, whoever wrote it, in one form: which column is what, signs, modes, labels, base networks of peaks."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import listed
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._log import printable

NAMES: Mapping[str, tuple[str, ...]] = {
    "source": ("source", "tf", "regulator", "gene1"),
    "target": ("target", "gene2", "gene", "gene_short_name"),
    "weight": ("weight", "score", "importance", "edgeweight", "probability", "coef_mean", "importance_tf2g", "tf2g_importance"),
    "mode": ("mode", "mor", "sign", "regulation_tf2g", "tf2g_regulation", "type"),
    "label": ("label",),
}  # fmt: skip
"""What a column is called by us and others (arboreto, BEELINE, CellOracle, decoupler, pySCENIC, SCENIC+), in any case."""

SCORES = ("score", "importance", *(n for n in NAMES["weight"] if n not in ("score", "importance")))
"""Names of a column that ranks edges, the likeliest first."""

ACTIVATION, REPRESSION, OPEN, CONFLICT = "Activation", "Repression", "Unknown", "Conflict"
_WORDS = {
    ACTIVATION: "activation activator activating activates activated stimulation stimulates induction induces positive pos "
    "up up-regulates up-regulation upregulation + 1 1.0 +1 --> -> →",
    REPRESSION: "repression repressor repressing represses repressed inhibition inhibitor inhibits suppression suppresses negative neg "
    "down down-regulates down-regulation downregulation - − – -1 -1.0 −1 --| -| ⊣",
    OPEN: "unknown unspecified undirected none nan na <na> ? 0 0.0 . -/-",
    CONFLICT: "conflict both dual",
}
REGULON = re.compile(r"^(?P<tf>.+?)[ _]?\((?P<sign>[+-])\)$")
"""What pySCENIC calls a regulon: SPI1(+), IRF8_(-)."""

MODES = {word: mode for mode, words in _WORDS.items() for word in words.split()} | {"": OPEN}
"""What a mode is called, in lower case."""


def columns_of(
    edges: pd.DataFrame, wanted: Sequence[str], *, optional: Collection[str] = (), names: Mapping[str, Any] = NAMES
) -> dict[str, Any]:
    """Return the column of each role of ``wanted``; None for an optional one that is missing.

    Raises
    ------
    InputValueError
        If another is missing, one that is read stands there twice, or two columns that differ could be the factor or the target.
    """
    own: dict[str, list[Any]] = {}
    for column in dict.fromkeys(edges.columns):
        own.setdefault(str(column).lower(), []).append(column)
    among = {role: [c for n in names[role] for c in own.get(n, [])] for role in wanted}
    missing = [role for role, columns in among.items() if not columns and role not in optional]
    if missing:
        told = "; ".join(f"{role} ({', '.join(names[role])})" for role in missing)
        msg = f"A table of edges needs a column each for {told}; {', '.join(missing)} is missing, there is: {listed(edges.columns)}."
        raise InputValueError(msg)
    found = {role: columns[0] if columns else None for role, columns in among.items()}
    for column in found.values():
        if column is not None and list(edges.columns).count(column) > 1:
            msg = f"The table of edges has the column {printable(column)} more than once ({listed(edges.columns)}). Keep one of them."
            raise InputValueError(msg)
    for role in {"source", "target"} & set(wanted):
        _one_column(edges, role, among[role])
    return found


def _one_column(edges: pd.DataFrame, role: str, columns: list[Any]) -> None:
    """Refuse two columns that could both be the factor, or the target, unless they say the same."""
    for other in columns[1:]:
        if list(edges.columns).count(other) > 1 or not edges[columns[0]].astype(str).equals(edges[other].astype(str)):
            msg = (
                f"Two columns could be the {role} of an edge: {printable(columns[0])} and {printable(other)}. Drop one of them, or rename "
                f"the one that is meant to {role}."
            )
            raise InputValueError(msg)


def labels_of(edges: pd.DataFrame, column: Any) -> np.ndarray:
    """Return labels as int8 (n_edges,), 1 an edge, 0 none.

    Raises
    ------
    InputValueError
        If they are others.
    """
    odd = [v for v in edges[column] if not isinstance(v, int | float | np.number | np.bool_) or v not in (0, 1)]
    if odd:
        msg = f"Labels are 0 and 1; got {', '.join(map(printable, odd[:5]))}."
        raise InputValueError(msg)
    return edges[column].to_numpy(dtype=np.int8)


def weights_of(edges: pd.DataFrame, column: Any, source: Any, target: Any) -> np.ndarray:
    """Return weights as floats (n_edges,), negative ones as they are.

    Raises
    ------
    InputValueError
        If one is text, missing or infinite; the message names its edge.
    """
    values = edges[column]
    kind = getattr(values.dtype, "kind", "O")
    try:
        if kind in "mMc":  # dates and complex numbers turn into floats without a word
            raise TypeError
        weights = values.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        odd = next((v for v in values if kind in "mMc" or not isinstance(v, int | float | np.number)), values.iloc[0])
        msg = f"The weights of a prior are numbers; got {printable(repr(odd))} in the column {printable(column)}."
        raise InputValueError(msg) from error
    bad = np.flatnonzero(~np.isfinite(weights))
    if len(bad):
        row = edges.iloc[bad[0]]
        what = "missing" if np.isnan(weights[bad]).all() else "missing or infinite"
        msg = (
            f"{len(bad):,} of {len(weights):,} weights (column {printable(column)}) {'is' if len(bad) == 1 else 'are'} {what}, such as "
            f"that of {printable(row[source])} → {printable(row[target])}. Leave these rows out, or give them a weight."
        )
        raise InputValueError(msg)
    return weights


def modes_of(values: pd.Series) -> np.ndarray:
    """Return modes in the words of TRRUST: "Activation", "Repression", "Unknown", "Conflict"; object (n_edges,).

    ``1``, ``+``, ``activation``, ``up`` are the same, in any case; what is no mode is unknown, and a warning names it.
    """
    told = values.astype(object).map(_mode)  # categories take no word that is not among them
    odd = values[told.isna()]
    if len(odd):
        some = ", ".join(dict.fromkeys(printable(repr(v), limit=30) for v in odd[:50].tolist()))
        msg = f"{len(odd):,} modes of edges are not understood and count as unknown: {some}. Modes are 1/-1, +/-, activation/repression."
        warn(msg)
    return told.fillna(OPEN).to_numpy(dtype=object)


def _mode(value: Any) -> str | None:
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | float | np.number):
        return OPEN if not np.isfinite(value) or value == 0 else ACTIVATION if value > 0 else REPRESSION
    return MODES.get(str(value).strip().lower())


def is_mode(values: pd.Series) -> bool:
    """Say whether a column that need not hold modes does."""
    return bool(values.map(_mode).notna().all())


def tidied(edges: pd.DataFrame) -> pd.DataFrame:
    """Return a table of edges as it was meant: its ends in columns, whose names have no blanks, and regulons called by their factor.

    A regulon such as ``SPI1(+)`` of pySCENIC tells a sign, which becomes the mode if no column is one. Base networks are unfolded.

    Raises
    ------
    InputValueError
        As of :func:`unfolded`.
    """
    ends = {*NAMES["source"], *NAMES["target"]}
    outside = [n for n in edges.index.names if isinstance(n, str) and n.lower() in ends and n not in edges.columns]
    if outside:
        edges = edges.reset_index(level=outside)
    bare = [c.strip("\ufeff \t") if isinstance(c, str) else c for c in edges.columns]
    if bare != list(edges.columns):
        edges = edges.set_axis(bare, axis=1)
    edges = unfolded(edges)
    for role in ("source", "target"):
        at = [i for i, c in enumerate(edges.columns) if str(c).lower() in NAMES[role]]
        if len(at) == 1:
            edges = _plain(edges, at[0], regulons=role == "source")
    return edges


def _plain(edges: pd.DataFrame, at: int, *, regulons: bool) -> pd.DataFrame:
    """Return the table with the names of one column bare, and ``SPI1`` for ``SPI1(+)``, whose sign becomes the mode."""
    try:
        code, names = pd.factorize(edges.iloc[:, at])
    except TypeError:  # lists and the like are no names of regulons
        return edges
    bare = [n.strip() or n if isinstance(n, str) else n for n in names]
    found = [REGULON.match(n) if regulons and isinstance(n, str) else None for n in bare]
    bare = [n if m is None else m["tf"] for n, m in zip(bare, found, strict=True)]
    if all(b is n or b == n for b, n in zip(bare, names, strict=True)):
        return edges
    out = edges.assign(**{edges.columns[at]: np.array([*bare, None], dtype=object)[code]})  # the last of a missing name
    if not any(found) or any(str(c).lower() in NAMES["mode"] for c in edges.columns):
        return out
    return out.assign(mode=np.array([*("" if m is None else m["sign"] for m in found), ""], dtype=object)[code])


def unfolded(edges: pd.DataFrame) -> pd.DataFrame:
    """Return a base network of CellOracle or SCENIC+, peaks × factors with 0 and 1, as a table of edges; another table as it is.

    Raises
    ------
    InputValueError
        If it has peaks and factors and no column that says which gene a peak belongs to.
    """
    lower = [str(c).lower() for c in edges.columns]
    if any(n in NAMES["source"] for n in lower) or len(edges.columns) < 2 or edges.empty:
        return edges
    gene = next((i for i, n in enumerate(lower) if n in NAMES["target"]), None)
    wide = [i for i in range(len(lower)) if i != gene and _is_binary(edges.iloc[:, i])]
    if not wide:
        return edges
    if gene is None:
        if len(wide) < 3 or len(wide) < len(lower) - 3:
            return edges
        msg = (
            f"The table has a column of 0 and 1 for {len(wide):,} factors and none that names the gene of a row: add a column "
            "gene_short_name, the gene that the peak belongs to, as CellOracle's base networks have it."
        )
        raise InputValueError(msg)
    targets = edges.iloc[:, gene].to_numpy(dtype=object)
    rows = [
        np.flatnonzero(edges.iloc[:, i].to_numpy()) for i in wide
    ]  # a column at a time: a base network has 10⁸ cells
    names = np.repeat(np.array([edges.columns[i] for i in wide], dtype=object), [len(r) for r in rows])
    return pd.DataFrame({"source": names, "target": targets[np.concatenate(rows)]}).drop_duplicates(ignore_index=True)


def _is_binary(values: pd.Series) -> bool:
    return values.dtype.kind in "biuf" and bool(values.isin([0, 1]).all())
