"""The documentation is true: names exist, the tutorial runs, the README's calls are the calls."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scgnn_tools as sgt

ROOT = Path(__file__).parents[1]


def test_every_public_function_is_in_the_api_pages_and_has_a_docstring():
    page = (ROOT / "docs/api/index.md").read_text(encoding="utf-8")
    for room in ("tl", "pl", "pp", "fm", "models", "metrics"):
        module = getattr(sgt, room)
        for name in module.__all__:
            assert f"{room}.{name}\n" in page, f"{room}.{name}"
            assert getattr(module, name).__doc__, f"{room}.{name}"


def test_the_names_of_the_readme_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for room, name in re.findall(r"sgt\.(tl|pl|pp|fm)\.(\w+)", text):
        assert name in getattr(sgt, room).__all__
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link


def test_the_readme_names_the_test_command_that_ci_runs():
    assert "make test " in (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^make test$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.M)


def test_the_version_is_said_once():
    assert f'version = "{sgt.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("notebook", sorted((ROOT / "tutorials").glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_tutorial_shows_no_path_of_the_machine_that_ran_it(notebook):
    text = notebook.read_text(encoding="utf-8")
    assert not [p for p in ("site-packages", "ipykernel_", "/home/", "/root/", "/tmp/tmp") if p in text]


@pytest.mark.slow
@pytest.mark.tutorial
@pytest.mark.parametrize("notebook", sorted((ROOT / "tutorials").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_tutorial_runs(notebook, tmp_path, request):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert all(c["outputs"] or "import" in "".join(c["source"]) for c in cells if c["cell_type"] == "code")
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    if "SGT_TEST_DATA" in code:
        env["SGT_TEST_DATA"] = str(request.getfixturevalue("test_data"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env=env,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_gallery_shows_every_figure():
    from docs._gallery import FIGURES

    assert {name for name, *_ in FIGURES} == set(sgt.pl.__all__)
    for name, _, _, _, lines in FIGURES:
        assert f"sgt.pl.{name}(" in lines.strip().splitlines()[-1]


def test_every_concept_has_a_drawing_and_it_is_what_the_script_draws():
    from docs._drawings import DRAWINGS, FOLDER

    assert (
        set(DRAWINGS) == {p.stem for p in (ROOT / "docs/concepts").glob("*.md")} == {p.stem for p in FOLDER.glob("*")}
    )
    for name, draw in DRAWINGS.items():
        assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == draw(), "run python docs/_drawings.py"
        sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)"', draw())]
        assert min(sizes) >= 10  # of 400: what a phone still shows
        page = (ROOT / "docs/concepts" / f"{name}.md").read_text(encoding="utf-8")
        assert re.search(rf"^!\[.+\]\(\.\./_static/concepts/{name}\.svg\)$", page, re.M)


MADE = {"_build", "gallery", "generated", "tutorials"}
PAGES = [p for p in sorted((ROOT / "docs").rglob("*.md")) if not MADE & set(p.relative_to(ROOT).parts)]


def anchors(page):
    """Return the addresses of the headings of a page, as MyST makes them."""
    headings = re.findall(
        r"^#{1,3} (.+)$", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S), flags=re.M
    )
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_leads_nowhere_that_is_not_there_and_names_what_is(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", text, flags=re.S)):
        made = "tutorials/" in link or "gallery/" in link
        target = (ROOT / "tutorials" / Path(link).name) if "tutorials/" in link else page.parent / link
        assert (made and "gallery/" in link) or target.exists() or target.with_suffix(".ipynb").exists(), link
    for link, anchor in re.findall(r"\]\(([^)#:\s]*\.md)?#([^)]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)):
        assert anchor in anchors(page.parent / link if link else page), f"{link}#{anchor}"
    for file in re.findall(r"\{download\}`[^<]*<([^>]+)>`", text):
        assert (page.parent / file).is_file(), file
    for room, name in re.findall(r"sgt\.(tl|pl|pp|fm|models)\.(\w+)", text):
        assert hasattr(getattr(sgt, room), name), f"sgt.{room}.{name}"


def test_every_full_text_of_a_benchmark_is_one_click_away():
    texts = {p.name for p in (ROOT / "docs" / "_static").glob("*.txt")}
    linked = set(re.findall(r"<_static/([\w.]+)>", (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")))
    assert texts == linked
    for page in PAGES:  # the pages show short tables: what is printed wide is not included
        assert "{include} ../_static" not in page.read_text(encoding="utf-8"), page
