"""Writing files and folders, whole or not at all."""

import ctypes
import errno
import os
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from platform import node

from scgnn_tools._choices import choice
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._log import printable

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How an address begins, "s3://" or what pathlib makes of it; a drive of Windows has one letter."""
EXCHANGE = 2
"""Flag of renameat2 (Linux) and renamex_np (macOS): two names change places in one step."""


def as_path(name: str, value: object) -> Path:
    """Return the path that a user passed as ``name``, "~" resolved, if a system can hold it.

    Raises
    ------
    InputTypeError, InputValueError
        If it is no path but an address, holds characters that no name of a file has, or cannot be looked up.
    """
    if not isinstance(value, str | Path):
        msg = f"{name} is a path; got {printable(repr(value))}."
        raise InputTypeError(msg)
    if not str(value).strip():
        msg = f"{name}={str(value)!r} is empty. Pass a path."
        raise InputValueError(msg)
    if ADDRESS.match(str(value)):
        msg = (
            f"{name}={printable(repr(str(value)))} is an address; the path of a file or folder is wanted here. Fetch the file first; "
            "results go to an address by tl.embed(store=) and tl.annotate(store=) alone, as text."
        )
        raise InputValueError(msg)
    try:
        if b"\0" in os.fsencode(value):
            msg = f"{name}={printable(repr(str(value)))} holds a null character, which no path has."
            raise InputValueError(msg)
    except UnicodeEncodeError as error:
        msg = f"{name}={printable(repr(str(value)))} holds characters that no path has ({error.reason})."
        raise InputValueError(msg) from error
    try:
        path = Path(value).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:
        # a name that is too long, a folder that may not be looked into, nobody's home
        why = getattr(error, "strerror", None) or error
        msg = f"{name}={printable(repr(str(value)))} cannot be looked up: {why}. Pass another path."
        raise InputValueError(msg) from error
    return path


def write_whole(path: Path, save: Callable[[Path], object]) -> None:
    """Call ``save`` with a temporary name beside ``path``, then rename: a reader never sees half a file.

    Writers do not meet: each has a name of its own. What ``path`` links to is replaced; the link stays.
    """
    path = target_of(path)
    _check_no_folder(path)
    part = _beside(path)
    try:
        _create(part)
        save(part)
        _to_disk(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _to_disk(path.parent)


def write_new(path: Path, save: Callable[[Path], object]) -> bool:
    """Write as :func:`write_whole` where nothing is yet, and tell whether this call did; of several writers one does."""
    part = _beside(path)
    try:
        _create(part)
        save(part)
        _to_disk(part)
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            try:
                _create(path)
            except FileExistsError:
                return False
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _to_disk(path.parent)
    return True


def write_folder(
    folder: str | Path, fill: Callable[[Path], object], *, overwrite: bool, known: Callable[[Path], Collection[str]]
) -> None:
    """Write a folder whole: a new one beside it, on disk before it takes the name in one step; the old one stays until then.

    Parameters
    ----------
    folder
        Where; what it links to is replaced and the link stays.
    fill
        Writes the content into the folder that it is given.
    overwrite
        Replace what is there, all of it: nothing of an older save stays behind.
    known
        Names that a folder may hold and be replaced; others are somebody else's.

    Raises
    ------
    InputValueError
        If the folder is there and ``overwrite`` is not set, if it holds something that no save wrote, or cannot be written.
    """
    folder = target_of(as_path("folder", folder).absolute())
    if not folder.name:
        msg = f"{folder} is no name of a folder. Pass another one."
        raise InputValueError(msg)
    check_replaceable(folder, overwrite=overwrite, known=known)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = _beside(folder)
        try:
            part.mkdir()
            if folder.exists():
                shutil.copymode(folder, part)
            fill(part)
            for p in sorted(part.rglob("*"), reverse=True):
                _to_disk(p)
            _to_disk(part)
            _take_place(part, folder, overwrite=overwrite)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        _to_disk(folder.parent)
    except OSError as error:
        msg = (
            f"{folder} cannot be written: {error.strerror or error}. What was there is as it was. Pass another folder."
        )
        raise InputValueError(msg) from error


@contextmanager
def goes_on(where: str | Path, doing: str = "written") -> Iterator[None]:
    """Say in a line that a disk is full or takes nothing, or a server does not answer, where a later call goes on from what is there."""
    try:
        yield
    except OSError as error:
        msg = (
            f"{where} cannot be {doing}: {error.strerror or error}. What is finished stays: make space, or mend what is wrong, and "
            "call again."
        )
        raise InputValueError(msg) from error


def free_space(folder: Path) -> int:
    """Return how many bytes a file in ``folder`` can have: what the disk has left, or the limit of the process."""
    free = shutil.disk_usage(folder).free
    with suppress(ImportError, OSError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        free = free if limit == resource.RLIM_INFINITY else min(free, limit)
    return free


@contextmanager
def alone(lock: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock file: of several processes and threads one goes on, the others wait; a dead one's lock is free.

    The file is gone afterwards. Where the system has no such locks, nobody waits.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    told = False
    while True:
        handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, lock):
                break
        except BlockingIOError:
            if not told:
                waiting()
                told = True
            time.sleep(0.05)
        except OSError:  # a file system without locks
            break
        os.close(handle)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def target_of(path: Path) -> Path:
    """Return what a path links to, the path itself if it is no link."""
    if not path.is_symlink():
        return path
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:
        msg = f"{path} is a link that leads nowhere ({error}). Pass another path."
        raise InputValueError(msg) from error
    if target.is_symlink() or not target.parent.is_dir():
        msg = f"{path} is a link to {target}, whose folder is not there. Pass another path."
        raise InputValueError(msg)
    return target


def check_folder_of(path: Path) -> None:
    """Refuse a file whose folder is not there, and the name of a folder; of a link the folder is that of what it leads to."""
    if not target_of(path).absolute().parent.is_dir():
        msg = f"There is no folder {path.absolute().parent}. Make it first, or pass another path."
        raise InputValueError(msg)
    check_possible(target_of(path))
    _check_no_folder(path)


def _check_no_folder(path: Path) -> None:
    if path.is_dir():
        msg = f"{path} is a folder; a file is written. Pass another path."
        raise InputValueError(msg)


def check_possible(path: Path) -> None:
    """Refuse, before any work, what could not be written; folders that are not there yet will be made.

    Whether a folder takes a name is tried: for the administrator, and on file systems such as ``/proc``, permissions do not tell.
    """
    first = next((p for p in path.absolute().parents if p.exists()), path.absolute().parent)
    probe = _beside(first / path.name)
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error} ({first}). Pass another path."
        raise InputValueError(msg) from error


def _is_at(handle: int, path: Path) -> bool:
    """Tell whether an open file still has its name: the one who held the lock before takes it away."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _beside(path: Path) -> Path:
    """Return a name of nobody else's beside ``path``, after taking away what processes that are dead left there."""
    here = f"{zlib.crc32(node().encode()):08x}"
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.part-{here}-(\d+)-[0-9a-f]{{8}}{re.escape(path.suffix)}")
    with suppress(OSError):
        for other in path.parent.iterdir():
            found = pattern.fullmatch(other.name)
            if found and not _is_alive(int(found[1])):
                shutil.rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink(missing_ok=True)
    return path.with_name(f".{path.stem}.part-{here}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")


def _is_alive(process: int) -> bool:
    if os.name != "posix":  # elsewhere signal 0 is no question
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names of a folder, are on the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:  # not every system can, above all for folders; a full or broken disk is said
        if error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            raise


def check_replaceable(folder: Path, *, overwrite: bool, known: Callable[[Path], Collection[str]]) -> None:
    """Refuse a folder that :func:`write_folder` would not replace."""
    choice("overwrite", overwrite, (True, False))
    if not folder.exists():
        return
    if not folder.is_dir():
        msg = f"{folder} is a file; a folder is written. Pass another folder."
        raise InputValueError(msg)
    there = {p.name for p in folder.iterdir()}
    if there and not overwrite:
        msg = f"{folder} is there already. Pass another folder, or overwrite=True."
        raise InputValueError(msg)
    strange = sorted(there - set(known(folder)))
    if strange:
        some = ", ".join(repr(n) for n in strange[:5])
        msg = f"{folder} holds what no save wrote ({some}); overwrite=True would remove it. Pass another folder, or move it away."
        raise InputValueError(msg)


def _take_place(part: Path, folder: Path, *, overwrite: bool) -> None:
    """Give ``part`` the name ``folder``; what was there is at ``part`` afterwards."""
    if overwrite and folder.exists() and any(folder.iterdir()):
        if _exchange(part, folder):
            return
        old = _beside(folder)
        folder.rename(old)
        try:
            part.rename(folder)
        except BaseException:
            old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
        return
    if os.name != "posix" and folder.exists():
        folder.rmdir()
    try:
        part.rename(folder)  # over an empty folder, or over nothing
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            msg = f"{folder} is there already: another process wrote it. Pass another folder, or overwrite=True."
            raise InputValueError(msg) from error
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change names in one step; False where the system cannot."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if hasattr(libc, "renameat2"):
            here = ctypes.c_int(-100)  # AT_FDCWD
            done = libc.renameat2(here, os.fsencode(one.absolute()), here, os.fsencode(other.absolute()), EXCHANGE)
        elif hasattr(libc, "renamex_np"):
            done = libc.renamex_np(os.fsencode(one.absolute()), os.fsencode(other.absolute()), EXCHANGE)
        else:
            return False
    except (OSError, TypeError):
        return False
    return done == 0
