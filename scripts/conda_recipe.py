"""Print the recipe of conda-forge, from pyproject.toml: `python scripts/conda_recipe.py > recipe/recipe.yaml`.

Without an argument the recipe builds the checkout that it lies in. With the source distribution of a release as the argument it names the
file on PyPI and its sha256, as conda-forge/staged-recipes wants it.
"""

import hashlib
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONDA = {
    "igraph": "python-igraph",
    "matplotlib": "matplotlib-base",
    "torch": "pytorch",
    "torch-geometric": "pytorch_geometric",
}
"""Names on conda-forge that are not those on PyPI."""


def recipe(archive: Path | None = None) -> str:
    """Return the recipe as text."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, least = project["version"], project["requires-python"].removeprefix(">=")
    source = ["path: .."]
    if archive is not None:
        name = f"https://pypi.org/packages/source/s/scgnn_tools/{archive.name}"
        source = [f"url: {name}", f"sha256: {hashlib.sha256(archive.read_bytes()).hexdigest()}"]
    return "\n".join(
        [
            "# Made by scripts/conda_recipe.py; a test compares it with pyproject.toml",
            "schema_version: 1",
            "context:",
            f'  version: "{version}"',
            f'  python_min: "{least}"',
            "package:",
            "  name: scgnn_tools",
            "  version: ${{ version }}",
            "source:",
            *(f"  {line}" for line in source),
            "build:",
            "  number: 0",
            "  noarch: python",
            "  script: ${{ PYTHON }} -m pip install . -vv --no-deps --no-build-isolation",
            "  python:",
            "    entry_points:",
            *(f"      - {word} = {call}" for word, call in project["scripts"].items()),
            "requirements:",
            "  host:",
            "    - python ${{ python_min }}.*",
            "    - pip",
            "    - hatchling >=1.25",
            "  run:",
            "    - python >=${{ python_min }}",
            *(f"    - {of_conda(line)}" for line in project["dependencies"]),
            "tests:",
            "  - python:",
            "      imports:",
            "        - scgnn_tools",
            "        - scgnn_tools.tl",
            "      pip_check: false # conda-forge calls torch pytorch",
            "      python_version: ${{ python_min }}.*",
            "  - script:",
            "      - sgt --version",
            "      - sgt models",
            "about:",
            f"  homepage: {project['urls']['Source']}",
            f"  documentation: {project['urls']['Documentation']}",
            f"  license: {project['license']}",
            "  license_file: LICENSE",
            f"  summary: {project['description'].split(', with the')[0]}.",
            "extra:",
            "  recipe-maintainers:",
            "    - scgnn-tools",
            "",
        ]
    )


def of_conda(requirement: str) -> str:
    """Return a requirement in conda's words."""
    name, bounds = re.match(r"([\w.-]+)(.*)", requirement).groups()
    return f"{CONDA.get(name, name)} {bounds}".strip()


if __name__ == "__main__":
    print(recipe(Path(sys.argv[1]) if len(sys.argv) > 1 else None), end="")
