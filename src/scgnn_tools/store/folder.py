"""A folder in which a run keeps what is finished: one that was killed goes on where it was, and nothing else goes on there."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable, say
from scgnn_tools._write import check_possible, goes_on, write_new, write_whole
from scgnn_tools.store.digest import digest
from scgnn_tools.store.plan import differences

PLAN, MATRIX = "plan.json", "scores"
PARTS = ("*.safetensors", "*.ckpt")
STATES = ("last*.safetensors", "last*.ckpt", "best*.ckpt")
"""Files that are finished parts, and those of them that are the state of a training."""


class RunFolder:
    """What is finished, by name; computed and kept if it is not there.

    The files themselves are the list of what is done. Each is written under another name and renamed, and holds the sha256 of its
    content and of which part and run it is: one that is torn, was changed, or came from another place is made again.

    Parameters
    ----------
    folder
        Where; None keeps nothing.
    plan
        What decides the results, part by part, in words or as a digest. A folder of another plan is refused, and the parts are named.
    resume
        False forgets the plan and the state of a training that are there.
    hint
        What to type where the plan is another one.
    compare
        Says in which parts two plans differ, that of the folder and this one.

    Raises
    ------
    InputValueError
        If the folder is of another run, its plan is lost or damaged, or it cannot be written.
    """

    def __init__(
        self,
        folder: Path | None,
        plan: Mapping[str, object],
        *,
        resume: bool = True,
        hint: str = "Pass another store=, or remove the folder.",
        compare: Callable[[Mapping[str, object], Mapping[str, object]], list[str]] = differences,
    ) -> None:
        self._folder, self._hint, self._compare = folder, hint, compare
        self._plan = {k: str(v) for k, v in plan.items()}
        if folder is None:
            return
        if folder.exists() and not folder.is_dir():
            msg = f"{folder} is a file; a folder is wanted."
            raise InputValueError(msg)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._claim(folder, resume=resume)
        except OSError as error:
            msg = f"{folder} cannot be used: {error.strerror or error}. Pass another folder."
            raise InputValueError(msg) from error

    def _claim(self, folder: Path, *, resume: bool) -> None:
        """Write the plan where there is none, and refuse another one."""
        path = folder / PLAN
        if path.is_symlink():
            msg = f"{path} is a link. {self._hint}"
            raise InputValueError(msg)
        if not resume:
            forget(folder)
        kept = [p.name for parts in PARTS for p in folder.glob(parts)]
        if kept and not path.exists():
            msg = f"{folder} holds {printable(kept[0])} without a {PLAN} that says of which run it is. {self._hint}"
            raise InputValueError(msg)
        text = json.dumps(self._plan, indent=1) + "\n"
        if write_new(path, lambda part: part.write_text(text, encoding="utf-8")):  # of several at once, one
            return
        there = _read_json(path)
        if there is None:
            msg = f"{path} is damaged, and nothing says of which run the folder is. {self._hint}"
            raise InputValueError(msg)
        other = self._compare(there, self._plan)
        if other:
            msg = f"{folder} holds another run, which differs in {', '.join(other)}. {self._hint}"
            raise InputValueError(msg)

    @property
    def digest(self) -> str:
        """The digest of the plan, by which a state tells that it is of this run."""
        return digest(self._plan)

    def path(self, name: str) -> Path:
        """Return where a state of this name is, or would be; there has to be a folder."""
        if self._folder is None:
            msg = "There is no folder."
            raise InputValueError(msg)
        return self._folder / name

    def has(self, name: str) -> bool:
        """Say whether something of this name is kept; whether it is whole is seen when it is read."""
        there = () if self._folder is None else (f"{name}.safetensors", f"{name}.json")
        return any((self._folder / n).exists() for n in there)  # type: ignore[operator]

    def matrix(self, name: str, make: Callable[[], np.ndarray], shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Return a float32 matrix: the kept one, if it has this shape, or what ``make`` returns."""
        if self._folder is None:
            return make()
        path, of = self._folder / f"{name}.safetensors", self._of(name)
        kept = _read_matrix(path, of, shape)
        if kept is None:
            kept = np.ascontiguousarray(make(), dtype=np.float32)
            _write_matrix(path, of, kept)
        return kept

    def record(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a dict of text, numbers and DataFrames: the kept one, or what ``make`` returns."""
        if self._folder is None:
            return make()
        path, of = self._folder / f"{name}.json", self._of(name)
        kept = _read_json(path)
        if kept is None or kept.get("of", of) != of or kept.get("sha256") != digest(json.dumps(kept.get("content"))):
            content = {k: _from_frame(v) for k, v in make().items()}
            kept = {"sha256": digest(json.dumps(content)), "of": of, "content": content}
            with goes_on(path):
                write_whole(path, lambda part: part.write_text(json.dumps(kept), encoding="utf-8"))
        return {k: _to_frame(v) for k, v in kept["content"].items()}

    def _of(self, name: str) -> str:
        """Return what a file notes of its part and its run: one that was copied from another place is none of this run."""
        return digest(self._plan, name)


def forget(folder: Path) -> None:
    """Take the plan and the state of a training out of a folder."""
    for old in (folder / PLAN, *(p for states in STATES for p in folder.glob(states))):
        old.unlink(missing_ok=True)


def check_folder(folder: Path | None) -> None:
    """Refuse, before any work, a folder that cannot become a store."""
    if folder is None:
        return
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / PLAN).exists())):
        msg = f"store={str(folder)!r} exists and is no folder of finished runs. Pass a new folder."
        raise InputValueError(msg)
    check_possible(folder / PLAN)


def _read_matrix(path: Path, of: str, shape: tuple[int, ...] | None) -> np.ndarray | None:
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            matrix, noted = file.get_tensor(MATRIX), file.metadata() or {}
        sound = digest(matrix) == noted.get("sha256") and noted.get("of", of) == of
    except (SafetensorError, OSError, TypeError, ValueError):
        matrix, sound = None, False
    if matrix is None or not sound or (shape is not None and matrix.shape != shape):
        say(f"{path} is damaged: that run is made again")
        return None
    return matrix


def _write_matrix(path: Path, of: str, matrix: np.ndarray) -> None:
    from safetensors.numpy import save

    content = save({MATRIX: matrix}, metadata={"sha256": digest(matrix), "of": of})
    with goes_on(path):
        write_whole(path, lambda part: part.write_bytes(content))  # a full disk is an OSError, not one of safetensors


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


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
