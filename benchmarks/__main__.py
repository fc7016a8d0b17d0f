"""Run every benchmark and print its table: ``make bench``, or ``python -m benchmarks --data FOLDER``."""

import argparse
import subprocess
import sys
from pathlib import Path

ALL = ["probe", "annotation", "grn", "memory", "cgc", "embed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    for name in ALL:
        print(f"\n=== benchmarks.{name}", flush=True)
        subprocess.run([sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}", "--data", str(data)], check=True)


if __name__ == "__main__":
    main()
