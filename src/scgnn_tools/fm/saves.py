"""Own checkpoints: tensors as safetensors, the rest as JSON, all of it under one sha256. No pickle.

``config.json`` holds ``files``, the sha256 of every other file of the folder, and ``seal``, that of everything in ``config.json`` itself,
``files`` included. One bit that differs anywhere is an error. ``sha256`` is that of the tensors and names the weights. Folders of releases
that had no seal are read, and their tensors checked.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from scgnn_tools._errors import SgtError, WeightsError
from scgnn_tools._log import printable
from scgnn_tools._write import check_possible, check_replaceable, target_of, write_folder
from scgnn_tools.fm import drafts
from scgnn_tools.fm._fetched import sha256
from scgnn_tools.fm.dictionaries import read_json

if TYPE_CHECKING:
    from torch import nn


class Sizes(Protocol):
    """What a network is made of, a frozen dataclass."""

    @property
    def n_tokens(self) -> int:
        """Ids that it has a row for."""


T = TypeVar("T", bound=Sizes)
N = TypeVar("N", bound="nn.Module")
CONFIG, TENSORS, FILES, SEAL = "config.json", "model.safetensors", "files", "seal"
WRITTEN = {CONFIG, TENSORS, "graph.npz", "contrast.npz", "genes"}
"""What a save may have written, releases without a list of files included."""


UNFIT = (ArithmeticError, ValueError, LookupError, RuntimeError, TypeError, AttributeError, OSError)
"""What is raised where numbers and words of a sound file do not fit each other, or a file may not be read."""


def save(
    folder: str | Path,
    tensors: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    beside: Callable[[Path], object] = lambda folder: None,
    overwrite: bool = False,
) -> None:
    """Write a folder whole or not at all.

    Parameters
    ----------
    folder
        Where.
    tensors, config
        Arrays by name, and what JSON can hold.
    beside
        Writes further files into the folder that it is given.
    overwrite
        Replace a folder that a save wrote, all of it.

    Raises
    ------
    InputValueError
        If the folder is there and ``overwrite`` is not set, or holds something that no save wrote.
    """
    write_folder(folder, lambda part: fill(part, tensors, config, beside), overwrite=overwrite, known=_written)


def check_save(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse, before any work, a folder that :func:`save` would not write."""
    check_replaceable(target_of(folder), overwrite=overwrite, known=_written)
    check_possible(target_of(folder))


def fill(folder: Path, tensors: Mapping[str, Any], config: Mapping[str, Any], beside: Callable[[Path], object]) -> None:
    """Write the files of a checkpoint into a new folder, ``config.json`` and its seal last."""
    from safetensors.numpy import save as to_bytes

    (folder / TENSORS).write_bytes(to_bytes({k: np.asarray(v, order="C") for k, v in tensors.items()}))
    beside(folder)
    seal(folder, config)


def seal(folder: Path, config: Mapping[str, Any]) -> None:
    """Write ``config.json`` with the checksums of what is in the folder."""
    content = {k: v for k, v in config.items() if k not in (FILES, SEAL)}
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / CONFIG)
    content[FILES] = {p.relative_to(folder).as_posix(): sha256(p) for p in files}
    content["sha256"] = content[FILES][TENSORS]
    content = json.loads(json.dumps(content))  # as it will be read
    text = json.dumps({**content, SEAL: _digest(content)}, indent=1, sort_keys=True) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")


def load(folder: Path, shapes: Mapping[str, tuple[int | None, ...]]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a checkpoint written by :func:`save`.

    Parameters
    ----------
    folder
        Folder with ``config.json`` and ``model.safetensors``.
    shapes
        The tensors that are wanted, with their shapes; None stands for any length.

    Returns
    -------
    tensors, config

    Raises
    ------
    WeightsError
        If a file is missing, truncated or changed, a tensor missing, unwanted, misshaped or not finite.
    """
    config = read_raw(folder)
    tensors = _read_tensors(folder, config)
    _check(tensors, shapes, folder)
    return tensors, config


@contextmanager
def understood(folder: Path, what: str) -> Iterator[None]:
    """Say in a line what does not fit in a folder whose seal is sound: it is of another version, or was edited and sealed again.

    Raises
    ------
    WeightsError
        In the place of whatever the parts raise that do not fit each other.
    """
    try:
        yield
    except SgtError:
        raise
    except UNFIT as error:
        msg = f"{folder} holds no {what} ({type(error).__name__}: {printable(error)}). Save it again."
        raise WeightsError(msg) from error


def is_own(folder: Path) -> bool:
    """Tell whether a folder was written by :func:`save`."""
    try:
        return "sha256" in read_json(folder / CONFIG) and (folder / TENSORS).is_file()
    except (OSError, WeightsError):
        return False


def read_raw(folder: Path) -> dict[str, Any]:
    """Return ``config.json`` after comparing it, and all files but the tensors, with the checksums in it."""
    if not folder.exists():
        msg = f"There is no folder {folder}. Pass the folder that save() wrote."
        raise WeightsError(msg)
    for name in (CONFIG, TENSORS):
        if not (folder / name).is_file():
            msg = f"{folder} holds no {name}. Pass the folder that save() wrote."
            raise WeightsError(msg)
    with understood(folder, "save that can be read"):
        return _checked(folder)


def _checked(folder: Path) -> dict[str, Any]:
    config = read_json(folder / CONFIG)
    if SEAL not in config:
        return config
    if config[SEAL] != _digest({k: v for k, v in config.items() if k != SEAL}):
        msg = f"{folder / CONFIG} is damaged or was changed: its seal is not that of its content. Save the model again."
        raise WeightsError(msg)
    for name, wanted in config[FILES].items():
        path = folder / name
        if name != TENSORS and (not path.is_file() or sha256(path) != wanted):
            msg = f"{path} is missing, damaged or was changed: its sha256 is not the one in {CONFIG}. Save the model again."
            raise WeightsError(msg)
    return config


def read_config(
    folder: Path, model: str, kind: type[T], before: Mapping[str, Any] = MappingProxyType({})
) -> tuple[T, dict[str, Any]]:
    """Return the sizes of a network and the rest of ``config.json``, of a folder that ``model.save`` wrote.

    ``before`` has what stood for fields that earlier saves do not name.
    """
    raw = read_raw(folder)
    if raw.get("model") != model:
        msg = f"{folder} holds a model {printable(raw.get('model'))!r}; {model!r} was asked for."
        raise WeightsError(msg)
    try:
        known = {**before, **raw}
        given = {f.name: known[f.name] for f in fields(kind)}  # type: ignore[arg-type]
    except KeyError as error:
        msg = f"{folder / CONFIG} lacks {error}. Save the model again."
        raise WeightsError(msg) from error
    config = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
    drafts.check_values(config, folder / CONFIG)
    _check_genes(raw, config.n_tokens, folder / CONFIG)
    return config, raw


def build(make: Callable[[T], N], config: T, raw: Mapping[str, Any], folder: Path) -> tuple[N, dict[str, str]]:
    """Return the network of a configuration with the tensors of a folder, all of them and no others, and the report.

    ``config`` and ``raw`` are what :func:`read_config` gave; the sizes are compared with the tensors before the network is made.
    """
    import torch

    tensors = _read_tensors(folder, raw)
    shapes = drafts.draft(make, config, {n: t.shape for n, t in tensors.items()}, folder / CONFIG)
    _check(tensors, shapes, folder)
    network = make(config)
    state = {}
    for name, parameter in network.state_dict().items():
        if parameter.is_floating_point() != (tensors[name].dtype.kind == "f") or tensors[name].dtype.kind == "b":
            msg = f"{folder}: tensor {name} is {tensors[name].dtype}; {parameter.dtype} is wanted."
            raise WeightsError(msg)
        state[name] = torch.from_numpy(tensors[name]).to(parameter.dtype)
    network.load_state_dict(state, assign=True)
    return network, {name: f"read, {t.shape}" for name, t in tensors.items()}


def _written(folder: Path) -> set[str]:
    """Return the names that a save wrote, or may have written, into a folder; none where ``config.json`` is not its own."""
    try:
        config = read_json(folder / CONFIG)
    except (OSError, WeightsError):
        return set()
    if "sha256" not in config:
        return set()
    listed = config.get(FILES, {})
    return WRITTEN | ({str(name).split("/")[0] for name in listed} if isinstance(listed, dict) else set())


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_tensors(folder: Path, config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    from safetensors.numpy import load as from_bytes

    content = (folder / TENSORS).read_bytes()
    seen, wanted = hashlib.sha256(content).hexdigest(), config.get("sha256")
    if seen != wanted:
        msg = f"{folder / TENSORS} is damaged or was changed: sha256 {seen[:12]}, wanted {printable(wanted)[:12]}."
        raise WeightsError(msg)
    try:
        return dict(sorted(from_bytes(content).items()))  # the reader's order is another each time
    except Exception as error:  # the reader's errors are of many kinds; a type that numpy lacks is one
        msg = f"{folder / TENSORS} is no safetensors file of plain numbers: {printable(error, limit=200)}"
        raise WeightsError(msg) from error


def _check_genes(raw: Mapping[str, Any], n_tokens: int, path: Path) -> None:
    """Refuse a vocabulary that is no list of names, and ids that no row of the network has."""
    genes = raw.get("genes")
    if not isinstance(genes, list) or not all(isinstance(g, str) for g in genes):
        msg = f"{path}: genes is no list of names. Save the model again."
        raise WeightsError(msg)
    ids = raw.get("ids")
    if ids is None:
        return
    whole = isinstance(ids, list) and all(isinstance(i, int) and not isinstance(i, bool) for i in ids)
    if not whole or len(ids) != len(genes) or not all(0 <= i < n_tokens for i in ids):
        msg = f"{path}: ids has no row below {n_tokens:,} for each of the {len(genes):,} genes. Save the model again."
        raise WeightsError(msg)


def _check(tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int | None, ...]], folder: Path) -> None:
    missing, unread = sorted(set(shapes) - set(tensors)), sorted(set(tensors) - set(shapes))
    if missing or unread:
        msg = f"{folder}: tensors missing: {', '.join(missing) or 'none'}; not wanted: {', '.join(map(printable, unread)) or 'none'}."
        raise WeightsError(msg)
    for name, wanted in shapes.items():
        shape = tensors[name].shape
        fits = len(shape) == len(wanted) and all(w is None or w == s for w, s in zip(wanted, shape, strict=True))
        if not fits:
            msg = f"{folder}: tensor {name} has shape {shape}, wanted {wanted} (None: any length)."
            raise WeightsError(msg)
        if tensors[name].dtype.kind in "fc" and not np.isfinite(tensors[name]).all():
            msg = f"{folder}: tensor {name} holds NaN or infinity."
            raise WeightsError(msg)
