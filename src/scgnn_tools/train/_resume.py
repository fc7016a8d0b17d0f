"""The state of a full-batch training in one safetensors file: weights, best weights, optimizer, random state, history."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools._log import printable
from scgnn_tools._write import goes_on, write_whole
from scgnn_tools.store.digest import digest

if TYPE_CHECKING:
    from scgnn_tools.train.full_batch import State

RANDOM, RANDOM_CUDA = "random.cpu", "random.cuda"


def write(path: Path, now: "State", plan: str) -> None:
    """Write the state; a reader never sees half a file."""
    tensors = {f"module.{k}": v for k, v in now.module.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in (now.best or {}).items()}
    for i, values in now.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": torch.as_tensor(v) for k, v in values.items()}
    tensors[RANDOM] = torch.random.get_rng_state()
    if torch.cuda.is_available():
        tensors[RANDOM_CUDA] = torch.cuda.get_rng_state()
    content = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    about: dict[str, Any] = {"plan": plan, "best_score": now.best_score, "since": now.since, "rows": now.rows}
    text = json.dumps(about)
    metadata = {"state": text, "sha256": weights_digest({**content, "state": text})}
    with goes_on(path):
        write_whole(path, lambda part: part.write_bytes(save(content, metadata=metadata)))  # a full disk is an OSError


def read(path: Path, now: "State", plan: str) -> None:
    """Put a state that :func:`write` wrote into a new module and optimizer."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - no dict
        if metadata["sha256"] != weights_digest({**tensors, "state": metadata["state"]}):
            msg = "its sha256 is another one"
            raise ValueError(msg)
        about = json.loads(metadata["state"])
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        msg = f"{path} is damaged, or no state of a training ({printable(error)}). Delete it, or pass resume=False, to begin anew."
        raise WeightsError(msg) from error
    if about["plan"] != plan:
        msg = (
            f"{path} is of a training with other cells or settings. Pass another folder, or resume=False to begin anew."
        )
        raise WeightsError(msg)
    try:
        _put(tensors, about, now)
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        msg = f"{path} does not fit the network ({printable(error)}). Delete it, or pass resume=False, to begin anew."
        raise WeightsError(msg) from error


def _put(tensors: dict[str, torch.Tensor], about: dict[str, Any], now: "State") -> None:
    now.module.load_state_dict(_part(tensors, "module."))
    best = _part(tensors, "best.")
    now.best = {k: v.to(now.module.state_dict()[k].device) for k, v in best.items()} or None
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        i, key = name.split(".", 1)
        state.setdefault(int(i), {})[key] = value
    now.optimizer.load_state_dict({**now.optimizer.state_dict(), "state": state})
    torch.random.set_rng_state(tensors[RANDOM])
    if RANDOM_CUDA in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors[RANDOM_CUDA])
    now.best_score, now.since = about["best_score"], about["since"]
    now.rows = [(a, b) for a, b in about["rows"]]


def check_length(folder: Path, done: int, most: int, unit: str) -> None:
    """Refuse to go on with a run that is longer already than what is asked for."""
    if done > most:
        msg = f"{folder} holds a run of {done:,} {unit}; {most:,} are asked for. Pass at least {done:,}, another folder=, or resume=False."
        raise InputValueError(msg)


def weights_digest(tensors: Any) -> str:
    """Return the digest of tensors by name, such as the state of a module: content, type and shape."""
    return digest({k: _plain(v) for k, v in tensors.items()})


def _plain(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    bits = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return [str(value.dtype), str(tuple(value.shape)), bits.numpy()]


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
