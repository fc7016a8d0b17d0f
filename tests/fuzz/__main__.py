"""Fuzz the readers: ``python -m tests.fuzz [READER ...] [--seconds 600] [--seed 0]``; ``--again READER CASE`` reads one case once more.

One process reads and is watched by another: a crash, a hang or a failure prints the case, shortened where hypothesis could, and the line
that reads it again. Each reading may take ``HANG`` seconds and ``MEMORY`` more than there was before it.
"""

import argparse
import faulthandler
import json
import logging
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

HANG, MEMORY = 60, 200 * 2**20
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak() -> int:
    """Return the most bytes that this process has held since they were last forgotten; 0 where the system does not tell."""
    found = PEAK.search(STATUS.read_text()) if STATUS.exists() else None
    return 1024 * int(found[1]) if found else 0


def watched(reader: Any, sound: Path, scratch: Path, case: Any) -> str:
    """Read once, within the time and memory that a reading may take."""
    from tests.fuzz.readers import tried

    if RESET.exists():
        RESET.write_text("5")
    before = peak()
    faulthandler.dump_traceback_later(HANG, exit=True)
    try:
        out = tried(reader, sound, scratch, case)
    finally:
        faulthandler.cancel_dump_traceback_later()
    more = peak() - before
    assert more < MEMORY, f"{more / 2**20:,.0f} MiB more"
    return out


def fuzz(name: str, seconds: float, number: int, folder: Path) -> bool:
    """Read damaged files of one reader until the time is over; return whether all went well."""
    import hypothesis

    from tests.fuzz.readers import READERS

    reader, sound, now, ways = READERS[name], folder / name, folder / "case.json", Counter[str]()
    if reader.make is not None:
        reader.make(sound)
        watched(reader, sound, folder / "scratch", [])  # what is imported and compiled once is not the case's
    end, well = time.monotonic() + seconds, True

    def one(case: Any) -> None:
        nonlocal well
        if time.monotonic() < end or not well:  # what failed is read until it is as short as it gets
            well, was = False, well
            now.write_text(json.dumps([name, case]))
            ways[watched(reader, sound, folder / "scratch", case)] += 1
            well = was

    how = hypothesis.settings(
        max_examples=100,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
    )
    try:
        while time.monotonic() < end:
            how(hypothesis.seed(number)(hypothesis.given(reader.draws)(one)))()
            number += 1
    except (Exception, ExceptionGroup) as error:  # noqa: BLE001 - whatever is not ours is what is looked for
        traceback.print_exception(error)
        print(again(now.read_text()))
    counts = ", ".join(f"{n:,} {way}" for way, n in ways.most_common())
    print(f"{name}: {'' if well else 'FAILED, '}{sum(ways.values()):,} cases ({counts})", flush=True)
    return well


def again(case: str) -> str:
    """Return the line that reads a case once more."""
    name, content = json.loads(case)
    return f"again: python -m tests.fuzz --again {shlex.quote(name)} {shlex.quote(json.dumps(content))}"


def watch(arguments: list[str]) -> int:
    """Run the fuzzing in a process of its own and say which case ended it."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-m", "tests.fuzz", *arguments, "--folder", folder], check=False)
        case = Path(folder) / "case.json"
        if done.returncode not in (0, 1, -2) or (done.returncode == 1 and not (Path(folder) / "ended").exists()):
            print(
                f"the process ended with {done.returncode}", again(case.read_text()) if case.exists() else "", sep="\n"
            )
    return int(done.returncode != 0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*")
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("FUZZ_SECONDS") or 600))
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**31)
    parser.add_argument("--again", nargs=2, metavar=("READER", "CASE"))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.again is None and given.folder is None:
        return watch([*given.readers, "--seconds", str(given.seconds), "--seed", str(given.seed)])

    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    from tests.fuzz.readers import READERS

    if given.again is not None:
        name, case = given.again
        with tempfile.TemporaryDirectory() as folder:
            sound = Path(folder) / "sound"
            if (make := READERS[name].make) is not None:
                make(sound)
            print(watched(READERS[name], sound, Path(folder) / "scratch", json.loads(case)))
        return 0
    print(f"{given.seconds:.0f} s, --seed {given.seed}", flush=True)
    names = given.readers or list(READERS)
    well = [fuzz(name, given.seconds / len(names), given.seed, given.folder) for name in names]
    (given.folder / "ended").touch()
    return int(not all(well))


if __name__ == "__main__":
    sys.exit(main())
