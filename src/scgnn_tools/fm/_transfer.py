"""One file from one address: asked for, resumed where it is the same file, checked before it takes its name."""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools._progress import counter
from scgnn_tools._write import free_space, write_whole
from scgnn_tools.fm import _content
from scgnn_tools.fm._fetched import sha256 as sha256_of
from scgnn_tools.fm._sources import HUB

if TYPE_CHECKING:
    import requests

PIECE = 2**20
HOPS = 10
WINDOW, SLOWEST = 15.0, 1024
"""Seconds over which a server is watched, and the bytes a second that it has to send in them."""
SPARE = 2**26


class BrokenError(Exception):
    """The connection broke; the same address may go on."""


class AbsentError(Exception):
    """The file is not at that address."""


@dataclass(frozen=True)
class PartialFile:
    """What is there of a file: of any source where its sha256 is known, else of one address and one version of the file."""

    path: Path
    url: str
    sha256: str | None

    @classmethod
    def of(cls, path: Path, url: str, sha256: str | None) -> "PartialFile":
        """Return the part of a file from an address."""
        source = "" if sha256 else "." + hashlib.sha256(url.encode()).hexdigest()[:8]
        return cls(path.with_name(f".{path.name}{source}.part"), url, sha256)

    @property
    def _about(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    def begun(self) -> tuple[int, str | None]:
        """Return how many bytes can be gone on from, and what names their version; take away what cannot be."""
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
            self.forget()  # a name that leads elsewhere
        if not self.path.is_file() or self.path.stat().st_nlink > 1:
            self.forget()
            return 0, None
        version = None
        if self.sha256 is None:
            try:
                about = json.loads(self._about.read_text(encoding="utf-8"))
                version = about["version"] if about["url"] == self.url else None
            except (OSError, ValueError, KeyError, TypeError):
                version = None
            if not isinstance(version, str):
                self.forget()
                return 0, None
        return self.path.stat().st_size, version

    def note(self, version: str | None) -> None:
        """Keep what names the version of the file that the part is of."""
        if self.sha256 is None:
            text = json.dumps({"url": self.url, "version": version})
            write_whole(self._about, lambda part: part.write_text(text, encoding="utf-8"))

    def open(self, *, append: bool) -> IO[bytes]:
        """Open the part to write to; a link is not followed."""
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self.path, flags | (os.O_APPEND if append else os.O_TRUNC), 0o666), "wb")

    def forget(self) -> None:
        """Take the part away."""
        for path in (self.path, self._about):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        """Give the file its name."""
        self.path.replace(path)
        self.forget()


def transfer(url: str, path: Path, sha256: str | None) -> str:
    """Download to ``path`` by way of a part that a later call goes on with; return the sha256.

    Raises
    ------
    BrokenError, AbsentError
        If the address does not give the file, or not now.
    WeightsError
        If the disk is full.
    """
    part = PartialFile.of(path, url, sha256)
    have, version = part.begun()
    headers = {"Accept-Encoding": "identity", "Connection": "close"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {})
    answer, announced = _ask(url, headers)
    wanted = sha256 or announced
    with answer:
        if not (answer.status_code == 416 and have and sha256):  # else all of it is here, which the sha256 tells
            try:
                left = _length(answer, part, have, version)
            except BrokenError:
                part.forget()
                raise
            try:
                _receive(answer, part, path, left, wanted)
            except (BrokenError, AbsentError):
                part.begun()  # which takes away what nobody can go on from
                raise
    seen = sha256_of(part.path)
    if seen != wanted:
        fault = _content.fault(part.path, path.suffix)
        if wanted is not None:
            fault = "; ".join(filter(None, [fault, f"sha256 {seen[:12]}, wanted {wanted[:12]}"]))
        if fault is not None:
            part.forget()
            raise (BrokenError if have and wanted else AbsentError)(
                fault
            )  # what was resumed may have been another file's
    part.finish(path)
    return seen


def _ask(url: str, headers: dict[str, str]) -> tuple["requests.Response", str | None]:
    """Return the answer and the sha256 that the hub gives for a large file; redirections are followed by hand, without the token."""
    import requests

    announced, schemes = None, {"https", urlsplit(url).scheme}
    token = {"Authorization": f"Bearer {os.environ['HF_TOKEN'].strip()}"} if may_have_token(url) else {}
    try:
        for _ in range(HOPS):
            answer = requests.get(url, headers=headers | token, stream=True, timeout=(10, 60), allow_redirects=False)
            token = {}
            tag = answer.headers.get("X-Linked-Etag", "").strip('"')
            announced = announced or (tag if re.fullmatch(r"[0-9a-f]{64}", tag) else None)
            if not answer.is_redirect:
                return answer, announced
            answer.close()
            url = urljoin(url, answer.headers["Location"])
            if urlsplit(url).scheme not in schemes:
                msg = f"it leads to {printable(url, limit=100)}; https is wanted"
                raise AbsentError(msg)
    except ValueError as error:  # of the address
        msg = f"it leads to no address: {printable(error, limit=100)}"
        raise AbsentError(msg) from error
    except (requests.RequestException, HTTPException) as error:
        raise BrokenError(printable(error, limit=200)) from error
    msg = f"it leads on and on, {HOPS} times"
    raise AbsentError(msg)


def hub() -> str:
    """Return the address of the Hugging Face hub: ``HF_ENDPOINT`` where it is set and not empty."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def may_have_token(url: str) -> bool:
    """Tell whether ``HF_TOKEN`` is sent to an address: to the hub's own host, by https."""
    if not os.environ.get("HF_TOKEN", "").strip():
        return False
    at, home = urlsplit(url), urlsplit(hub())
    return at.scheme == home.scheme == "https" and at.netloc.lower() == home.netloc.lower()


def _length(answer: "requests.Response", part: PartialFile, have: int, version: str | None) -> int | None:
    """Return how many bytes come, None if nobody knows and it does not matter; refuse what is no file and what does not fit."""
    status, headers = answer.status_code, answer.headers
    if status == 416:
        msg = "it has no bytes behind those that are here"
        raise BrokenError(msg)
    if status not in (200, 206):
        msg = f"HTTP {status} {printable(answer.reason, limit=60)}"
        raise (BrokenError if status in (429, 500, 502, 503, 504) else AbsentError)(msg)
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        msg = f"it sent the file packed ({printable(headers['Content-Encoding'], limit=20)}), which nobody asked for"
        raise AbsentError(msg)
    if status == 206:
        _check_range(headers, have, version, part.sha256)
    told = headers.get("Content-Length")
    if told is None:
        return None
    if not re.fullmatch(r"\d{1,15}", told):
        msg = f"it announces a length of {printable(told, limit=20)!r}"
        raise AbsentError(msg)
    free = free_space(part.path.parent)
    if int(told) > free:
        msg = (
            f"{part.path.name[1:].removesuffix('.part')} needs {int(told) / 1e9:.1f} GB and {part.path.parent} has {free / 1e9:.1f} GB "
            "left. Pass folder= on another disk."
        )
        raise WeightsError(msg)
    return int(told)


def _check_range(headers: Any, have: int, version: str | None, sha256: str | None) -> None:
    """Refuse a part that does not go on where the bytes that are here end, or is of another version of the file."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", headers.get("Content-Range", "").strip())
    if not have:
        msg = "it sent a part of the file, and the whole was asked for"
        raise AbsentError(msg)
    if found is None and sha256 is not None and "Content-Range" not in headers:
        return  # the sha256 tells
    if found is None or int(found[1]) != have:
        msg = f"it went on at {printable(headers.get('Content-Range'), limit=60)}, not at byte {have:,}"
        raise BrokenError(msg)
    if version is not None and _version(headers) not in (None, version):
        msg = "the file was changed there in the meantime"
        raise BrokenError(msg)


def _version(headers: Any) -> str | None:
    """Return what names a version of a file: a strong ETag, or the time of its last change."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def _receive(answer: "requests.Response", part: PartialFile, path: Path, left: int | None, wanted: str | None) -> None:
    """Write the answer into the part."""
    append = answer.status_code == 206
    if not append:
        part.note(_version(answer.headers))
    endless = left is None and wanted is None and not _is_chunked(answer)
    try:
        with part.open(append=append) as out:
            if endless:  # whole and cut off look the same: say what it is, if that can be seen
                out.write(next(_pieces(answer, 2**10), b""))
            else:
                _copy(answer, out, path, left)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        msg = f"{path.name} cannot be written into {path.parent}: {error.strerror or error}. Pass folder= on another disk."
        raise WeightsError(msg) from error
    if endless:
        fault = _content.fault(part.path, path.suffix) or "it does not say how long the file is"
        part.forget()
        raise AbsentError(fault)


def _copy(answer: "requests.Response", out: IO[bytes], path: Path, left: int | None) -> None:
    """Write what comes; end with a server that sends less than it said, more than it said, or hardly anything."""
    got = shown = out.seek(0, 2)
    whole, began, before = got + (left or 0), time.monotonic(), got
    with counter(whole // PIECE, what=path.name, unit="MiB") as advance:
        for piece in _pieces(answer, left):
            out.write(piece)
            got += len(piece)
            advance(got // PIECE - shown // PIECE)
            shown, now = got, time.monotonic()
            if now - began > WINDOW:
                if got - before < SLOWEST * WINDOW:
                    msg = f"it sent {got - before:,} bytes in {now - began:.0f} seconds"
                    raise AbsentError(msg)
                began, before = now, got
            if left is None and got % SPARE < len(piece) and free_space(path.parent) < SPARE:
                msg = f"{path.name} does not end, and {path.parent} has no space left. Pass folder= on another disk."
                raise WeightsError(msg)
    if left is not None and got < whole:
        msg = f"the connection ended after {got:,} of {whole:,} bytes"
        raise BrokenError(msg)
    if left is not None and _goes_on(answer):
        msg = f"it goes on behind the {whole:,} bytes that it announced"
        raise AbsentError(msg)


def _is_chunked(answer: "requests.Response") -> bool:
    return "chunked" in answer.headers.get("Transfer-Encoding", "").lower()


def _stream(answer: "requests.Response") -> Any:
    """Return the buffered connection below an answer, which knows of no length; None where there is none to be had."""
    stream = getattr(getattr(answer.raw, "_fp", None), "fp", None)
    return stream if hasattr(stream, "read1") and not _is_chunked(answer) else None


def _pieces(answer: "requests.Response", left: int | None) -> Iterator[bytes]:
    """Yield bytes as they come, not more than ``left``, as they are sent."""
    stream = _stream(answer)
    try:
        if stream is None:
            yield from answer.iter_content(2**14)  # a packed answer was refused
            return
        while left is None or left > 0:
            piece = stream.read1(PIECE if left is None else min(left, PIECE))
            if not piece:
                return
            left = None if left is None else left - len(piece)
            yield piece
    except (OSError, HTTPException, ValueError) as error:
        msg = f"the connection broke ({printable(error, limit=100)})"
        raise BrokenError(msg) from error


def _goes_on(answer: "requests.Response", patience: float = 0.5) -> bool:
    """Tell whether more comes than was announced; a connection that is kept open or closed is quiet."""
    stream = _stream(answer)
    connection: Callable[..., Any] | None = getattr(
        getattr(getattr(stream, "raw", None), "_sock", None), "settimeout", None
    )
    if stream is None or connection is None:
        return False
    try:
        connection(patience)
        return bool(stream.read1(1))
    except (OSError, ValueError):
        return False
