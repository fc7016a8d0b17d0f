"""What pyproject.toml and meta.yaml say of the package is so."""

import ast
import json
import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

import scgnn_tools as sgt

ROOT = Path(__file__).parents[1]
SRC = Path(sgt.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DISTRIBUTION = {"sklearn": "scikit-learn", "scvi": "scvi-tools"}
"""Distributions that are not called as what is imported from them."""

THROUGH_OTHERS = {"dask"}
"""Extras that another package imports: AnnData hands us its arrays."""

BY_TESTS = {"scib-metrics"}
"""Extras that only a test imports, which compares our numbers with theirs where they are installed."""

BY_RECIPES = {"annbatch", "ray"}
"""Extras that a recipe of docs/how-to/clusters.md imports, and a test where they are installed."""


def names(requirements):
    return {re.match(r"[\w.-]+", r)[0].lower() for r in requirements}


CORE = names(PROJECT["dependencies"])
EXTRAS = {d for extra in PROJECT["optional-dependencies"].values() for d in names(extra)}


def imports(path):
    """Yield (distribution, whether it is imported on use only) of what is neither ours nor Python's."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    on_use = {inner for outer in typing + functions for inner in ast.walk(outer)}
    for node in ast.walk(tree):
        found = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        found += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and isinstance(node.args[0], ast.Constant)
        ):
            found.append(node.args[0].value)
        for top in {name.split(".")[0] for name in found} - sys.stdlib_module_names - {"scgnn_tools"}:
            yield DISTRIBUTION.get(top, top.replace("_", "-")).lower(), node in on_use


@pytest.fixture(scope="module")
def imported():
    found = defaultdict(set)
    for path in SRC.rglob("*.py"):
        for distribution, on_use in imports(path):
            found[distribution].add((str(path.relative_to(SRC)), on_use))
    return found


def test_what_is_imported_is_declared_and_what_is_declared_is_imported(imported):
    assert set(imported) - CORE - EXTRAS == set()
    assert CORE - set(imported) == set()
    assert EXTRAS - set(imported) - THROUGH_OTHERS == BY_TESTS | BY_RECIPES
    recipes = (ROOT / "docs/how-to/clusters.md").read_text(encoding="utf-8")
    assert all(re.search(rf"^(import|from) {name}\b", recipes, re.M) for name in BY_RECIPES)


def test_extras_are_imported_where_they_are_used(imported):
    """Else the package does not import without them."""
    assert [(d, path) for d in EXTRAS - CORE for path, on_use in imported[d] if not on_use] == []


def test_the_house_is_as_contributing_shows_it():
    """The floors are those that lint holds, every room stands on one, and the folders of tests are called as the rooms."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    floors = [frozenset(re.split(r" [|] ", layer)) for layer in layers[-2::-1]]  # below them lies the ground
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, *shown = next(line for line in text.splitlines() if line.startswith("`_*.py`")).split(" → ")
    assert [frozenset(re.findall(r"`(\w+)`", floor)) for floor in shown] == floors
    rooms = {path.parent.name for path in SRC.glob("*/__init__.py")}
    assert frozenset.union(*floors) == rooms
    assert {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")} - rooms == {
        "benchmarks",
        "fuzz",
        "golden",
    }


def test_the_migration_page_leads_to_modules_that_are_there():
    text = (ROOT / "docs/migration.md").read_text(encoding="utf-8").split("## Names for those")[1]
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 5
    for _, now in rows:
        room = ""
        for name in re.findall(r"`([\w.]+)`", now):
            *parts, last = name.split(".")
            room = "/".join(parts).strip("/") or room  # `.novelty` is of the room before it
            at = SRC / room
            there = (at / f"{last}.py").is_file() or (at / last).is_dir()
            assert there or last in {"CGC", "CGCModel"}, name


def test_the_entry_of_the_ecosystem_list_is_what_its_schema_asks_for():
    entry = yaml.safe_load((ROOT / "meta.yaml").read_text(encoding="utf-8"))
    required = {"name", "description", "project_home", "documentation_home", "install", "license", "tags"}
    assert required | {"primary_category", "language", "category"} <= set(entry)
    assert "version" not in entry  # read from the package index
    assert 1 <= len(entry["tags"]) == len(set(entry["tags"])) <= 10
    assert {"foundation model", "deep learning", "cell-type annotation", "gene regulatory networks"} <= set(
        entry["tags"]
    )
    assert (entry["name"], entry["license"]) == (PROJECT["name"], PROJECT["license"])
    assert (entry["documentation_home"].rstrip("/"), entry["project_home"]) == (
        PROJECT["urls"]["Documentation"],
        PROJECT["urls"]["Source"],
    )


def test_the_recipe_of_conda_is_what_the_project_asks_for(tmp_path):
    from scripts.conda_recipe import CONDA, recipe

    assert (ROOT / "recipe/recipe.yaml").read_text(encoding="utf-8") == recipe()
    run = yaml.safe_load(recipe())["requirements"]["run"]
    there = {line.split()[0] for line in run}
    assert {CONDA.get(name, name) for name in CORE} == there - {"python"}
    archive = tmp_path / "scgnn_tools-0.1.0.tar.gz"
    archive.write_bytes(b"x")
    source = yaml.safe_load(recipe(archive))["source"]
    assert source["url"].endswith("/scgnn_tools-0.1.0.tar.gz")
    assert len(source["sha256"]) == 64


def test_a_citation_names_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["title"], cited["version"], cited["license"]) == (
        PROJECT["name"],
        PROJECT["version"],
        PROJECT["license"],
    )


def test_images_are_made_for_cpu_and_cuda_from_what_the_build_may_see():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    stages = [line.split()[-1] for line in lines if line.startswith("FROM ")]
    assert stages[-1] == "cpu"  # of a plain `docker build .`
    assert {"cpu", "cuda"} <= set(stages)
    seen = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = {name.strip("./") for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    assert {f"!{name}" for name in copied} <= set(seen)
    extras = re.findall(r'"\.\[([\w,]+)\]"', "\n".join(lines))
    assert {e for group in extras for e in group.split(",")} <= set(PROJECT["optional-dependencies"])


def test_workflows_can_be_read_and_call_what_there_is():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    files = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert len(files) >= 2
    for file in files:
        flow = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert flow["permissions"] == {"contents": "read"}, file.name  # a job that needs more says so
        for job in flow["jobs"].values():
            assert {"runs-on", "steps"} <= set(job)
            assert all(("uses" in step) != ("run" in step) for step in job["steps"])
            assert all("@" in step["uses"] for step in job["steps"] if "uses" in step)
            lines = "\n".join(step.get("run", "") for step in job["steps"])
            assert set(re.findall(r"^make ([\w-]+)", lines, re.M)) <= targets
            assert all((ROOT / path).is_file() for path in re.findall(r"(?:scripts|\.ci)/[\w.]+", lines))


def test_the_list_of_versions_of_the_site_names_this_one():
    versions = json.loads((ROOT / "docs/_static/switcher.json").read_text(encoding="utf-8"))
    assert [v["version"] for v in versions][:2] == ["latest", "stable"]
    assert [v["name"] for v in versions if v.get("preferred")] == [f"stable ({PROJECT['version']})"]
    assert all(v["url"] == f"{PROJECT['urls']['Documentation']}/en/{v['version']}/" for v in versions)
    assert "_static/switcher.json" in (ROOT / "docs/conf.py").read_text(encoding="utf-8")


def test_the_instructions_of_the_docker_file_are_those_that_there_are():
    """Docker itself reads it in CI; here every line is an instruction, or goes on with one."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
    words = {line.split()[0] for line in lines}
    assert words <= {
        "FROM",
        "ENV",
        "RUN",
        "WORKDIR",
        "COPY",
        "USER",
        "ENTRYPOINT",
        "CMD",
        "ARG",
        "LABEL",
        "EXPOSE",
        "VOLUME",
    }
    for line in lines:
        if line.startswith(("ENTRYPOINT", "CMD")):
            assert all(isinstance(word, str) for word in json.loads(line.split(maxsplit=1)[1]))
        if line.startswith("COPY"):
            assert all((ROOT / name).exists() for name in line.split()[1:-1] if not name.startswith("--"))
    stages = [line.split() for line in lines if line.startswith("FROM")]
    assert all(len(s) == 4 and s[2] == "AS" for s in stages)
    assert all(s[1] in {t[3] for t in stages[:i]} or ":" in s[1] for i, s in enumerate(stages))


def test_a_release_is_published_by_trust_and_attested():
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["pypi"]["permissions"]["id-token"] == "write"
    uses = [step.get("uses", "") for step in jobs["pypi"]["steps"]]
    assert any("gh-action-pypi-publish" in u for u in uses)
    assert any("attest-build-provenance" in u for u in uses)
    assert "password" not in str(jobs)
    assert any(step.get("run") == "make dist" for step in jobs["build"]["steps"])
