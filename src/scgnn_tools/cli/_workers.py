"""``--devices N``: a process a device, each of which makes a part of one store; they know nothing of each other."""

import argparse
import os
import subprocess
import sys
import time

from scgnn_tools._errors import InputValueError, SgtError
from scgnn_tools._threads import available
from scgnn_tools.store import place_of, whole_of

ENTRY = "from scgnn_tools.cli import main; raise SystemExit(main())"
EVERY = 0.1
"""Seconds between two looks at the processes."""


def spread(args: argparse.Namespace) -> bool:
    """Do what ``args`` ask for with a process a device, if they ask for several; tell whether they did.

    Raises
    ------
    InputValueError
        If there are fewer devices, or no store that they could share.
    SgtError
        If a process ends with an error; the others are ended.
    """
    if args.devices == 1:
        return False
    _check(args)
    index, n = args.shard or (0, 1)
    parts = [f"{index * args.devices + i}/{n * args.devices}" for i in range(args.devices)]
    command = [sys.executable, "-c", ENTRY, *args.argv, "--devices", "1", "--shard"]
    out = sys.__stderr__ if args.json else None  # stdout is the report's alone
    workers = [
        subprocess.Popen([*command, part], env=_environment(i, args.devices), stdout=out)
        for i, part in enumerate(parts)
    ]
    try:
        _wait(workers, parts)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()
    args.report["written"] = [str(args.store)]
    return True


def _check(args: argparse.Namespace) -> None:
    where, _ = place_of(args.store, args.shard, "x.zarr", args.input)
    if args.devices < 1 or where is None:
        msg = f"--devices is at least 1, and goes with --store: each device makes a part of it; got --devices {args.devices}."
        raise InputValueError(msg)
    if isinstance(where, str) and whole_of(where) is None:
        msg = f"{where} is no store yet, and an address cannot be begun by several at once. Begin it with --shard 0/1000, then go on."
        raise InputValueError(msg)
    there = _gpus()
    if 0 < there < args.devices:
        msg = f"--devices {args.devices}: there are {there} GPUs here. Pass at most so many."
        raise InputValueError(msg)


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _environment(number: int, n: int) -> dict[str, str]:
    """Return the environment of one process: it sees one GPU; without GPUs it has its share of the cores."""
    if _gpus():
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        names = [d for d in seen.split(",") if d] or [str(i) for i in range(_gpus())]
        return {**os.environ, "CUDA_VISIBLE_DEVICES": names[number]}
    return {**os.environ, "OMP_NUM_THREADS": str(max(1, available() // n))}


def _wait(workers: "list[subprocess.Popen[bytes]]", parts: list[str]) -> None:
    """Wait until all are done, or one is not."""
    while True:
        codes = [worker.poll() for worker in workers]
        for part, code in zip(parts, codes, strict=True):
            if code:
                msg = f"The process of part {part} ended with {code}; the others were ended. What is finished stays: call again."
                raise SgtError(msg)
        if None not in codes:
            return
        time.sleep(EVERY)
