"""A folder in which an inference keeps what is finished: one that was killed goes on where it was."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable, say
from scgnn_tools._write import write_new, write_whole
from scgnn_tools.store.digest import digest

PLAN, MATRIX = "plan.json", "scores"


class RunFolder:
    """What is finished, by name; computed and kept if it is not there.

    The files themselves are the list of what is done. Each is written under another name and renamed, and holds the sha256 of its
    content: one that is torn or was changed is made again.

    Parameters
    ----------
    folder
        Where; None keeps nothing.
    plan
        What decides the results, in words or as a digest. A folder of another plan is refused.
    """

    def __init__(self, folder: Path | None, plan: Mapping[str, str]) -> None:
        self._folder = folder
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / PLAN
        text = json.dumps(dict(plan), indent=1)
        if write_new(path, lambda part: part.write_text(text, encoding="utf-8")):  # of several at once, one
            return
        there = _read_json(path) or {}
        other = [k for k in {**plan, **there} if plan.get(k) != there.get(k)]
        if other:
            msg = (
                f"{folder} holds runs of another inference: {', '.join(map(printable, other))} differ. Pass another store=, or remove "
                "the folder."
            )
            raise InputValueError(msg)

    def has(self, name: str) -> bool:
        """Say whether something of this name is kept; whether it is whole is seen when it is read."""
        there = () if self._folder is None else (f"{name}.safetensors", f"{name}.json")
        return any((self._folder / n).exists() for n in there)  # type: ignore[operator]

    def matrix(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return a float32 matrix: the kept one, or what ``make`` returns."""
        if self._folder is None:
            return make()
        path = self._folder / f"{name}.safetensors"
        kept = _read_matrix(path)
        if kept is None:
            kept = np.ascontiguousarray(make(), dtype=np.float32)
            _write_matrix(path, kept)
        return kept

    def record(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a dict of text, numbers and DataFrames: the kept one, or what ``make`` returns."""
        if self._folder is None:
            return make()
        path = self._folder / f"{name}.json"
        kept = _read_json(path)
        if kept is None or kept.get("sha256") != digest(json.dumps(kept.get("content"))):
            content = {k: _from_frame(v) for k, v in make().items()}
            kept = {"sha256": digest(json.dumps(content)), "content": content}
            write_whole(path, lambda part: part.write_text(json.dumps(kept), encoding="utf-8"))
        return {k: _to_frame(v) for k, v in kept["content"].items()}


def check_folder(folder: Path | None) -> None:
    """Refuse, before any work, a folder that cannot become a store."""
    if folder is None:
        return
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / PLAN).exists())):
        msg = f"store={str(folder)!r} exists and is no folder of finished runs. Pass a new folder."
        raise InputValueError(msg)
    first = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not os.access(first, os.W_OK):
        msg = f"store={str(folder)!r} cannot be written to. Pass another folder."
        raise InputValueError(msg)


def _read_matrix(path: Path) -> np.ndarray | None:
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            matrix, wanted = file.get_tensor(MATRIX), (file.metadata() or {}).get("sha256")
    except (SafetensorError, OSError):
        matrix, wanted = None, ""
    if matrix is None or digest(matrix) != wanted:
        say(f"{path} is damaged: that run is made again")
        return None
    return matrix


def _write_matrix(path: Path, matrix: np.ndarray) -> None:
    from safetensors.numpy import save

    content = save({MATRIX: matrix}, metadata={"sha256": digest(matrix)})
    write_whole(path, lambda part: part.write_bytes(content))  # a full disk is an OSError, not one of safetensors


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


FRAME = "columns of a table"


def _from_frame(value: Any) -> Any:
    if not isinstance(value, pd.DataFrame):
        return value
    columns = {str(c): [None if pd.isna(v) else v for v in value[c].tolist()] for c in value}
    return {FRAME: columns, "index": value.index.tolist(), "dtypes": {str(c): str(value[c].dtype) for c in value}}


def _to_frame(value: Any) -> Any:
    if not isinstance(value, dict) or FRAME not in value:
        return value
    index = pd.Index(value["index"]) if len(value["index"]) else None
    frame = pd.DataFrame({c: pd.Series(v, index=index, dtype=value["dtypes"][c]) for c, v in value[FRAME].items()})
    return frame if frame.shape[1] else pd.DataFrame(index=index)
