"""Vectors or labels of cells in chunks, in one zarr store that any number of workers write, none of which knows of another.

The chunk is the unit of work: 8,192 cells, one file a field with a checksum, beside it the sha256 of the rows that it was made from and of
what was made. A chunk that is there, readable and of these rows is done; whatever else is there is made again. The plan stands in the
attributes of the group. There is no coordinator and no lock: two that make one chunk write the same bytes, and whoever finds the last one
done sets the flag.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._log import printable
from scgnn_tools._write import as_path, write_folder
from scgnn_tools.data.batches import CHUNK
from scgnn_tools.store.digest import digest
from scgnn_tools.store.fields import Field, array
from scgnn_tools.store.plan import differences

if TYPE_CHECKING:
    from anndata import AnnData

ATTRIBUTE, INPUTS, OUTPUTS, EMPTY = "sgt_store", "inputs", "outputs", "empty_cells"
"""Attribute of the group; entries of ``uns``: digests of each chunk's rows and of what was made of them, cells that have nothing."""

HALVED = "halved_to"
"""Attribute of the entry: the smallest batch that a worker was left with when its memory ran out."""

UNREADABLE = (ValueError, TypeError, RuntimeError, IndexError, OverflowError)
"""What zarr and its codecs raise for a chunk that is torn, or whose checksum is another."""


def check_shard(shard: Any) -> tuple[int, int]:
    """Return the part of the cells that a worker has; None is all of them."""
    if shard is None:
        return 0, 1
    whole = isinstance(shard, tuple | list) and len(shard) == 2 and all(isinstance(i, int | np.integer) for i in shard)
    if not whole or any(isinstance(i, bool) for i in shard) or not 0 <= shard[0] < shard[1]:
        msg = f"shard is a pair (i, n), part i of n, counted from 0: (0, 4) to (3, 4) for four workers; got {shard!r}."
        raise InputValueError(msg)
    return int(shard[0]), int(shard[1])


def place_of(store: str | Path | None, shard: Any, example: str) -> tuple[str | Path | None, tuple[int, int]]:
    """Return where a store is and which part of the cells a call has, checked before any work; no place without a store."""
    if store is not None:
        return check_store(store), check_shard(shard)
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
        self.n_obs = rest.n_obs
        self.n_chunks = -(-rest.n_obs // CHUNK)
        wanted = {k: str(v) for k, v in plan.items()}
        if _attributes(where) is None:
            self._create({"plan": wanted, "finished": False, "whole": dict(whole or {})}, rest)
        there = _attributes(where)
        if there is None:
            msg = f"store={str(where)!r} exists and holds something else. Pass another store."
            raise InputValueError(msg)
        other = differences(there["plan"], wanted)
        if other:
            msg = f"{where} holds another run, which differs in {', '.join(other)}. Pass another store=, or remove this one."
            raise InputValueError(msg)
        try:
            self._group = _open(where, "r+")
            self._arrays: list[Any] = [self._group[f.path] for f in self.fields]
            self._entry: Any = self._group[self._path]
            self._inputs, self._outputs = self._entry[INPUTS], self._entry[OUTPUTS]
        except (OSError, KeyError, *UNREADABLE) as error:
            msg = f"{where} is damaged ({printable(error)}). Remove it, or pass another store=, and call again."
            raise InputValueError(msg) from error

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
        with _said(self.where):
            for there, value in zip(self._arrays, typed, strict=True):
                there[self.rows(chunk)] = value
            self._outputs[chunk] = _as_bytes(digest(*typed))
            self._inputs[chunk] = _as_bytes(inputs)

    def halved(self, size: int) -> None:
        """Note that the memory of a worker ran out, and the size of the batches with which it went on; the smallest one stays."""
        least = self._entry.attrs.get(HALVED)
        if least is None or size < least:
            with _said(self.where):
                self._entry.attrs[HALVED] = size

    def missing(self) -> list[int]:
        """Return the chunks that nobody has finished."""
        return [c for c in range(self.n_chunks) if self._digest(self._inputs, c) is None]

    @property
    def finished(self) -> bool:
        """Whether all was done and read once more."""
        return bool(self._group.attrs[ATTRIBUTE]["finished"])

    def finish(self) -> list[int]:
        """Read every chunk, note the cells with zeros and set the flag, if all are there; return the chunks that are not.

        To call it twice, or from two workers at once, changes nothing.
        """
        torn = self.missing()
        empty = []
        for chunk in range(self.n_chunks) if not torn else ():
            values = self.read(chunk)
            if values is None:
                torn.append(chunk)
            else:
                empty.append(self.rows(chunk).start + np.flatnonzero(self._empty(values)))
        if torn:
            return torn
        with _said(self.where), _quiet():
            self._note(np.concatenate(empty))
            self._group.attrs[ATTRIBUTE] = {**self._group.attrs[ATTRIBUTE], "finished": True}
        return []

    def _note(self, empty: np.ndarray) -> None:
        """Write the positions of the cells with nothing; what is there is never taken away, since another worker may be reading it."""
        from zarr.errors import ContainsArrayError

        with suppress(ContainsArrayError):
            array(self._entry, EMPTY, empty.shape, (max(len(empty), 1),), "int64", 0)
        self._entry[EMPTY][:] = empty

    def empty_cells(self) -> np.ndarray:
        """Return the positions of the cells with nothing, of a finished store."""
        return np.asarray(self._entry[EMPTY][:])

    def read(self, chunk: int) -> list[np.ndarray] | None:
        """Return the fields of a chunk; None if one is torn, or is not what was written."""
        try:
            with _said(self.where, "read"):
                values = [np.asarray(there[self.rows(chunk)]) for there in self._arrays]
        except InputValueError:
            raise
        except UNREADABLE:
            return None
        return values if digest(*values) == self._digest(self._outputs, chunk) else None

    def _digest(self, of: Any, chunk: int) -> str | None:
        try:
            with _said(self.where, "read"):
                found = np.asarray(of[chunk])
        except InputValueError:
            raise
        except UNREADABLE:
            return None
        return found.tobytes().hex() if found.any() else None

    def _create(self, attributes: dict[str, Any], rest: "AnnData") -> None:
        def fill(where: str | Path) -> None:
            with _said(self.where), _quiet():
                _fill(_open(where, "w"), attributes, rest, self.fields, self._path)

        if not isinstance(self.where, Path):
            fill(self.where)  # an object store renames nothing
            return
        try:
            write_folder(self.where, fill, overwrite=False, known=lambda folder: ())
        except InputValueError:
            if _attributes(self.where) is None:  # else another worker was first
                raise


def _fill(group: Any, attributes: dict[str, Any], rest: "AnnData", fields: Sequence[Field], entry: str) -> None:
    from anndata.io import write_elem

    write_elem(group, "/", rest)
    for field in fields:
        field.create(group, rest.n_obs, min(CHUNK, rest.n_obs))
    n_chunks = -(-rest.n_obs // CHUNK)
    for name in (INPUTS, OUTPUTS):
        array(group[entry], name, (n_chunks, 32), (1, 32), "uint8", 0)
    group.attrs[ATTRIBUTE] = attributes


def _as_bytes(sha256: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(sha256), dtype=np.uint8)


def whole_of(where: str | Path) -> Mapping[str, Any] | None:
    """Return what the worker that began a store found out from all cells; None where there is no store."""
    there = _attributes(where)
    return None if there is None else there.get("whole", {})


def check_store(where: str | Path) -> str | Path:
    """Return a folder as a path and an address as it is; refuse, before any work, what cannot become a store.

    Raises
    ------
    InputValueError
        If a file, or a folder of something else, stands there, or it would be within a folder of cells.
    MissingExtraError
        If the package that an address wants is not installed.
    """
    protocol, _, rest = str(where).partition("://")
    if rest and protocol not in ("file", "local"):
        _check_protocol(str(where))
        return str(where)
    path = as_path("store", rest or where)
    outer = next((p for p in path.absolute().parents if (p / "obs").is_dir() and (p / "var").is_dir()), None)
    if outer is not None:
        msg = f"store={str(where)!r} lies within the cells of {outer}. Pass a folder outside."
        raise InputValueError(msg)
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and _attributes(path) is None)):
        msg = f"store={str(where)!r} exists and is no store of this package. Pass a new folder."
        raise InputValueError(msg)
    return path


def _check_protocol(where: str) -> None:
    try:
        from zarr.storage import FsspecStore

        FsspecStore.from_url(where)
    except ImportError as error:
        msg = (
            f"store={where!r} wants a package that is not installed: {error}. Install it, or pass the path of a folder."
        )
        raise MissingExtraError(msg) from error
    except ValueError as error:
        msg = f"store={where!r} is an address of an unknown kind: {error}. Pass the path of a folder, or an address as s3://…"
        raise InputValueError(msg) from error


def _attributes(where: str | Path) -> Mapping[str, Any] | None:
    """Return the plan and the flag of a store; None where there is none."""
    if isinstance(where, Path) and not where.is_dir():
        return None
    try:
        found = _open(where, "r").attrs.get(ATTRIBUTE)
    except (OSError, KeyError, *UNREADABLE):
        return None
    return found if isinstance(found, Mapping) and isinstance(found.get("plan"), Mapping) else None


def _open(where: str | Path, mode: Any) -> Any:
    import zarr

    return zarr.open_group(where, mode=mode, zarr_format=3)


@contextmanager
def _said(where: str | Path, doing: str = "written") -> Iterator[None]:
    """Say in a line that a disk is full or takes nothing, or a server does not answer; what is finished stays."""
    try:
        yield
    except OSError as error:
        msg = (
            f"{where} cannot be {doing}: {error.strerror or error}. The chunks that are finished stay: make space, or mend what is "
            "wrong, and call again."
        )
        raise InputValueError(msg) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Pass over what anndata and zarr announce: texts that no specification has yet, the next default of shards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
