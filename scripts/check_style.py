"""Check the words of the documentation: `python scripts/check_style.py [page …]`, run by `make lint`.

A page has at most 20 words a sentence on the mean, no sentence of more than 40, and no paragraph of more than 100 (five lines). Words of
the house's list are not used, and every picture has a text that says what it shows. Code, tables, and headings are not counted. The same
holds for what the docstring of a public name says before its parameters.
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MEAN, LONGEST, PARAGRAPH = 20, 40, 100
SECTION = re.compile(r"\n\s*\w[\w ]*\n\s*-{3,}\s*\n")  # a heading of a docstring

WORDS = {
    r"(?<!transcription )(?<!scale )\bfactors?\b(?! of \d)": "transcription factor",
    r"\butili[sz]e[sd]?\b": "use",
    r"\bleverag(e[sd]?|ing)\b": "use",
    r"\bnovel method\b": "method",
    r"\bstate[- ]of[- ]the[- ]art\b": "the figure itself",
    r"\b(simply|obviously|of course)\b": "nothing: leave it out",
    r"\be\.g\.": "for example",
    r"\bi\.e\.": "that is",
    r"\bcell[- ]type annotation tool\b": "annotation",
}
"""What is not written, as a pattern, and what is written in its place."""

ROOMS = (
    "annotation",
    "data",
    "fm",
    "genes",
    "graph",
    "grn",
    "integration",
    "metrics",
    "models",
    "perturbation",
    "pl",
    "pp",
    "report",
    "splits",
    "tl",
)
"""The parts of the package whose public docstrings are read."""


def pages() -> list[Path]:
    """Return the README and every page of the documentation that is written by hand."""
    made = ("_build", "generated", "gallery", "tutorials", "jupyter_execute")
    found = [p for p in (ROOT / "docs").rglob("*.md") if not set(made) & set(p.relative_to(ROOT).parts)]
    return [ROOT / "README.md", *sorted(p for p in found if p.name not in ("changelog.md", "contributing.md"))]


def prose(text: str) -> list[str]:
    """Return the paragraphs and list items of a page, without code, tables, headings, and marks."""
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1\s*$", "", text, flags=re.M | re.S)  # blocks of code and directives
    lines = []
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith(("|", "#", ":::", ":", "![", "[![", "```", "<")) or re.match(r"^[-=]{3,}$", bare):
            lines.append("")
        elif re.match(r"^([-*]|\d+\.) ", bare):
            lines += ["", re.sub(r"^([-*]|\d+\.) ", "", bare)]
        else:
            lines.append(bare)
    return [p.replace("\n", " ") for p in re.split(r"\n\s*\n", "\n".join(lines)) if p.strip()]


def sentences(paragraph: str) -> list[list[str]]:
    """Return the words of each sentence; a span of code is one word, a link is its text."""
    text = re.sub(r"\{[\w:]+\}`[^`]*`|`[^`]*`", "CODE", paragraph)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("**", "").replace("*", "")
    parts = re.split(r"(?<=[.!?:])\s+(?=[A-Z0-9(])", text)
    return [words for part in parts if (words := re.findall(r"[\w'’+./%-]*\w", part))]


def faults(text: str, *, mean: bool = True) -> list[str]:
    """Return what is wrong with the words of a text; `mean=False` for one of a sentence or two."""
    found, lengths = [], []
    for paragraph in prose(text):
        here = sentences(paragraph)
        lengths += [len(words) for words in here]
        found += [f"a sentence of {len(w)} words: {' '.join(w[:9])} …" for w in here if len(w) > LONGEST]
        if (n := sum(len(words) for words in here)) > PARAGRAPH:
            found.append(f"a paragraph of {n} words: {' '.join(here[0][:9])} …")
        plain = re.sub(r"`[^`]*`|\]\([^)]*\)", "", paragraph)
        for pattern, better in WORDS.items():
            for hit in re.finditer(pattern, plain, flags=re.I):
                around = plain[max(0, hit.start() - 25) : hit.end() + 15]
                found.append(f"“{hit.group()}” in “…{around}…”: write {better}")
    if mean and (length := sum(lengths) / max(len(lengths), 1)) > MEAN:
        found.append(f"{length:.1f} words a sentence on the mean")
    return found


def pictures(text: str) -> list[str]:
    """Return what is wrong with the pictures of a page: each needs a text for who cannot see it."""
    text = re.sub(r"^(`{3,})(?!\{)[^\n]*\n.*?^\1\s*$", "", text, flags=re.M | re.S)  # blocks of code
    found = [f"the picture {m.group(2)} has no text" for m in re.finditer(r"!\[(\s*)\]\(([^)\s]+)", text)]
    found += [
        f"{m.group()} has no alt"
        for m in re.finditer(r"<img\b[^>]*>", text)
        if not re.search(r'\balt="[^"]+"', m.group())
    ]
    for block in re.finditer(r"^(`{3,}|:{3,})\{(image|figure)\} *(\S+)(.*?)^\1\s*$", text, flags=re.M | re.S):
        if not re.search(r"^:alt: *\S", block.group(4), flags=re.M):
            found.append(f"the picture {block.group(3)} has no :alt:")
    for card in re.finditer(r"^:img-(top|bottom|background): *(\S+)((?:\n:.*)*)", text, flags=re.M):
        before = text[: card.start()].rsplit(":::{", 1)[-1]
        if ":img-alt:" not in card.group(3) and ":img-alt:" not in before:
            found.append(f"the picture {card.group(2)} has no :img-alt:")
    return found


def docstrings() -> dict[str, str]:
    """Return, by `room.name`, what the docstring of each public function, class and method says before its parameters."""
    found = {}
    for room in ROOMS:
        for node in exported(ROOT / "src" / "scgnn_tools" / room / "__init__.py"):
            inside = node.body if isinstance(node, ast.ClassDef) else []
            methods = [m for m in inside if isinstance(m, ast.FunctionDef) and not m.name.startswith("_")]
            names = {node.name: node} | {f"{node.name}.{m.name}": m for m in methods}
            found |= {f"{room}.{name}": SECTION.split(ast.get_docstring(n) or "")[0] for name, n in names.items()}
    return found


def exported(init: Path) -> list[ast.FunctionDef | ast.ClassDef]:
    """Return the functions and classes that an `__init__.py` imports from the package, without running it."""
    found = []
    for line in ast.parse(init.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom) and (line.module or "").startswith("scgnn_tools."):
            path = (ROOT / "src").joinpath(*line.module.split("."))
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            names = {name.name for name in line.names}
            body = ast.parse(path.read_text(encoding="utf-8")).body
            found += [n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name in names]
    return found


def as_page(docstring: str) -> str:
    """Return a docstring with its marks written as in a page."""
    text = re.sub(r":[\w:]+:`([^`]*)`", r"`\1`", docstring).replace("``", "`")
    return re.sub(r"^\s*\.\. .*$|::$", "", text, flags=re.M)


def main(names: list[str]) -> int:
    """Check pages, and without names the docstrings too; print what is wrong, and return the exit status."""
    wrong = {}
    for path in [Path(n).resolve() for n in names] or pages():
        text = path.read_text(encoding="utf-8")
        wrong[str(path.relative_to(ROOT))] = faults(text) + pictures(text)
    for name, docstring in ({} if names else docstrings()).items():
        wrong[name] = faults(as_page(docstring), mean=False) if docstring else ["no docstring"]
    for name, found in wrong.items():
        for fault in found:
            print(f"{name}: {fault}")
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
