"""Check the words of the documentation: `python scripts/check_style.py [page …]`, run by `make lint`.

A page has at most 20 words a sentence on the mean, and no sentence of more than 40. Words of the house's list are not used. Code, tables,
and headings are not counted. Pages of WAITING are still to be rewritten: they may fail, and a note says when one passes.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MEAN, LONGEST = 20, 40

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

WAITING = {
    "docs/concepts/annotation.md",
    "docs/concepts/grn.md",
    "docs/concepts/grn_methods.md",
    "docs/concepts/grn_own.md",
    "docs/concepts/grn_use.md",
    "docs/concepts/perturbation.md",
    "docs/how-to/big_data.md",
    "docs/models/scbignn.md",
    "docs/models/scgrapht.md",
    "docs/models/scregnet.md",
    "docs/models/sctransnet.md",
}
"""Pages that are still to be rewritten; a page that does not exist yet may stand here."""


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


def faults(path: Path) -> list[str]:
    """Return what is wrong with the words of a page."""
    found, lengths = [], []
    for paragraph in prose(path.read_text(encoding="utf-8")):
        for words in sentences(paragraph):
            lengths.append(len(words))
            if len(words) > LONGEST:
                found.append(f"a sentence of {len(words)} words: {' '.join(words[:9])} …")
        plain = re.sub(r"`[^`]*`|\]\([^)]*\)", "", paragraph)
        for pattern, better in WORDS.items():
            for hit in re.finditer(pattern, plain, flags=re.I):
                around = plain[max(0, hit.start() - 25) : hit.end() + 15]
                found.append(f"“{hit.group()}” in “…{around}…”: write {better}")
    mean = sum(lengths) / max(len(lengths), 1)
    if mean > MEAN:
        found.append(f"{mean:.1f} words a sentence on the mean")
    return found


def main(names: list[str]) -> int:
    """Check pages and print what is wrong; return the exit status."""
    status = 0
    for path in [Path(n).resolve() for n in names] or pages():
        name, wrong = str(path.relative_to(ROOT)), faults(path)
        if name in WAITING and not names:
            if not wrong:
                print(f"note: {name} passes: take it off WAITING in scripts/check_style.py")
            continue
        for fault in wrong:
            print(f"{name}: {fault}")
        status |= bool(wrong)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
