"""Ablations of the papers' systems.

Usage: ``python -m benchmarks.ablations annotation|grn|cgc [--data ../shared/data] [options of the module]``
"""

import sys
from importlib import import_module

MODULES = {"annotation": ["scgrapht", "scbignn"], "grn": ["links"], "cgc": ["cgc"]}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in MODULES:
        sys.exit(f"Name one of {', '.join(MODULES)}.\n{__doc__}")
    names = [f"benchmarks.ablations.{n}" for n in MODULES[sys.argv.pop(1)]]
    for name in names:
        import_module(name).main()


if __name__ == "__main__":
    main()
