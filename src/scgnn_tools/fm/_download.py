"""Published weights from where they are: resumed, from mirrors, checked, and never half there."""

import json
from pathlib import Path
from typing import Any

from scgnn_tools._choices import did_you_mean
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools._log import printable, say
from scgnn_tools._settings import settings
from scgnn_tools._write import alone, as_path, check_possible, write_whole
from scgnn_tools.fm._fetched import RECORD
from scgnn_tools.fm._fetched import sha256 as sha256_of
from scgnn_tools.fm._registry import card
from scgnn_tools.fm._sources import HUB, SOURCES, RemoteFile
from scgnn_tools.fm._transfer import AbsentError, BrokenError, hub, transfer

TRIES = 3
LOCK = ".download.lock"


@door
def download(
    name: str,
    *,
    variant: str | None = None,
    folder: str | Path | None = None,
    mirror: str | None = None,
    accept_license: bool = False,
) -> Path:
    """Download the published weights of a model.

    A file that is there already is not fetched again, and a download that was cut off is resumed. A file takes its
    name only when it is whole and its sha256 is right.

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
    The environment variable ``HF_ENDPOINT`` is another address of the hub. ``HF_TOKEN`` is sent by https to the host of the hub, or of
    that address, and to no other: neither to a mirror nor where the hub leads on to. Without a known sha256 a file has to have the length
    that the server announces and the form that its name promises, and what was cut off is resumed only where the server says that it is
    the same file.

    Examples
    --------
    >>> folder = sgt.fm.download("scgpt")  # doctest: +SKIP
    >>> sgt.tl.embed(adata, checkpoint=folder)  # doctest: +SKIP
    """
    about, (chosen, files) = card(name), _chosen(name, variant)
    if about.restricted and not accept_license:
        msg = (
            f"The weights of {about.title} come under: {about.licence}. Read it at {about.weights}; if you may use them, call "
            f"sgt.fm.download({name!r}, accept_license=True)."
        )
        raise InputValueError(msg)
    target = as_path("folder", folder) if folder is not None else settings.cache_dir / name / chosen
    if target.exists() and not target.is_dir():
        msg = f"{target} is a file; a download goes into a folder. Pass another folder."
        raise InputValueError(msg)
    check_possible(target / LOCK)
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        urls = addresses(file, f"{mirror.rstrip('/')}/{name}/{chosen}" if mirror else None)
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


@door
def download_size(name: str, *, variant: str | None = None) -> int | None:
    """Return how many bytes a checkpoint has, as the servers say that hold it; None where one of them does not.

    Parameters
    ----------
    name, variant
        As for :func:`download`.

    Examples
    --------
    >>> sgt.fm.download_size("scgpt") / 1e6  # doctest: +SKIP
    """
    import requests

    total = 0
    for file in _chosen(name, variant)[1]:
        urls = addresses(file, None)
        if not urls:
            return None
        try:
            answer = requests.head(urls[0], timeout=10, allow_redirects=True, headers={"Accept-Encoding": "identity"})
            total += int(answer.headers["Content-Length"])
        except (requests.RequestException, KeyError, ValueError):
            return None
        if not answer.ok:
            return None
    return total


@door
def downloaded() -> list[Path]:
    """Return the folders of ``settings.cache_dir`` that :func:`download` filled: each is a checkpoint.

    Examples
    --------
    >>> sgt.fm.downloaded()
    []
    """
    return sorted(path.parent for path in settings.cache_dir.glob(f"*/*/{RECORD}"))


def _chosen(name: str, variant: str | None) -> tuple[str, tuple[RemoteFile, ...]]:
    """Return a variant of a model and its files."""
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
        hint = did_you_mean(chosen, variants)
        msg = f"{name} has no variant {printable(chosen)!r}; its variants are {', '.join(variants)}.{hint}"
        raise InputValueError(msg)
    return chosen, variants[chosen]


def fetch(file: RemoteFile, urls: list[str], folder: Path) -> Path:
    """Return ``folder / file.name``, fetched from the first address that gives it whole; of several processes one fetches."""
    path = folder / file.name
    if _is_here(file, path):
        return path
    try:
        with alone(
            folder / LOCK, waiting=lambda: say(f"download: another process fetches into {folder}; waiting for it")
        ):
            return path if _is_here(file, path) else _fetch(file, urls, path)
    except OSError as error:
        msg = f"{file.name} cannot be written into {folder}: {error.strerror or error}. Pass folder= on another disk."
        raise WeightsError(msg) from error


def _is_here(file: RemoteFile, path: Path) -> bool:
    """Tell whether a file is there and what it is to be, as far as that is known."""
    known = file.sha256 or _read_record(path.parent).get(file.name, {}).get("sha256")
    return path.is_file() and known is not None and sha256_of(path) == known


def _fetch(file: RemoteFile, urls: list[str], path: Path) -> Path:
    failures = []
    for url in urls:
        for _ in range(TRIES):
            try:
                digest = transfer(url, path, file.sha256)
            except BrokenError as error:
                failures.append(f"{url}: {error}")
                continue
            except AbsentError as error:
                failures.append(f"{url}: {error}")
                break
            _write_record(path.parent, _read_record(path.parent) | {file.name: {"url": url, "sha256": digest}})
            return path
    msg = f"{file.name} could not be downloaded. " + "; ".join(dict.fromkeys(failures))
    msg += ". Fetch it by hand into the same folder, or pass mirror= with an address that you can reach."
    raise WeightsError(msg)


def addresses(file: RemoteFile, mirror: str | None) -> list[str]:
    """Return where a file can be had: in a folder of a mirror, if there is one, then where it was published."""
    urls = [hub() + url.removeprefix(HUB) if url.startswith(f"{HUB}/") else url for url in file.urls]
    return [f"{mirror}/{file.name}", *urls] if mirror else urls


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = record.items() if isinstance(record, dict) else ()
    return {k: v for k, v in entries if isinstance(v, dict)}


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    write_whole(folder / RECORD, lambda part: part.write_text(text, encoding="utf-8"))
