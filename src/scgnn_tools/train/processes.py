"""Is this process one of several that train together, and what is Lightning told of it? Lightning itself takes seconds to import."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def several(devices: int) -> dict[str, Any]:
    """Return what Lightning is told to train on several devices; nothing for one."""
    if devices == 1 and not launched():
        return {}
    # a notebook has no script that could be started a second time
    kind = "ddp_notebook" if in_notebook() else "ddp"
    strategy = f"{kind}_find_unused_parameters_true"
    return {"devices": devices, "strategy": strategy, "use_distributed_sampler": False}


def launched() -> bool:
    """Tell whether ``torchrun`` or the like started several of this process.

    A process that a training with ``devices=`` started says how many there are, but not which of all it is; what it trains on one device it
    trains alone, as the process that started it has done.
    """
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", 1)) > 1


def is_first() -> bool:
    """Tell whether this is the first of several processes that train together, or the only one."""
    return int(os.environ.get("LOCAL_RANK", 0)) == 0


def in_notebook() -> bool:
    """Tell whether there is no script that could be started once more."""
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning from talking about things that are decided here."""
    logs = [
        logging.getLogger(n)
        for n in (
            "lightning.pytorch",
            "lightning.pytorch.utilities.rank_zero",
            "lightning.fabric.utilities.rank_zero",
            "lightning.fabric.utilities.distributed",
        )
    ]
    levels = [log.level for log in logs]
    with warnings.catch_warnings():
        for words in (
            ".*num_workers.*",
            ".*exists and is not empty.*",
            ".*lr_scheduler.step.*",
            ".*does not have many workers.*",
        ):
            warnings.filterwarnings("ignore", words)
        warnings.filterwarnings("ignore", module="lightning")
        for log in logs:
            log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for log, level in zip(logs, levels, strict=True):
                log.setLevel(level)
