"""The state of a full-batch training in one safetensors file: weights, best weights, optimizer, random state, history."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from scgnn_tools._errors import WeightsError
from scgnn_tools._write import write_whole

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
    about = {"plan": _digest(plan), "best_score": now.best_score, "since": now.since, "rows": now.rows}
    content = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    write_whole(path, partial(_save, content, {"state": json.dumps(about)}))


def _save(content: dict[str, torch.Tensor], metadata: dict[str, str], path: Path) -> None:
    save_file(content, path, metadata=metadata)


def read(path: Path, now: "State", plan: str) -> None:
    """Put a state that :func:`write` wrote into a new module and optimizer."""
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["state"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - no dict
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        msg = f"{path} is no state of a training ({error}). Delete it, or pass ckpt_path=None, to begin anew."
        raise WeightsError(msg) from error
    if about["plan"] != _digest(plan):
        msg = f"{path} is of a training with other cells or settings. Pass another folder, or ckpt_path=None to begin anew."
        raise WeightsError(msg)
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


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _digest(plan: str) -> str:
    return hashlib.sha256(plan.encode()).hexdigest()
