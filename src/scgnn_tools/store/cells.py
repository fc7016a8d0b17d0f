"""Vectors or labels of cells in chunks, in one zarr store that any number of workers write, none of which knows of another.

The chunk is the unit of work: 8,192 cells, one file a field with a checksum, beside it the sha256 of the rows that it was made from and of
what was made. A chunk that is there, readable and of these rows is done; whatever else is there is made again. The plan stands in the
attributes of the group. There is no coordinator and no lock: two that make one chunk write the same bytes, and whoever finds the last one
done sets the flag.
"""

import json
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._log import counted, printable, say
from scgnn_tools._write import as_path, goes_on, write_folder, write_whole
from scgnn_tools.data.batches import CHUNK
from scgnn_tools.store.digest import digest
from scgnn_tools.store.fields import Field, array
from scgnn_tools.store.plan import differences

if TYPE_CHECKING:
    from anndata import AnnData

ATTRIBUTE, INPUTS, OUTPUTS, EMPTY = "sgt_store", "inputs", "outputs", "empty_cells"
"""Attribute of the group; entries of ``uns``: digests of each chunk's rows and of what was made of them, cells that have nothing."""

REST, DESCRIPTION = "rest", "zarr.json"
"""Of the attribute: checksums of the files that are no chunks; and the name of those that describe an array or a group."""

HALVED = "halved_to"
"""Attribute of the entry: the smallest batch that a worker was left with when its memory ran out."""

UNREADABLE = (ValueError, TypeError, RuntimeError, IndexError, OverflowError)
"""What zarr and its codecs raise for a chunk that is torn, or whose checksum is another."""

LOST = (KeyError, AttributeError, *UNREADABLE)
"""What they raise for an array or a group whose description is torn or gone."""


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
        self._path, self._rest, self._empty = "/".join(entry), rest, empty
        self.n_obs = rest.n_obs
        self.n_chunks = -(-rest.n_obs // CHUNK)
        wanted = {k: str(v) for k, v in plan.items()}
        if _attributes(where) is None:
            self._create({"plan": wanted, "finished": False, "whole": dict(whole or {})})
        there = _attributes(where)
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
        self._group = _open(self.where, "r+")
        self._arrays: list[Any] = [self._group[f.path] for f in self.fields]
        self._entry: Any = self._group[self._path]
        self._inputs, self._outputs = self._entry[INPUTS], self._entry[OUTPUTS]
        noted = (_attributes(self.where) or {}).get(REST, {})
        other = self._torn(
            {f"{a.path}/{DESCRIPTION}" for a in (*self._arrays, self._inputs, self._outputs)} & set(noted), noted
        )
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
            self._outputs[chunk] = _as_bytes(digest(*typed))
            self._inputs[chunk] = _as_bytes(inputs)

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
        with goes_on(self.where), _quiet():
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
        """Write again what is torn, or gone, of the names, the vectors of genes, the entry and the descriptions of the arrays.

        Chunks have checksums of their own; those of all other files stand beside the plan.
        """
        there = _attributes(self.where) or {}
        noted = dict(there.get(REST, {}))
        with goes_on(self.where, "mended"):
            torn = self._torn(noted, noted)
            if not torn:
                return
            wanted = self._files_beside()
            entry = f"{self._path}/{DESCRIPTION}"
            if entry in torn and _described(_file(self.where, entry)) == _described(wanted[entry]):
                torn.remove(entry)
            for name in (n for n in torn if n in wanted):
                _write_file(self.where, name, wanted[name])
                noted[name] = _crc(wanted[name])
            if noted != there[REST]:
                _open(self.where, "r+").attrs[ATTRIBUTE] = {**there, REST: noted}
        if torn:
            say(f"{self.where}: damaged beside the chunks, and written again: {counted(len(torn), 'file')}")

    def _torn(self, names: Iterable[str], noted: Mapping[str, int]) -> list[str]:
        """Return those of the files whose content is not the one that was noted."""
        return [name for name in names if _crc(_file(self.where, name)) != noted[name]]

    def _files_beside(self, attributes: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        """Return the files of a new store by name, the description of the whole last: nothing is a store before it is there."""
        from zarr.storage import MemoryStore

        files: dict[str, Any] = {}
        with _quiet():
            group = _open(MemoryStore(files), "w")
            try:
                _fill(group, self._rest, self.fields, self._path)
            except UnicodeEncodeError as error:
                msg = (
                    f"{printable(ascii(error.object))}, a name of a cell, a gene or a label, holds half of a character, which no file "
                    "takes. Give it another name, for example in adata.obs_names."
                )
                raise InputValueError(msg) from error
            noted = {name: _crc(files[name].to_bytes()) for name in sorted(files) if name != DESCRIPTION}
            group.attrs[ATTRIBUTE] = {**(attributes or {}), REST: noted}
        return {name: files[name].to_bytes() for name in [*noted, DESCRIPTION]}

    def _create(self, attributes: dict[str, Any]) -> None:
        files = self._files_beside(attributes)
        if not isinstance(self.where, Path):  # an object store renames nothing
            self._create_at_address(files)
            return

        def fill(folder: Path) -> None:
            for name, content in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)

        try:
            write_folder(self.where, fill, overwrite=False, known=lambda folder: ())
        except InputValueError:
            if _attributes(self.where) is None:  # else another worker was first
                raise

    def _create_at_address(self, files: Mapping[str, bytes]) -> None:
        """Write where nothing is, or what another worker began; what else is there stays."""
        with goes_on(self.where, "read"):
            there = set(_files(str(self.where)))
        if _attributes(self.where) is not None:
            return
        if DESCRIPTION in there or there - set(files):
            msg = f"store={self.where!r} holds something else, {printable(min(there))!r} among it. Pass another store."
            raise InputValueError(msg)
        with goes_on(self.where):
            for name, content in files.items():
                _write_file(self.where, name, content)


def _fill(group: Any, rest: "AnnData", fields: Sequence[Field], entry: str) -> None:
    from anndata.io import write_elem

    write_elem(group, "/", rest)
    for field in fields:
        field.create(group, rest.n_obs, min(CHUNK, rest.n_obs))
    n_chunks = -(-rest.n_obs // CHUNK)
    for name in (INPUTS, OUTPUTS):
        array(group[entry], name, (n_chunks, 32), (1, 32), "uint8", 0)


def _file(where: str | Path, name: str) -> bytes | None:
    """Return the bytes of a file of a store; None if it is not there."""
    try:
        return (where / name).read_bytes() if isinstance(where, Path) else _files(where)[name]
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, KeyError):
        return None


def _write_file(where: str | Path, name: str, content: bytes) -> None:
    if not isinstance(where, Path):
        _files(where)[name] = content
        return
    (where / name).parent.mkdir(parents=True, exist_ok=True)
    write_whole(where / name, lambda part: part.write_bytes(content))


def _crc(content: bytes | None) -> int | None:
    return None if content is None else zlib.crc32(content)


def _files(where: str) -> Any:
    import fsspec

    return fsspec.get_mapper(where)


def _described(content: bytes | None) -> Any:
    """Return the description of a group without what a worker notes there; None if it is torn."""
    try:
        found = json.loads(content or b"")
        found["attributes"].pop(HALVED, None)
    except LOST:
        return None
    return found


def _as_bytes(sha256: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(sha256), dtype=np.uint8)


def whole_of(where: str | Path) -> Mapping[str, Any] | None:
    """Return what the worker that began a store found out from all cells; None where there is no store."""
    there = _attributes(where)
    return None if there is None else there.get("whole", {})


def check_store(where: str | Path, cells: object = None) -> str | Path:
    """Return a folder as a path and an address as it is; refuse, before any work, what cannot become a store of ``cells``.

    Raises
    ------
    InputValueError
        If a file, or a folder of something else, stands there, or it would be within a folder of cells or a collection of them.
    MissingExtraError
        If the package that an address wants is not installed.
    """
    protocol, _, rest = str(where).partition("://")
    if rest and protocol not in ("file", "local"):
        _check_protocol(str(where))
        return str(where)
    path = as_path("store", unquote(rest) or where)
    inner = [] if not isinstance(cells, str | Path) else [as_path("adata", cells).resolve()]
    outer = next(
        (p for p in path.resolve().parents if p in inner or ((p / "obs").is_dir() and (p / "var").is_dir())), None
    )
    if outer is not None:
        msg = f"store={str(where)!r} lies within the cells of {outer}. Pass a folder outside."
        raise InputValueError(msg)
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and _attributes(path) is None)):
        msg = f"store={str(where)!r} exists and is no store of this package, or its zarr.json is damaged. Pass a new folder."
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
    whole = isinstance(found, Mapping) and all(isinstance(found.get(k, {}), Mapping) for k in ("plan", "whole", REST))
    return found if whole and "plan" in found else None


def _open(where: Any, mode: Any) -> Any:
    import zarr

    # a list of all arrays, which others may have added, is older than what is there
    return zarr.open_group(where, mode=mode, zarr_format=3, use_consolidated=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Pass over what anndata and zarr announce: texts that no specification has yet, the next default of shards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
