"""Vectors of cells in chunks, in one zarr store that any number of workers write, none of which knows of another.

The chunk is the unit of work: 8,192 cells, one file with a checksum, beside it the sha256 of the rows that it was made from. A chunk that
is there, readable and of these rows is done; whatever else is there is made again. The plan stands in the attributes of the group. There is
no coordinator and no lock: two that make one chunk write the same bytes, and whoever finds the last one done sets the flag.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import ROOT, EmbeddingKeys
from scgnn_tools._write import as_path, write_folder
from scgnn_tools.data.batches import CHUNK
from scgnn_tools.store.plan import differences

if TYPE_CHECKING:
    from anndata import AnnData

ATTRIBUTE, INPUTS, EMPTY = "sgt_store", "inputs", "empty_cells"
"""Attribute of the group; entries of ``uns["sgt"][key]``: the digest of each chunk's rows, the cells with zeros."""

UNREADABLE = (ValueError, TypeError, RuntimeError, IndexError, OverflowError)
"""What zarr and its codecs raise for a chunk that is torn, or whose checksum is another."""


def shard_of(n_chunks: int, shard: tuple[int, int]) -> range:
    """Return the chunks of part ``shard[0]`` of ``shard[1]``: neighbours, and every chunk is in one part."""
    index, n = shard
    return range(index * n_chunks // n, (index + 1) * n_chunks // n)


class CellStore:
    """A zarr store, format 3, that opens as an AnnData: names of cells and genes, and one vector a cell.

    Parameters
    ----------
    where
        A folder, or an address that fsspec knows ("s3://…").
    plan
        What decides the vectors, part by part, in words or as a digest. It is compared with the plan of a store that is there.
    key
        Name of the embedding.
    dimension
        Length of a vector.
    rest
        The AnnData that the store is, but for the vectors: with ``uns["sgt"][key]``. Written once.

    Raises
    ------
    InputValueError
        If the store is of another plan (the part is named), if something else stands there, or it cannot be written.
    """

    def __init__(
        self, where: str | Path, plan: Mapping[str, object], *, key: str, dimension: int, rest: "AnnData"
    ) -> None:
        self.where, self.keys = where, EmbeddingKeys(key)
        self.n_obs, self.dimension = rest.n_obs, dimension
        self.n_chunks = -(-rest.n_obs // CHUNK)
        wanted = {k: str(v) for k, v in plan.items()}
        if _attributes(where) is None:
            self._create(wanted, rest)
        there = _attributes(where)
        if there is None:
            msg = f"store={str(where)!r} exists and holds something else. Pass another store."
            raise InputValueError(msg)
        other = differences(there["plan"], wanted)
        if other:
            msg = f"{where} holds another run, which differs in {', '.join(other)}. Pass another store=, or remove this one."
            raise InputValueError(msg)
        self._group = _open(where, "r+")
        self._vectors: Any = self._group["obsm"][self.keys.obsm]
        self._inputs: Any = self._group["uns"][ROOT][self.keys.uns][INPUTS]

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
        made_from, vectors = self._made_from(chunk), self._read(chunk)
        if made_from is None or vectors is None:
            return False
        if made_from != inputs:
            rows = self.rows(chunk)
            msg = (
                f"Cells {rows.start:,} to {rows.stop - 1:,} are not those that {self.where} was made from: the input has changed "
                "since. Pass another store=, or remove this one."
            )
            raise InputValueError(msg)
        return True

    def put(self, chunk: int, vectors: np.ndarray, inputs: str) -> None:
        """Write the vectors of a chunk, then the digest of its rows."""
        if not np.isfinite(vectors).all():
            msg = f"The model gave vectors that are not finite in chunk {chunk}. Pass precision='float32', or other weights."
            raise InputValueError(msg)
        with _said(self.where):
            self._vectors[self.rows(chunk)] = vectors
            self._inputs[chunk] = np.frombuffer(bytes.fromhex(inputs), dtype=np.uint8)

    def missing(self) -> list[int]:
        """Return the chunks that nobody has finished."""
        return [c for c in range(self.n_chunks) if self._made_from(c) is None]

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
            vectors = self._read(chunk)
            if vectors is None:
                torn.append(chunk)
            else:
                empty.append(self.rows(chunk).start + np.flatnonzero(~vectors.any(axis=1)))
        if torn:
            return torn
        with _said(self.where), _quiet():
            self._note(np.concatenate(empty))
            self._group.attrs[ATTRIBUTE] = {**self._group.attrs[ATTRIBUTE], "finished": True}
        return []

    def _note(self, empty: np.ndarray) -> None:
        """Write the positions of the cells with zeros; what is there is never taken away, since another worker may be reading it."""
        from zarr.errors import ContainsArrayError

        entry = self._group["uns"][ROOT][self.keys.uns]
        with suppress(ContainsArrayError):
            _array(entry, EMPTY, empty.shape, (max(len(empty), 1),), "int64", 0)
        entry[EMPTY][:] = empty

    def empty_cells(self) -> np.ndarray:
        """Return the positions of the cells with zeros, of a finished store."""
        return np.asarray(self._group["uns"][ROOT][self.keys.uns][EMPTY][:])

    def _read(self, chunk: int) -> np.ndarray | None:
        try:
            vectors = np.asarray(self._vectors[self.rows(chunk)])
        except UNREADABLE:
            return None
        return None if np.isnan(vectors).any() else vectors  # what is not there reads as NaN

    def _made_from(self, chunk: int) -> str | None:
        try:
            digest = np.asarray(self._inputs[chunk])
        except UNREADABLE:
            return None
        return digest.tobytes().hex() if digest.any() else None

    def _create(self, plan: dict[str, str], rest: "AnnData") -> None:
        def fill(where: str | Path) -> None:
            with _said(self.where), _quiet():
                _fill(_open(where, "w"), plan, rest, self.keys, (self.n_obs, self.dimension))

        if not isinstance(self.where, Path):
            fill(self.where)  # an object store renames nothing
            return
        try:
            write_folder(self.where, fill, overwrite=False, known=lambda folder: ())
        except InputValueError:
            if _attributes(self.where) is None:  # else another worker was first
                raise


def _fill(group: Any, plan: dict[str, str], rest: "AnnData", keys: EmbeddingKeys, shape: tuple[int, int]) -> None:
    from anndata.io import write_elem

    write_elem(group, "/", rest)
    rows = min(CHUNK, shape[0])
    _array(group["obsm"], keys.obsm, shape, (rows, shape[1]), "float32", np.nan)
    n_chunks = -(-shape[0] // CHUNK)
    _array(group["uns"][ROOT][keys.uns], INPUTS, (n_chunks, 32), (1, 32), "uint8", 0)
    group.attrs[ATTRIBUTE] = {"plan": plan, "finished": False}


def _array(group: Any, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str, fill: float) -> None:
    from zarr.codecs import Crc32cCodec

    # vectors hardly shrink: a checksum is all that is added to the numbers
    array = group.create_array(
        name, shape=shape, chunks=chunks, dtype=dtype, fill_value=fill, compressors=[Crc32cCodec()]
    )
    array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def check_store(where: str | Path) -> str | Path:
    """Return a folder as a path and an address as it is; refuse, before any work, what cannot become a store.

    Raises
    ------
    InputValueError
        If a file, or a folder of something else, stands there.
    """
    if "://" in str(where):
        return str(where)
    path = as_path("store", where)
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and _attributes(path) is None)):
        msg = f"store={str(where)!r} exists and is no store of this package. Pass a new folder."
        raise InputValueError(msg)
    return path


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
def _said(where: str | Path) -> Iterator[None]:
    """Say in a line that a disk is full or takes nothing; what is finished stays."""
    try:
        yield
    except OSError as error:
        msg = (
            f"{where} cannot be written: {error.strerror or error}. The chunks that are finished stay: make space, or mend what is "
            "wrong, and call again."
        )
        raise InputValueError(msg) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Pass over what anndata and zarr announce: texts that no specification has yet, the next default of shards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
