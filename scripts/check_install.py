"""Install the package as a user would, and see that it imports and works: `make check-install`.

The source distribution is built, and the wheel from it. The wheel goes into an empty environment: every module is imported, `pip check`
looks for conflicts, and `sgt demo` makes the four calls in a folder far from the checkout. Likewise for each extra, without the demo, in a
copy of that environment. With `--tests` the tests that are named run from the unpacked source distribution.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
NEEDS_A_COMPILER = {"flash"}
"""Extras of which there is no wheel; nobody else has to compile anything."""

IMPORT_ALL = """
import importlib, pkgutil, sys, scgnn_tools
names = [m.name for m in pkgutil.walk_packages(scgnn_tools.__path__, "scgnn_tools.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(f"{len(names)} modules of {scgnn_tools.__file__} imported")
"""
MADE_BY_THE_DEMO = ("pbmc.h5ad", "umap.png", "annotation.png", "grn.png")


def main() -> None:
    """Run the whole check; the first command that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", nargs="*", help="extras to check; all that have wheels if left out")
    parser.add_argument("--tests", nargs="*", default=[], help="test files to run from the source distribution")
    args = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].keys() - NEEDS_A_COMPILER if args.extras is None else args.extras
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), sorted(extras), args.tests)


def check(folder: Path, extras: list[str], tests: list[str]) -> None:
    """Install into environments below ``folder``."""
    core = folder / "core"
    venv.create(core, with_pip=True)
    pip(core, "install", "--upgrade", "pip>=25.1", "build")
    run([python(core), "-m", "build", "--outdir", folder, ROOT], cwd=folder)  # the wheel is built from the archive
    (archive,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    install_and_import(core, wheel)
    smoke(core)
    for extra in extras:
        environment = folder / extra
        shutil.copytree(core, environment, symlinks=True, copy_function=os.link)  # nothing is copied twice
        install_and_import(environment, wheel, extra)
        shutil.rmtree(environment)
    if tests:
        with tarfile.open(archive) as file:
            file.extractall(folder / "source", filter="data")
        (source,) = (folder / "source").iterdir()
        pip(core, "install", "--group", f"{source}/pyproject.toml:test")
        run([python(core), "-m", "pytest", "-q", "-m", "not slow", *tests], cwd=source)


def install_and_import(environment: Path, wheel: Path, extra: str = "") -> None:
    """Install the wheel, with an extra, and import every module of it."""
    print(f"=== {extra or 'the package alone'}", flush=True)
    pip(environment, "install", f"{wheel}[{extra}]" if extra else wheel)
    pip(environment, "check")
    run([python(environment), "-W", "ignore", "-c", IMPORT_ALL], cwd=environment)


def smoke(environment: Path) -> None:
    """Make the four calls on real cells with the installed command, and see that the files are there."""
    print("=== the four calls", flush=True)
    folder = environment / "demo"
    run([python(environment).with_name("sgt"), "demo", "--output", folder], cwd=environment)
    missing = [name for name in MADE_BY_THE_DEMO if not (folder / name).is_file()]
    if missing:
        sys.exit(f"sgt demo has not written {', '.join(missing)}")
    shutil.rmtree(folder)


def pip(environment: Path, command: str, *args: object) -> None:
    """Run pip of an environment, with the constraints that the tests are run with."""
    options = ["--constraint", ROOT / "constraints.txt"] if command == "install" else []
    run([python(environment), "-m", "pip", "--quiet", "--disable-pip-version-check", command, *options, *args])


def python(environment: Path) -> Path:
    """Return the interpreter of an environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def run(command: list[object], cwd: Path | None = None) -> None:
    """Run a command without anything of this environment's own paths."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(list(map(str, command)), check=True, cwd=cwd, env=env)


if __name__ == "__main__":
    main()
