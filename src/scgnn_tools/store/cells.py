"""Vectors or labels of cells in chunks, in one zarr store that any number of workers write, none of which knows of another.

The chunk is the unit of work: 8,192 cells, one file a field with a checksum, beside it the sha256 of the rows that it was made from and of
what was made. A chunk that is there, readable and of these rows is done; whatever else is there is made again. The plan stands in the
attributes of the group. There is no coordinator and no lock: two that make one chunk write the same bytes, and whoever finds the last one
done sets the flag.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._write import goes_on
from scgnn_tools.data.batches import CHUNK
from scgnn_tools.store.beside import (
    ATTRIBUTE,
    DESCRIPTION,
    HALVED,
    LOST,
    UNREADABLE,
    BesideChunks,
    attributes_of,
    check_store,
    open_group,
    without_announcements,
)
from scgnn_tools.store.digest import digest
from scgnn_tools.store.fields import Field, array
from scgnn_tools.store.plan import differences

if TYPE_CHECKING:
    from anndata import AnnData

INPUTS, OUTPUTS, EMPTY = "inputs", "outputs", "empty_cells"
"""Entries of ``uns``: digests of each chunk's rows and of what was made of them, cells that have nothing."""


def check_shard(shard: Any) -> tuple[int, int]:
    """Return the part of the cells that a worker has; None is all of them."""
    if shard is None:
        return 0, 1
    whole = isinstance(shard, tuple | list) and len(shard) == 2 and all(isinstance(i, int | np.integer) for i in shard)
    if not whole or any(isinstance(i, bool) for i in shard) or not 0 <= shard[0] < shard[1]:
        msg = f"shard is a pair (i, n), part i of n, counted from 0: (0, 4) to (3, 4) for four workers; got {shard!r}."
        raise InputValueError(msg)
    return int(shard[0]), int(shard[1])


def place_of(
    store: str | Path | None, shard: Any, example: str, cells: object = None
) -> tuple[str | Path | None, tuple[int, int]]:
    """Return where a store is and which part of the cells a call has, checked before any work; no place without a store.

    ``cells`` may be the path of the cells, within which no store can be.
    """
    if store is not None:
        return check_store(store, cells), check_shard(shard)
    if shard is not None:
        msg = f"shard= says which part of the cells goes into a store; pass store='{example}' too."
        raise InputValueError(msg)
    return None, (0, 1)


def shard_of(n_chunks: int, shard: tuple[int, int]) -> range:
    """Return the chunks of part ``shard[0]`` of ``shard[1]``: neighbours, and every chunk is in one part."""
    index, n = shard
    return range(index * n_chunks // n, (index + 1) * n_chunks // n)


class CellStore:
    """A zarr store, format 3, that opens as an AnnData: names of cells and genes, and the fields of every cell.

    Parameters
    ----------
    where
        A folder, or an address that fsspec knows ("s3://…").
    plan
        What decides the fields, part by part, in words or as a digest. It is compared with the plan of a store that is there.
    fields
        What every cell gets, in the order of :meth:`put`.
    entry
        Where in the store it is said what the fields are: ("uns", "sgt", key). The digests are put there.
    rest
        The AnnData that the store is, but for the fields: with the entry. Written once.
    whole
        What was found out from all cells before the first chunk was made, plain enough for JSON; :func:`whole_of` gives it to others.
    empty
        Tells, from the fields of a chunk, which cells have nothing; None if no cell is to be listed.

    Raises
    ------
    InputValueError
        If the store is of another plan (the part is named), if something else stands there, or it cannot be written.
    """

    def __init__(
        self,
        where: str | Path,
        plan: Mapping[str, object],
        *,
        fields: Sequence[Field],
        entry: tuple[str, ...],
        rest: "AnnData",
        whole: Mapping[str, Any] | None = None,
        empty: Callable[[list[np.ndarray]], np.ndarray],
    ) -> None:
        self.where, self.fields = where, tuple(fields)
        self._path, self._empty = "/".join(entry), empty
        self._beside = BesideChunks(where, partial(_fill, rest=rest, fields=self.fields, entry=self._path), self._path)
        self.n_obs = rest.n_obs
        self.n_chunks = -(-rest.n_obs // CHUNK)
        wanted = {k: str(v) for k, v in plan.items()}
        if attributes_of(where) is None:
            self._beside.create({"plan": wanted, "finished": False, "whole": dict(whole or {})})
        there = attributes_of(where)
        if there is None:
            msg = f"store={str(where)!r} exists and holds something else. Pass another store."
            raise InputValueError(msg)
        other = differences(there["plan"], wanted)
        if other:
            msg = f"{where} holds another run, which differs in {', '.join(other)}. Pass another store=, or remove this one."
            raise InputValueError(msg)
        try:
            self._find()
        except (OSError, *LOST):
            self.mend()
            try:
                self._find()
            except (OSError, *LOST) as error:
                msg = f"{where} is damaged ({printable(error)}). Remove it, or pass another store=, and call again."
                raise InputValueError(msg) from error

    def _find(self) -> None:
        self._group = open_group(self.where, "r+")
        self._arrays: list[Any] = [self._group[f.path] for f in self.fields]
        self._entry: Any = self._group[self._path]
        self._inputs, self._outputs = self._entry[INPUTS], self._entry[OUTPUTS]
        other = self._beside.differ(f"{a.path}/{DESCRIPTION}" for a in (*self._arrays, self._inputs, self._outputs))
        if other:
            msg = f"{min(other)} is not what was written"
            raise ValueError(msg)

    def rows(self, chunk: int) -> slice:
        """Return the cells of a chunk."""
        return slice(chunk * CHUNK, min((chunk + 1) * CHUNK, self.n_obs))

    def has(self, chunk: int, inputs: str) -> bool:
        """Tell whether a chunk is done: readable, and made from rows with this digest.

        Raises
        ------
        InputValueError
            If it was made from other rows.
        """
        made_from = self._digest(self._inputs, chunk)
        if made_from is None or self.read(chunk) is None:
            return False
        if made_from != inputs:
            rows = self.rows(chunk)
            msg = (
                f"Cells {rows.start:,} to {rows.stop - 1:,} are not those that {self.where} was made from: the input has changed "
                "since. Pass another store=, or remove this one."
            )
            raise InputValueError(msg)
        return True

    def put(self, chunk: int, values: Sequence[np.ndarray], inputs: str) -> None:
        """Write the fields of a chunk, then their digest and that of its rows."""
        typed = [np.asarray(v).astype(f.dtype) for v, f in zip(values, self.fields, strict=True)]
        with goes_on(self.where):
            for there, value in zip(self._arrays, typed, strict=True):
                there[self.rows(chunk)] = value
            self._outputs[chunk] = _in_bytes(digest(*typed))
            self._inputs[chunk] = _in_bytes(inputs)

    def halved(self, size: int) -> None:
        """Note that the memory of a worker ran out, and the size of the batches with which it went on; the smallest one stays."""
        least = self._entry.attrs.get(HALVED)
        if least is None or size < least:
            with goes_on(self.where):
                self._entry.attrs[HALVED] = size

    def missing(self) -> list[int]:
        """Return the chunks that nobody has finished."""
        return [c for c in range(self.n_chunks) if self._digest(self._inputs, c) is None]

    @property
    def finished(self) -> bool:
        """Whether all was done and read once more."""
        try:
            self.empty_cells()
            return bool(self._group.attrs[ATTRIBUTE]["finished"])
        except LOST:
            return False

    def finish(self) -> list[int]:
        """Mend the rest, read every chunk, note the cells with nothing and set the flag, if all are there; return those that are not.

        To call it twice, or from two workers at once, changes nothing.
        """
        torn = self.missing()
        if not torn:
            self.mend()
        empty = []
        for chunk in range(self.n_chunks) if not torn else ():
            values = self.read(chunk)
            if values is None:
                torn.append(chunk)
            else:
                empty.append(self.rows(chunk).start + np.flatnonzero(self._empty(values)))
        if torn:
            return torn
        with goes_on(self.where), without_announcements():
            self._note(np.concatenate(empty))
            self._group.attrs[ATTRIBUTE] = {**self._group.attrs[ATTRIBUTE], "finished": True}
        return []

    def _note(self, empty: np.ndarray) -> None:
        """Write the positions of the cells with nothing; what is there is never taken away, since another worker may be reading it."""
        from zarr.errors import ContainsArrayError

        new = partial(array, self._entry, EMPTY, empty.shape, (max(len(empty), 1),), "int64", 0)
        try:
            with suppress(ContainsArrayError):
                new()
            sound = self._entry[EMPTY].shape == empty.shape
        except LOST:
            sound = False
        if not sound:
            new(overwrite=True)
        self._entry[EMPTY][:] = empty

    def empty_cells(self) -> np.ndarray:
        """Return the positions of the cells with nothing, of a finished store."""
        return np.asarray(self._entry[EMPTY][:])

    def read(self, chunk: int) -> list[np.ndarray] | None:
        """Return the fields of a chunk; None if one is torn, or is not what was written."""
        try:
            with goes_on(self.where, "read"):
                values = [np.asarray(there[self.rows(chunk)]) for there in self._arrays]
        except InputValueError:
            raise
        except UNREADABLE:
            return None
        return values if digest(*values) == self._digest(self._outputs, chunk) else None

    def _digest(self, of: Any, chunk: int) -> str | None:
        try:
            with goes_on(self.where, "read"):
                found = np.asarray(of[chunk])
        except InputValueError:
            raise
        except UNREADABLE:
            return None
        return found.tobytes().hex() if found.any() else None

    def mend(self) -> None:
        """Write again what is torn, or gone, of the files that are no chunks."""
        self._beside.mend()


def _fill(group: Any, rest: "AnnData", fields: Sequence[Field], entry: str) -> None:
    from anndata.io import write_elem

    write_elem(group, "/", rest)
    for field in fields:
        field.create(group, rest.n_obs, min(CHUNK, rest.n_obs))
    n_chunks = -(-rest.n_obs // CHUNK)
    for name in (INPUTS, OUTPUTS):
        array(group[entry], name, (n_chunks, 32), (1, 32), "uint8", 0)


def _in_bytes(sha256: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(sha256), dtype=np.uint8)


def whole_of(where: str | Path) -> Mapping[str, Any] | None:
    """Return what the worker that began a store found out from all cells; None where there is no store."""
    there = attributes_of(where)
    return None if there is None else there.get("whole", {})
