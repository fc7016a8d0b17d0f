"""Published weights from where they are: resumed, from mirrors, checked, and never half there."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools._log import printable, say
from scgnn_tools._progress import counter
from scgnn_tools._settings import settings
from scgnn_tools._write import write_whole
from scgnn_tools.fm._native import sha256 as sha256_of
from scgnn_tools.fm._registry import card
from scgnn_tools.fm._sources import HUB, SOURCES, RemoteFile

if TYPE_CHECKING:
    import requests

TRIES = 3
PIECE = 2**20
RECORD = "download.json"


def download(
    name: str,
    *,
    variant: str | None = None,
    folder: str | Path | None = None,
    mirror: str | None = None,
    accept_license: bool = False,
) -> Path:
    """Download the published weights of a model.

    What is there already is not fetched again, what was cut off is resumed, and a file takes its name only when it is whole and its
    sha256 is right.

    Parameters
    ----------
    name
        As in ``fm.list()``.
    variant
        Which of the published checkpoints; None takes the model's first, and an unknown one names them all.
    folder
        Where to; None takes ``settings.cache_dir/<name>/<variant>``.
    mirror
        Address of a server that holds the files as ``<mirror>/<name>/<variant>/<file>``; tried before the published ones.
    accept_license
        Weights whose licence limits their use, or that have none, are fetched only with True; read the licence first.

    Returns
    -------
    pathlib.Path
        The folder: ``fm.load(name, checkpoint=folder)``.

    Raises
    ------
    InputValueError
        If there is nothing to download, no such variant, or the licence was not accepted.
    WeightsError
        If no address gives the file, or what it gives is not what was promised. Nothing is left but the resumable part.

    Notes
    -----
    The environment variables ``HF_ENDPOINT`` (another address of the hub) and ``HF_TOKEN`` are used as the hub's own client does.
    """
    about = card(name)
    if name not in SOURCES:
        nothing = (
            f"is bundled: sgt.fm.load({name!r})" if about.bundled else f"has no published weights ({about.weights})"
        )
        msg = f"There is nothing to download: {name} {nothing}."
        raise InputValueError(msg)
    variants = SOURCES[name]
    chosen = next(iter(variants)) if variant is None else variant
    if chosen not in variants:
        msg = f"{name} has no variant {printable(chosen)!r}; its variants are {', '.join(variants)}."
        raise InputValueError(msg)
    if about.restricted and not accept_license:
        msg = (
            f"The weights of {about.title} come under: {about.licence}. Read it at {about.weights}; if you may use them, call "
            f"sgt.fm.download({name!r}, accept_license=True)."
        )
        raise InputValueError(msg)
    target = Path(folder).expanduser() if folder is not None else settings.cache_dir / name / chosen
    target.mkdir(parents=True, exist_ok=True)
    for file in variants[chosen]:
        urls = _addresses(file, f"{mirror.rstrip('/')}/{name}/{chosen}" if mirror else None)
        if urls:
            fetch(file, urls, target)
        elif not (target / file.name).is_file():
            msg = (
                f"The authors of {about.title} share {file.name} in a way that no program can follow: get it by hand from "
                f"{about.weights}, put it into {target}, and call sgt.fm.load({name!r}, checkpoint={str(target)!r})."
            )
            raise WeightsError(msg)
    say(f"download: {name} ({chosen}) is in {target}; licence: {about.licence}")
    return target


def fetch(file: RemoteFile, urls: list[str], folder: Path) -> Path:
    """Return ``folder / file.name``, fetched from the first address that gives it whole."""
    path, record = folder / file.name, _read_record(folder)
    known = file.sha256 or record.get(file.name, {}).get("sha256")
    if path.is_file() and known is not None and sha256_of(path) == known:
        return path
    failures = []
    for url in urls:
        for _ in range(TRIES):
            try:
                digest = _from(url, path, file.sha256)
            except _BrokenError as error:
                failures.append(f"{url}: {error}")
                continue
            except _AbsentError as error:
                failures.append(f"{url}: {error}")
                break
            record[file.name] = {"url": url, "sha256": digest}
            _write_record(folder, record)
            return path
    msg = f"{file.name} could not be downloaded. " + "; ".join(dict.fromkeys(failures))
    msg += ". Fetch it by hand into the same folder, or pass mirror= with an address that you can reach."
    raise WeightsError(msg)


class _BrokenError(Exception):
    """The connection broke; the same address may go on."""


class _AbsentError(Exception):
    """The file is not at that address."""


def _from(url: str, path: Path, sha256: str | None) -> str:
    """Download to ``path`` by way of a part file that a later call goes on with; return the sha256."""
    import requests

    part = path.with_name(f".{path.name}.part")
    have = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    if "HF_TOKEN" in os.environ and url.startswith(_hub()):
        headers["Authorization"] = f"Bearer {os.environ['HF_TOKEN']}"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as answer:
            whole = _check(answer, have, path)
            wanted = sha256 or _announced(answer)
            if whole is not None:
                with part.open("ab" if answer.status_code == 206 else "wb") as out:
                    _copy(answer, out, path.name, whole)
                if part.stat().st_size < whole:
                    msg = f"the connection ended after {part.stat().st_size:,} of {whole:,} bytes"
                    raise _BrokenError(msg)
    except requests.RequestException as error:
        raise _BrokenError(printable(error, limit=200)) from error
    with part.open("rb") as file:
        start = file.read(256).lstrip().lower()
    seen = sha256_of(part)
    if start.startswith((b"<!doctype html", b"<html")):
        part.unlink()
        msg = "it sent a web page instead of the file"
        raise _AbsentError(msg)
    if wanted is not None and seen != wanted:
        part.unlink()
        msg = f"sha256 {seen[:12]}, wanted {wanted[:12]}"
        raise (_BrokenError if have else _AbsentError)(msg)  # what was resumed may have been of another file
    part.replace(path)
    return seen


def _check(answer: "requests.Response", have: int, path: Path) -> int | None:
    """Return the size of the whole file, None if all of it is here already; refuse what is no file and what does not fit."""
    if answer.status_code == 416 and have:
        return None
    if answer.status_code not in (200, 206):
        msg = f"HTTP {answer.status_code} {answer.reason}"
        raise (_BrokenError if answer.status_code in (429, 500, 502, 503, 504) else _AbsentError)(msg)
    length = int(answer.headers.get("Content-Length", 0))
    free = shutil.disk_usage(path.parent).free
    if length > free:
        msg = f"{path.name} needs {length / 1e9:.1f} GB and {path.parent} has {free / 1e9:.1f} GB left. Pass folder= on another disk."
        raise WeightsError(msg)
    return length + (have if answer.status_code == 206 else 0)


def _announced(answer: "requests.Response") -> str | None:
    """Return the sha256 that the hub gives for a large file, on the answer itself or on the redirection to its store."""
    for one in [*answer.history, answer]:
        tag = one.headers.get("X-Linked-Etag", "").strip('"')
        if re.fullmatch(r"[0-9a-f]{64}", tag):
            return tag
    return None


def _copy(answer: "requests.Response", out: IO[bytes], name: str, whole: int) -> None:
    with counter(whole // PIECE, what=name, unit="MiB") as advance:
        advance(out.tell() // PIECE)
        for piece in answer.iter_content(PIECE):
            out.write(piece)
            advance(len(piece) // PIECE)


def _addresses(file: RemoteFile, mirror: str | None) -> list[str]:
    urls = [url.replace(HUB, _hub(), 1) for url in file.urls]
    return [f"{mirror}/{file.name}", *urls] if mirror else urls


def _hub() -> str:
    return os.environ.get("HF_ENDPOINT", HUB).rstrip("/")


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    write_whole(folder / RECORD, lambda part: part.write_text(text, encoding="utf-8"))
