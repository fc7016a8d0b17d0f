"""Files of a checkpoint: there, and, where ``fm.download`` fetched them, what it fetched."""

import hashlib
import json
from pathlib import Path

from scgnn_tools._errors import WeightsError

RECORD = "download.json"
"""What a download writes into its folder: address and sha256 of each file."""


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def recorded(path: Path) -> str | None:
    """Return the sha256 that a download recorded of a file, None where there is no record of it."""
    record = path.parent / RECORD
    if path.name == RECORD or not record.is_file():
        return None
    try:
        digest = json.loads(record.read_text(encoding="utf-8")).get(path.name, {}).get("sha256")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        msg = f"{record} is damaged: what was downloaded cannot be compared with it. Call sgt.fm.download again."
        raise WeightsError(msg) from error
    return None if digest is None else str(digest)


def check_file(path: Path) -> None:
    """Refuse a file that is missing, or not what was downloaded."""
    if not path.is_file():
        there = (
            ", ".join(sorted(p.name for p in path.parent.iterdir())[:12]) if path.parent.is_dir() else "no such folder"
        )
        msg = f"There is no {path.name} in {path.parent} ({there or 'empty'})."
        raise WeightsError(msg)
    wanted = recorded(path)
    if wanted is not None and sha256(path) != wanted:
        msg = (
            f"{path} is damaged or was changed since it was downloaded: its sha256 is not the one in {RECORD}. Call sgt.fm.download "
            "again; if you changed it yourself, move it into a folder of its own."
        )
        raise WeightsError(msg)


def fingerprint(path: Path) -> str:
    """Return the sha256 of a file that was read: the recorded one, which it was compared with, or else its own."""
    return recorded(path) or sha256(path)
