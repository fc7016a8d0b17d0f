"""How the one Lightning module is run: quietly, resumed from a state that is looked at first, interrupted without harm."""

import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.plugins import TorchCheckpointIO

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools._random import torch_random
from scgnn_tools._write import goes_on, write_whole
from scgnn_tools.train.module import Module
from scgnn_tools.train.processes import quiet
from scgnn_tools.train.signals import handed_back

BEST, LAST = "best.ckpt", "last.ckpt"
WHOLE = {"epoch", "global_step", "state_dict", "loops", "callbacks", "optimizer_states", "lr_schedulers", "figures"}
HALVES = {torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed"}


class WholeFiles(TorchCheckpointIO):
    """Writes a state under another name in its own folder and renames it: on no file system is there half of one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a state."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with goes_on(path):
            write_whole(Path(path), partial(_save, checkpoint))


def _save(checkpoint: dict[str, Any], path: Path) -> None:
    try:
        torch.save(checkpoint, path)
    except RuntimeError as error:  # all that PyTorch's writer says of a full disk is a position
        msg = "the disk is full, or takes no more of this file"
        raise OSError(msg) from error


class Keep(ModelCheckpoint):
    """Writes states; finds them again when the folder was moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the paths of a state to be in the folder of today."""
        folder = Path(str(self.dirpath))

        def here(path: Any) -> Any:
            return str(folder / Path(path).name) if path else path

        moved = {k: here(v) if k.endswith("_path") else v for k, v in state_dict.items()}
        ranked = {here(k): v for k, v in state_dict.get("best_k_models", {}).items()}
        super().load_state_dict({**moved, "best_k_models": ranked, "dirpath": self.dirpath})


def run(
    module: Module,
    folder: Path,
    *,
    callbacks: Sequence[Callback],
    device: torch.device,
    precision: str,
    resume: bool,
    **how: Any,
) -> lightning.Trainer:
    """Train; with ``resume`` from ``folder/last.ckpt`` if it is there. Ctrl-C is KeyboardInterrupt, SIGTERM ends the process."""
    last = folder / LAST
    again = resume and last.is_file()
    if again:
        check_state(last, module)
    gpu = device.type == "cuda"
    how.setdefault("devices", [device.index or 0] if gpu else 1)
    with handed_back(), quiet(), torch_random():
        trainer = lightning.Trainer(
            accelerator="gpu" if gpu else device.type,
            precision=precision,  # type: ignore[arg-type]
            callbacks=list(callbacks),
            logger=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            gradient_clip_val=1.0,
            plugins=[WholeFiles()],
            **how,
        )
        trainer.fit(module, ckpt_path=str(last) if again else None, weights_only=True)
    return trainer


def precision_of(dtype: torch.dtype) -> str:
    """Return Lightning's word for training in the precision of a model."""
    return HALVES.get(dtype, "32-true")


def read_state(path: Path) -> dict[str, Any]:
    """Read a state that Lightning wrote: plain tensors and values, whole.

    Raises
    ------
    WeightsError
        If it is missing, torn, changed, or holds anything else than tensors and plain values.
    """
    try:
        with zipfile.ZipFile(path) as file:
            torn = file.testzip()
        state = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 - tensors and plain values only
    except Exception as error:  # noqa: BLE001 - of many kinds, for what a damaged file may hold
        torn, state = f"{type(error).__name__}: {error}", None
    if torn is not None or not isinstance(state, dict) or not set(state) >= WHOLE:
        why = printable(torn or "parts are missing", limit=120)
        msg = f"{path} is damaged, or no state of a training ({why}). Delete it, or pass resume=False, to begin anew."
        raise WeightsError(msg)
    return state


def check_state(path: Path, module: Module) -> None:
    """Refuse a state that does not fit a module."""
    seen = {k: tuple(v.shape) for k, v in read_state(path)["state_dict"].items()}
    wanted = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    if seen != wanted:
        name = next(k for k in {**wanted, **seen} if seen.get(k) != wanted.get(k))
        msg = (
            f"{path} does not fit the network: {printable(name)} is {seen.get(name)} there and {wanted.get(name)} here. "
            "Pass another folder=, or resume=False to begin anew."
        )
        raise WeightsError(msg)
