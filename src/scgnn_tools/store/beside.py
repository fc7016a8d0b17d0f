"""What is in a store beside its chunks: whether a place can be one, its plan, and files that are mended when they are torn."""

import json
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._log import counted, printable, say
from scgnn_tools._write import as_path, goes_on, write_folder, write_whole

ATTRIBUTE, REST, DESCRIPTION = "sgt_store", "rest", "zarr.json"
"""Attribute of the group; of it, the checksums of the files that are no chunks; and the name of those that describe an array or a group."""

HALVED = "halved_to"
"""Attribute of the entry: the smallest batch that a worker was left with when its memory ran out."""

UNREADABLE = (ValueError, TypeError, RuntimeError, IndexError, OverflowError)
"""What zarr and its codecs raise for a chunk that is torn, or whose checksum is another."""

LOST = (KeyError, AttributeError, *UNREADABLE)
"""What they raise for an array or a group whose description is torn or gone."""


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
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and attributes_of(path) is None)):
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


class BesideChunks:
    """The files of a store that are no chunks: names, vectors of genes, the entry and descriptions, each with a checksum beside the plan.

    Parameters
    ----------
    where
        A folder, or an address that fsspec knows.
    fill
        Writes what a new store holds into a group.
    entry
        Path of the entry in ``uns``, where a worker may note how far its batches were halved.
    """

    def __init__(self, where: str | Path, fill: Callable[[Any], None], entry: str) -> None:
        self._where, self._fill, self._entry = where, fill, entry

    def differ(self, names: Iterable[str]) -> list[str]:
        """Return those of the files whose content is not the one that was noted."""
        noted = (attributes_of(self._where) or {}).get(REST, {})
        return self._torn(set(names) & set(noted), noted)

    def create(self, attributes: dict[str, Any]) -> None:
        """Begin a store; of several workers one does."""
        files = self._files(attributes)
        if not isinstance(self._where, Path):  # an object store renames nothing
            self._create_at_address(files)
            return

        def fill(folder: Path) -> None:
            for name, content in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)

        try:
            write_folder(self._where, fill, overwrite=False, known=lambda folder: ())
        except InputValueError:
            if attributes_of(self._where) is None:  # else another worker was first
                raise

    def mend(self) -> None:
        """Write again what is torn, or gone, of the names, the vectors of genes, the entry and the descriptions of the arrays.

        Chunks have checksums of their own; those of all other files stand beside the plan.
        """
        there = attributes_of(self._where) or {}
        noted = dict(there.get(REST, {}))
        with goes_on(self._where, "mended"):
            torn = self._torn(noted, noted)
            if not torn:
                return
            wanted = self._files()
            entry = f"{self._entry}/{DESCRIPTION}"
            if entry in torn and _described(_read(self._where, entry)) == _described(wanted[entry]):
                torn.remove(entry)
            for name in (n for n in torn if n in wanted):
                _write(self._where, name, wanted[name])
                noted[name] = _crc(wanted[name])
            if noted != there[REST]:
                open_group(self._where, "r+").attrs[ATTRIBUTE] = {**there, REST: noted}
        if torn:
            say(f"{self._where}: damaged beside the chunks, and written again: {counted(len(torn), 'file')}")

    def _create_at_address(self, files: Mapping[str, bytes]) -> None:
        """Write where nothing is, or what another worker began; what else is there stays."""
        with goes_on(self._where, "read"):
            there = set(_at(str(self._where)))
        if attributes_of(self._where) is not None:
            return
        if DESCRIPTION in there or there - set(files):
            msg = f"store={self._where!r} holds something else, {printable(min(there))!r} among it. Pass another store."
            raise InputValueError(msg)
        with goes_on(self._where):
            for name, content in files.items():
                _write(self._where, name, content)

    def _torn(self, names: Iterable[str], noted: Mapping[str, int]) -> list[str]:
        """Return those of the files whose content is not the one that was noted."""
        return [name for name in names if _crc(_read(self._where, name)) != noted[name]]

    def _files(self, attributes: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        """Return the files of a new store by name, the description of the whole last: nothing is a store before it is there."""
        from zarr.storage import MemoryStore

        files: dict[str, Any] = {}
        with without_announcements():
            group = open_group(MemoryStore(files), "w")
            try:
                self._fill(group)
            except UnicodeEncodeError as error:
                msg = (
                    f"{printable(ascii(error.object))}, a name of a cell, a gene or a label, holds half of a character, which no file "
                    "takes. Give it another name, for example in adata.obs_names."
                )
                raise InputValueError(msg) from error
            noted = {name: _crc(files[name].to_bytes()) for name in sorted(files) if name != DESCRIPTION}
            group.attrs[ATTRIBUTE] = {**(attributes or {}), REST: noted}
        return {name: files[name].to_bytes() for name in [*noted, DESCRIPTION]}


def attributes_of(where: str | Path) -> Mapping[str, Any] | None:
    """Return the plan and the flag of a store; None where there is none."""
    if isinstance(where, Path) and not where.is_dir():
        return None
    try:
        found = open_group(where, "r").attrs.get(ATTRIBUTE)
    except (OSError, KeyError, *UNREADABLE):
        return None
    whole = isinstance(found, Mapping) and all(isinstance(found.get(k, {}), Mapping) for k in ("plan", "whole", REST))
    return found if whole and "plan" in found else None


def open_group(where: Any, mode: Any) -> Any:
    """Open a store of either kind, or one in memory."""
    import zarr

    # a list of all arrays, which others may have added, is older than what is there
    return zarr.open_group(where, mode=mode, zarr_format=3, use_consolidated=False)


@contextmanager
def without_announcements() -> Iterator[None]:
    """Pass over what anndata and zarr announce: texts that no specification has yet, the next default of shards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _read(where: str | Path, name: str) -> bytes | None:
    """Return the bytes of a file of a store; None if it is not there."""
    try:
        return (where / name).read_bytes() if isinstance(where, Path) else _at(where)[name]
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, KeyError):
        return None


def _write(where: str | Path, name: str, content: bytes) -> None:
    if not isinstance(where, Path):
        _at(where)[name] = content
        return
    (where / name).parent.mkdir(parents=True, exist_ok=True)
    write_whole(where / name, lambda part: part.write_bytes(content))


def _crc(content: bytes | None) -> int | None:
    return None if content is None else zlib.crc32(content)


def _at(where: str) -> Any:
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
