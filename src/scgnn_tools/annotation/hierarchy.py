"""Labels that have parents: a cell that cannot be told apart safely gets the deepest name that is safe."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputTypeError, LabelError, warn
from scgnn_tools._log import printable
from scgnn_tools._write import as_path


class Hierarchy:
    """Names, their parents and, if the file has them, their ids.

    Parameters
    ----------
    parents
        Name -> its parents.
    ids
        Name -> id.
    synonyms
        Other spelling, in lower case -> name.
    """

    def __init__(
        self,
        parents: Mapping[str, set[str]],
        ids: Mapping[str, str] | None = None,
        synonyms: Mapping[str, str] | None = None,
    ) -> None:
        self.parents, self.ids = dict(parents), dict(ids or {})
        names = {*self.parents, *(p for some in self.parents.values() for p in some)}
        self._names = {n.lower(): n for n in sorted(names)}
        self._names |= {i.lower(): n for n, i in self.ids.items()}
        self._synonyms = dict(synonyms or {})

    def name_of(self, label: str) -> str | None:
        """Return the name that a label, an id or a synonym stands for, None if there is none."""
        key = label.strip().lower()
        return self._names.get(key) or self._synonyms.get(key)

    def above(self, label: str) -> dict[str, int]:
        """Return the ancestors of a name and how many steps they are away at most.

        Raises
        ------
        LabelError
            If a name is its own ancestor.
        """
        out: dict[str, int] = {}
        start = self.name_of(label)
        if start is None:
            return out
        front, steps = set(self.parents.get(start, set())), 1
        while front:
            out.update(dict.fromkeys(front, steps))
            if start in front or steps > len(self._names):
                msg = f"The hierarchy goes round in a circle through {printable(start)!r}. Take one of its parents out."
                raise LabelError(msg)
            front, steps = {p for name in front for p in self.parents.get(name, set())}, steps + 1
        return out

    def over(self, labels: Iterable[object]) -> "Hierarchy":
        """Return what is above some labels, with the names that these go by."""
        names = {str(c): self.name_of(str(c)) for c in labels}
        kept = {n for n in names.values() if n} | {a for c in names for a in self.above(c)}
        return Hierarchy(
            {n: p for n, p in self.parents.items() if n in kept},
            {n: i for n, i in self.ids.items() if n in kept},
            {c.strip().lower(): n for c, n in names.items() if n},
        )

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        parents = {n: sorted(p) for n, p in self.parents.items()}
        return {"parents": parents, "ids": self.ids, "synonyms": self._synonyms}


def from_json(plain: Mapping[str, Any]) -> Hierarchy:
    """Return what :meth:`Hierarchy.to_json` was asked of."""
    return Hierarchy({k: set(v) for k, v in plain["parents"].items()}, plain["ids"], plain["synonyms"])


def read_hierarchy(source: "Hierarchy | pd.DataFrame | Mapping[str, str | Sequence[str]] | str | Path") -> Hierarchy:
    """Return the hierarchy of a table with ``child`` and ``parent``, a dict child -> parent(s), or an .obo file."""
    if isinstance(source, Hierarchy):
        return source
    if isinstance(source, str | Path):
        return _read_obo(as_path("hierarchy", source))
    if isinstance(source, pd.DataFrame):
        missing = {"child", "parent"} - set(source.columns)
        if missing:
            have = ", ".join(map(printable, source.columns))
            msg = f"hierarchy= is a table with the columns child and parent; it has {have}. Rename them."
            raise LabelError(msg)
        pairs = list(source[["child", "parent"]].dropna().itertuples(index=False, name=None))
    elif not isinstance(source, Mapping):
        msg = f"hierarchy= is None, 'auto', a table of child and parent, a dict or the path of an .obo file; got {type(source).__name__}."
        raise InputTypeError(msg)
    else:
        pairs = [
            (child, parent)
            for child, some in source.items()
            for parent in (some if isinstance(some, Iterable) and not isinstance(some, str) else [some])
            if not pd.isna(parent)
        ]
    parents: dict[str, set[str]] = {}
    for child, parent in ((str(c).strip(), str(p).strip()) for c, p in pairs):
        if child and parent:
            parents.setdefault(child, set()).add(parent)
    if not parents:
        msg = "hierarchy= holds no pair of a child and a parent."
        raise LabelError(msg)
    return Hierarchy(parents)


def _read_obo(path: Path) -> Hierarchy:
    """Read terms, ``is_a`` and exact synonyms of an OBO file; what is obsolete is left out."""
    if not path.is_file():
        msg = f"hierarchy={str(path)!r} is no file. Pass the path of an .obo file, a table with child and parent, or a dict."
        raise LabelError(msg)
    name_of: dict[str, str] = {}
    above: dict[str, set[str]] = {}
    synonyms: dict[str, str] = {}
    for stanza in path.read_text(encoding="utf-8").split("\n[")[1:]:
        lines = stanza.splitlines()
        fields = [line.split(": ", 1) for line in lines[1:] if ": " in line]
        one = dict(fields)
        if not lines[0].startswith("Term]") or "name" not in one or one.get("is_obsolete", "") == "true":
            continue
        name_of[one["id"]] = one["name"].strip()
        above[one["id"]] = {v.split("!")[0].split("{")[0].strip() for k, v in fields if k == "is_a"}
        exact = [v.split('"')[1] for k, v in fields if k == "synonym" and " EXACT" in v and v.count('"') >= 2]
        synonyms |= {s.strip().lower(): one["name"].strip() for s in exact}
    if not name_of:
        msg = f"{path.name} holds no [Term] of an OBO file. Pass a file such as cl-basic.obo of the Cell Ontology."
        raise LabelError(msg)
    parents = {name_of[i]: {name_of[p] for p in some if p in name_of} for i, some in above.items()}
    return Hierarchy(parents, {n: i for i, n in name_of.items()}, synonyms)


class BackOff:
    """From probabilities of classes to the deepest name that is likely enough.

    Parameters
    ----------
    hierarchy
        What is above what.
    classes
        Names of the classes, (n_classes,).
    """

    def __init__(self, hierarchy: Hierarchy, classes: np.ndarray) -> None:
        above = [hierarchy.above(str(c)) for c in classes]
        lost = [str(c) for c in classes if hierarchy.name_of(str(c)) not in hierarchy.parents]
        if len(lost) == len(classes):
            msg = (
                f"None of the {len(classes)} labels is in the hierarchy ({', '.join(map(printable, lost[:3]))}, …). "
                "Name the labels as it does, or pass a table with child and parent of your labels."
            )
            raise LabelError(msg)
        if lost:
            msg = f"{len(lost)} labels have no parent in the hierarchy and stay as they are: {', '.join(map(printable, lost))}."
            warn(msg)
        own = {hierarchy.name_of(str(c)): i for i, c in enumerate(classes)}
        inner = sorted({n for a in above for n in a} - set(own))
        depth = {n: len(hierarchy.above(n)) for n in inner}
        holds = np.array([[n in a for a in above] for n in inner], dtype=bool).reshape(len(inner), len(classes))
        order = sorted(range(len(inner)), key=lambda i: (int(holds[i].sum()), -depth[inner[i]], inner[i]))
        self.names = np.array([*classes, *(inner[i] for i in order)], dtype=object)
        leaves = np.eye(len(classes), dtype=bool)
        for i, a in enumerate(above):  # a class that is above another class holds it too
            for name in a:
                if name in own:
                    leaves[own[name], i] = True
        self._holds = np.concatenate([leaves, holds[order]])
        size = self._holds.sum(axis=1)
        self._order = np.lexsort((np.arange(len(size)), size))
        self.ids = np.array([hierarchy.ids.get(hierarchy.name_of(str(n)) or "", "") for n in self.names], dtype=object)

    def choose(self, proba: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the position in ``names`` of each cell's deepest safe name, -1 where none is, and its probability."""
        likely = proba @ self._holds.T.astype(proba.dtype)
        safe = (likely >= confidence) & self._holds[:, proba.argmax(axis=1)].T
        first = safe[:, self._order].argmax(axis=1)
        at = np.where(safe.any(axis=1), self._order[first], -1)
        found = np.where(at >= 0, likely[np.arange(len(at)), np.maximum(at, 0)], proba.max(axis=1))
        return at, np.minimum(found, 1.0).astype(np.float32)
