"""``--json``: what a command did, as one JSON object on stdout."""

import argparse
import io
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

import pandas as pd

import scgnn_tools as sgt
from scgnn_tools._log import logger

TABLES = ("evaluation", "parts")
"""Of a result, which the report holds: they are small, and have the baselines in them."""


def add(p: argparse.ArgumentParser) -> None:
    """Add the argument."""
    p.add_argument("--json", action="store_true", help="print one JSON object: files written, notices, tables, error")


def report(args: argparse.Namespace, do: Callable[[argparse.Namespace], int]) -> int:
    """Do what ``args`` ask for, print the report alone on stdout, and return the exit status."""
    begun, printed = time.perf_counter(), io.StringIO()
    with _notices() as said, redirect_stdout(printed):
        status = do(args)
    if int(os.environ.get("LOCAL_RANK", 0)):
        return status  # the first process of a training reports for all
    whole = {
        "command": args.word,
        "version": sgt.__version__,
        "status": status,
        "error": None,
        "seconds": round(time.perf_counter() - begun, 3),
        "written": [],
        "results": {},
        "notices": said,
        "printed": printed.getvalue().splitlines(),
    }
    print(json.dumps(whole | args.report, indent=1, allow_nan=False))
    return status


def results(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the small tables and the verdicts of the entries of ``uns`` that a call wrote."""
    new = {k: v for k, v in after.items() if isinstance(v, Mapping) and before.get(k) is not v}
    found = {}
    for key, entry in new.items():
        parts = {
            t: p.get("table") if isinstance(p := entry.get(t), Mapping) else p for t in TABLES
        }  # a network's has more
        tables: dict[str, Any] = {t: _records(p) for t, p in parts.items() if isinstance(p, pd.DataFrame)}
        if isinstance(entry.get("verdict"), str):
            tables["verdict"] = entry["verdict"]
        found[key] = tables
    return {k: v for k, v in found.items() if v}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table; what is no number in it is null."""
    if not isinstance(table.index, pd.RangeIndex):
        table = table.rename_axis(table.index.name or "name").reset_index()
    return json.loads(table.to_json(orient="records", double_precision=6))


@contextmanager
def _notices() -> Iterator[list[str]]:
    """Collect the notices in place of showing them."""
    said: list[str] = []
    handler, level = logging.Handler(), logger.level
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    shown, logger.handlers[:] = logger.handlers[:], [handler]
    logger.setLevel(logging.INFO)
    try:
        yield said
    finally:
        logger.handlers[:] = shown
        logger.setLevel(level)
