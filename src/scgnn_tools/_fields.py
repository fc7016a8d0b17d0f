"""The fields of an AnnData: read by name, and written all or none."""

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._keys import ROOT, WRITER, WRITTEN, EmbeddingKeys, Written
from scgnn_tools._log import printable
from scgnn_tools._modality import RNA, forward, inside

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

Fields = Mapping[str, Mapping[str, Any]]
"""What is to be written: container (``obs``, ``obsm``, ``uns``, …) to key to value."""

OURS = (ROOT, f"_{ROOT}", f"X_{ROOT}")
"""How names begin that are the package's own."""

ONE_AT_A_TIME = threading.RLock()
"""Threads write one after the other."""


def check_writable(data: "AnnData | MuData", *, copy: bool, mod: str = RNA) -> None:
    """Refuse, before any work, an object that could not be written to."""
    adata = inside(data, mod)
    if adata.isbacked and adata.is_view and not copy:
        msg = "This is a view of a backed AnnData, which cannot be written to. Pass view.to_memory(), or copy=True."
        raise InputValueError(msg)


def check_own(adata: "AnnData", keys: Any, fields: Written | None = None) -> None:
    """Refuse to replace what is the user's: entries that no result called ``keys.key`` of this package has written.

    Our own earlier result of the same kind is replaced, what it wrote and nothing beside it. Names that begin with "sgt", "_sgt" or
    "X_sgt" are the package's; they are replaced after an ``anndata.concat``, too, which leaves ``uns`` out.

    Parameters
    ----------
    adata
        What will be written into.
    keys
        Names of the result, of :mod:`scgnn_tools._keys`.
    fields
        What it will write; None for ``keys.fields``.

    Raises
    ------
    InputValueError
        The message names the entries, and ``key_added``.
    """
    taken = list(_named(keys.fields if fields is None else fields))
    before = _written_before(adata, keys)
    own = set(taken) if before is None else before
    if any((w, n) not in taken for w, n in own if w != "uns"):  # a result of another kind, which keeps its record
        own = set()
    theirs = [(w, n) for w, n in taken if n in getattr(adata, w) and not n.startswith(OURS) and (w, n) not in own]
    if theirs:
        shown = ", ".join(f"{where}[{printable(name)!r}]" for where, name in theirs)
        msg = (
            f"{shown} is there already, and no result called {printable(keys.key)!r} has written it: it would be replaced. "
            f"Pass another key_added=, for example {printable(keys.key) + '_2'!r}; or, if it may go, del adata.{shown.split(', ')[0]}."
        )
        raise InputValueError(msg)


def _named(fields: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    return ((where, name) for where, names in fields.items() for name in names)


def _written_before(adata: "AnnData", keys: Any) -> set[tuple[str, str]] | None:
    """Return what a result of that name wrote; nothing if there is none of this package, None for one that does not say."""
    if isinstance(keys, EmbeddingKeys):
        return None if keys.uns in root(adata) else set()
    before = adata.uns.get(keys.uns)
    params = before.get("params") if isinstance(before, Mapping) else None
    if not isinstance(params, Mapping) or WRITER not in params:
        return set()
    told = params.get(WRITTEN)
    return None if told is None else {(w, n) for w, _, n in (x.partition("/") for x in str(told).split("\n"))}


def _signed(where: str, value: Any, fields: Fields) -> Any:
    """Return an entry of ``uns`` with, in its parameters, the version that writes it and all that it writes under a user's name."""
    if where != "uns" or not isinstance(value, Mapping) or "params" not in value:
        return value
    from scgnn_tools import __version__

    written = "\n".join(f"{w}/{n}" for w, n in _named(fields) if not n.startswith(OURS))
    told = {WRITTEN: written} if written else {}
    return {**value, "params": {**value["params"], WRITER: __version__, **told}}


def write(
    data: "AnnData | MuData",
    fields: Fields,
    *,
    copy: bool,
    mod: str = RNA,
    stale: Mapping[str, Iterable[str]] | None = None,
) -> "AnnData | MuData | None":
    """Write all of the fields, or on any error none of them; return the copy if one was asked for.

    ``stale`` are names by container that an earlier call may have written: those that are not among the fields are taken away.

    A view becomes an object of its own when it is written to; that is what the caller asked for, so there is no warning. The parent stays
    as it is. A copy of a backed object is in memory.
    """
    from anndata import ImplicitModificationWarning

    with ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore", ImplicitModificationWarning)
        if copy:
            data = forward(data).to_memory() if data.isbacked and hasattr(data, "to_memory") else data.copy()
        adata = inside(data, mod)
        with _undone_on_error(adata) as note:
            for where, names in (stale or {}).items():
                for key in [n for n in names if n in getattr(adata, where) and n not in fields.get(where, {})]:
                    note(where, key)
                    del getattr(adata, where)[key]
            for where, values in fields.items():
                for key, value in values.items():
                    note(where, key)
                    # what another thread has put there since the value was made stays
                    shared = where == "uns" and key == ROOT
                    getattr(adata, where)[key] = {**root(adata), **value} if shared else _signed(where, value, fields)
    return data if copy else None


@contextmanager
def _undone_on_error(adata: "AnnData") -> Iterator[Callable[[str, str], None]]:
    before: list[tuple[str, str, bool, Any]] = []

    def note(where: str, key: str) -> None:
        place = getattr(adata, where)
        before.append((where, key, key in place, place.get(key)))

    try:
        yield note
    except BaseException:
        for where, key, was_there, value in reversed(before):
            place = getattr(adata, where)
            if was_there:
                place[key] = value
            elif key in place:
                del place[key]
        raise


def held(adata: "AnnData", name: str) -> Mapping[str, Any]:
    """Return what ``uns`` holds under a name if it is a dict, as a result is; an empty one for anything else and for nothing."""
    there = adata.uns.get(name)
    return there if isinstance(there, Mapping) else {}


def root(adata: "AnnData") -> Mapping[str, Any]:
    """Return ``uns["sgt"]``, where what is written by no ``key_added`` stands; empty if it is not there.

    Raises
    ------
    InputTypeError
        If something else stands there.
    """
    entry = adata.uns.get(ROOT, {})
    if not isinstance(entry, Mapping):
        msg = (
            f"uns['{ROOT}'] holds {type(entry).__name__}, not a dict; the package keeps its results there. Move yours: "
            f"adata.uns['mine'] = adata.uns.pop('{ROOT}')."
        )
        raise InputTypeError(msg)
    return entry
