"""The small drawings of the pages in docs/concepts/: `python docs/_drawings.py` writes them into docs/_static/concepts/.

Each is a few shapes with the words of its page, on white so that it is read in the dark theme too, and 400 wide so that a phone shows it
whole. A test draws them again and compares.
"""

from collections.abc import Callable
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "_static" / "concepts"
WIDTH = 400
INK, QUIET, PALE = "#1f2933", "#52606d", "#9aa5b1"
BLUE, ORANGE, GREEN, RED, GREY = "#3366aa", "#e07b39", "#3f9b5b", "#d1495b", "#7b8794"

DRAWINGS: dict[str, Callable[[], str]] = {}


def drawing(function: Callable[[], str]) -> Callable[[], str]:
    """Take a function among the drawings, under its name."""
    DRAWINGS[function.__name__] = function
    return function


def text(
    x: float, y: float, words: str, *, colour: str = INK, size: float = 13, anchor: str = "middle", bold: bool = False
) -> str:
    """Return one line of words; y is its base line."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" font-size="{size:g}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def note(x: float, y: float, words: str, *, anchor: str = "middle", colour: str = QUIET) -> str:
    """Return a line that is second."""
    return text(x, y, words, colour=colour, size=11.5, anchor=anchor)


def fitting(words: str, width: float, most: float, each: float) -> float:
    """Return the largest size at which words fit a width in a wide font, whose letters are `each` of the size on the mean."""
    return min(most, round((width - 8) / (each * len(words)), 1))


def box(x: float, y: float, w: float, h: float, *lines: str, colour: str = BLUE) -> str:
    """Return a box with a title and lines under it."""
    top = y + h / 2 - 8 * (len(lines) - 1) + 4.5
    title, *rest = lines
    words = [text(x + w / 2, top, title, bold=True, size=fitting(title, w, 12.5, 0.63))]
    words += [
        text(x + w / 2, top + 16 * (i + 1), line, size=fitting(line, w, 11.5, 0.56)) for i, line in enumerate(rest)
    ]
    frame = f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="6" fill="{colour}" fill-opacity=".14" stroke="{colour}" stroke-width="1.5"/>'
    return frame + "".join(words)


def arrow(x1: float, y1: float, x2: float, y2: float, *, colour: str = QUIET, dashed: bool = False) -> str:
    """Return an arrow from one point to another."""
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="1.6" marker-end="url(#tip)"{dashes}/>'


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str = PALE, width: float = 1.6) -> str:
    """Return a line without a tip."""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="{width:g}"/>'


def dots(*at: tuple[float, float], colour: str = BLUE, radius: float = 5) -> str:
    """Return cells, as dots."""
    return "".join(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{colour}"/>' for x, y in at)


def squares(*at: tuple[float, float], colour: str = ORANGE, side: float = 10) -> str:
    """Return genes, or another kind of cells, as squares."""
    half = side / 2
    return "".join(
        f'<rect x="{x - half:g}" y="{y - half:g}" width="{side:g}" height="{side:g}" fill="{colour}"/>' for x, y in at
    )


def page(height: float, *parts: str) -> str:
    """Return the whole picture."""
    tip = f'<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0 8 4 0 8z" fill="{QUIET}"/></marker>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="520" height="{height * 1.3:g}" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">'
    )
    ground = f'<rect width="{WIDTH}" height="{height:g}" rx="8" fill="#ffffff"/>'
    return "\n".join([head, f"<defs>{tip}</defs>", ground, *parts, "</svg>\n"])


@drawing
def expression() -> str:
    """Draw which matrix is taken."""
    return page(
        190,
        box(6, 12, 118, 44, 'layers["counts"]', colour=GREY),
        box(6, 73, 118, 44, "X", colour=GREY),
        box(6, 134, 118, 44, "raw", colour=GREY),
        *(arrow(126, y, 152, 95 + (y - 95) / 6) for y in (34, 95, 156)),
        box(155, 67, 86, 56, "look at it", "cells vote"),
        *(arrow(243, 95 + (y - 95) / 6, 272, y) for y in (34, 95, 156)),
        box(275, 12, 115, 44, "counts", "taken first", colour=GREEN),
        box(275, 73, 115, 44, "log-normalised", "taken next", colour=GREEN),
        box(275, 134, 115, 44, "scaled", "never used", colour=RED),
    )


@drawing
def genes() -> str:
    """Draw the five ways in which a name is matched."""
    rows = (
        ("TP53", "exact", "TP53"),
        ("ENSG00000141510", "Ensembl", "TP53"),
        ("HSPB11", "alias", "IFT25"),
        ("2-Sep", "date", "SEPTIN2"),
        ("Trp53 (mouse)", "ortholog", "TP53"),
    )
    parts = [note(78, 20, "name in your data"), note(215, 20, "how"), note(338, 20, "gene of the model")]
    for i, (name, how, gene) in enumerate(rows):
        y = 30 + 34 * i
        parts += [box(6, y, 144, 26, name, colour=GREY), arrow(152, y + 13, 172, y + 13), box(175, y, 80, 26, how)]
        parts += [arrow(257, y + 13, 285, y + 13), box(288, y, 100, 26, gene, colour=GREEN)]
    return page(206, *parts)


@drawing
def embedding() -> str:
    """Draw a model that makes vectors of cells and genes."""
    near = ((305, 176), (318, 186), (311, 197), (326, 174)), ((352, 192), (364, 183), (368, 198))
    return page(
        222,
        box(6, 34, 106, 60, "cells × genes", "expression", colour=GREY),
        arrow(114, 64, 140, 64),
        box(143, 34, 96, 60, "cgc-mini", "a bundled model"),
        arrow(241, 54, 268, 36),
        arrow(241, 74, 268, 96),
        box(271, 10, 120, 46, "cell vectors", "obsm", colour=GREEN),
        box(271, 76, 120, 46, "gene vectors", "varm", colour=ORANGE),
        note(10, 152, "One cell alone decides its vector.", anchor="start"),
        note(10, 176, "Similar cells have similar vectors:", anchor="start"),
        note(10, 194, "neighbours, clusters, UMAP, labels.", anchor="start"),
        f'<rect x="285" y="150" width="105" height="62" rx="6" fill="none" stroke="{PALE}"/>',
        dots(*near[0], colour=BLUE),
        dots(*near[1], colour=GREEN),
    )


@drawing
def gene_tasks() -> str:
    """Draw three questions to gene vectors, each beside a simple answer."""
    rows = (
        ("gene programs", "groups of like genes", "random genes", "of like expression"),
        ("classes of genes", "a random forest", "random vectors", "and expression"),
        ("linked genes", "the cosine", "chance", "hardly beaten"),
    )
    parts = [box(6, 78, 102, 54, "gene vectors", "a row a gene")]
    parts += [note(195, 16, "question"), note(333, 16, "beside it")]
    for i, (title, how, baseline, of) in enumerate(rows):
        y = 26 + 56 * i
        parts += [arrow(110, 105 + (y + 23 - 105) / 5, 129, y + 23), box(132, y, 126, 46, title, how, colour=GREEN)]
        parts += [line(259, y + 23, 272, y + 23), box(273, y, 120, 46, baseline, of, colour=ORANGE)]
    return page(192, *parts)


@drawing
def graphs() -> str:
    """Draw the three kinds of graphs and where they are kept."""
    cells, some = ((60, 40), (28, 80), (72, 92), (42, 124)), ((335, 40), (372, 74), (322, 98), (360, 126))
    pairs = ((0, 1), (0, 2), (1, 2), (2, 3), (1, 3))
    return page(
        190,
        *(line(*cells[a], *cells[b], colour=BLUE) for a, b in pairs),
        *(line(*some[a], *some[b], colour=ORANGE) for a, b in pairs),
        *(line(x + 34, y, 262, z) for x, y, z in ((126, 50, 50), (126, 50, 85), (126, 85, 120), (126, 120, 85))),
        dots(*cells, radius=8),
        squares(*some, side=15),
        dots((155, 50), (155, 85), (155, 120), radius=8),
        squares((262, 50), (262, 85), (262, 120), side=15),
        text(55, 158, "cell–cell", bold=True),
        note(55, 176, "obsp"),
        text(208, 158, "cell–gene", bold=True),
        note(208, 176, "X itself"),
        text(346, 158, "gene–gene", bold=True),
        note(346, 176, "varp"),
    )


@drawing
def annotation() -> str:
    """Draw a reference that teaches, and a query that is labelled."""
    return page(
        196,
        box(10, 14, 108, 54, "reference", "labelled cells", colour=GREEN),
        arrow(120, 41, 146, 62),
        box(10, 104, 108, 54, "query", "your cells", colour=GREY),
        arrow(120, 131, 146, 108),
        box(149, 46, 104, 78, "auto", "five methods,", "averaged"),
        arrow(255, 70, 280, 42),
        arrow(255, 100, 280, 130),
        box(283, 12, 108, 58, "a label", "and a confidence", colour=GREEN),
        box(283, 102, 108, 58, "Unknown", "and the reason", colour=RED),
        note(200, 184, "Beside it: baselines on held-out cells of the reference"),
    )


@drawing
def grn() -> str:
    """Draw the two sources of a network and how they are joined."""
    return page(
        212,
        box(10, 12, 118, 56, "known edges", "a prior, TRRUST", colour=ORANGE),
        arrow(130, 40, 152, 40),
        note(194, 34, "prior_score", colour=INK),
        note(194, 50, "sees no cell"),
        arrow(236, 44, 262, 72),
        box(10, 112, 118, 56, "your cells", "their expression", colour=GREEN),
        arrow(130, 140, 152, 140),
        note(194, 134, "data_score", colour=INK),
        note(194, 150, "sees no edge"),
        arrow(236, 136, 262, 108),
        box(265, 60, 126, 60, "score", "both joined"),
        arrow(328, 122, 328, 146),
        note(328, 162, "beside degree"),
        note(328, 178, "and collaborative"),
        note(10, 200, "How much the cells count is measured on known edges.", anchor="start"),
    )


@drawing
def grn_methods() -> str:
    """Draw what methods learn from."""
    rows = (
        ("labels", "degree, collaborative", ORANGE),
        ("gene vectors", "cosine", BLUE),
        ("expression", "pcc, mi, genie3, grnboost2", GREEN),
        ("several of them", "sgt, scregnet, genelink, gnnlink, …", GREY),
    )
    parts = [note(68, 18, "learns from"), note(265, 18, "methods")]
    for i, (source, methods, colour) in enumerate(rows):
        y = 28 + 40 * i
        parts += [box(8, y, 120, 32, source, colour=colour), arrow(130, y + 16, 148, y + 16)]
        parts += [
            f'<rect x="151" y="{y}" width="241" height="32" rx="6" fill="none" stroke="{PALE}"/>',
            text(271, y + 20.5, methods),
        ]
    return page(192, *parts)


@drawing
def grn_own() -> str:
    """Draw the network of another tool that gets what a network of the package gets."""
    return page(
        176,
        box(8, 12, 116, 64, "another tool", "pySCENIC,", "CellOracle, …", colour=GREY),
        box(8, 104, 116, 54, "a table", "tf, target, score", colour=GREY),
        arrow(126, 46, 148, 74),
        arrow(126, 130, 148, 102),
        box(151, 58, 98, 60, "the network", "grn_from_edges"),
        *(arrow(251, 88 + (y - 88) / 5, 274, y) for y in (34, 88, 142)),
        box(277, 14, 115, 40, "figures", colour=GREEN),
        box(277, 68, 115, 40, "activities", colour=GREEN),
        box(277, 122, 115, 40, "evaluation", colour=ORANGE),
    )


@drawing
def grn_use() -> str:
    """Draw what is read first, and what is done with the edges then."""
    return page(
        176,
        box(8, 60, 104, 56, "infer_grn", "your cells"),
        arrow(114, 76, 138, 48),
        arrow(114, 100, 138, 128),
        box(141, 14, 112, 60, "evaluation", "read it first", colour=ORANGE),
        box(141, 102, 112, 60, "edges", "best first", colour=GREEN),
        *(arrow(255, 132 + (y - 132) / 5, 277, y) for y in (38, 88, 138)),
        box(280, 18, 112, 40, "figures", colour=GREY),
        box(280, 68, 112, 40, "activities", colour=GREY),
        box(280, 118, 112, 40, "files", colour=GREY),
    )


@drawing
def integration() -> str:
    """Draw two batches before and after, and what judges them."""
    a = ((40, 52), (54, 64), (34, 74)), ((92, 44), (104, 58), (110, 44))
    b = ((38, 104), (52, 114), (32, 122)), ((96, 110), (110, 100), (108, 120))
    mixed_a = ((300, 70), (318, 84), (304, 100)), ((362, 66), (376, 82), (360, 98))
    mixed_b = ((312, 66), (298, 86), (318, 102)), ((374, 66), (358, 82), (374, 98))
    return page(
        222,
        note(72, 24, "two batches apart"),
        dots(*a[0], colour=BLUE),
        dots(*a[1], colour=GREEN),
        squares(*b[0], colour=BLUE),
        squares(*b[1], colour=GREEN),
        arrow(132, 84, 158, 84),
        box(161, 56, 82, 56, "integrate", "one space"),
        arrow(245, 84, 271, 84),
        note(336, 24, "batches mixed,"),
        note(336, 40, "cell types apart"),
        dots(*mixed_a[0], colour=BLUE),
        dots(*mixed_a[1], colour=GREEN),
        squares(*mixed_b[0], colour=BLUE),
        squares(*mixed_b[1], colour=GREEN),
        note(200, 143, "colour: cell type · shape: batch"),
        box(10, 158, 118, 50, "bio", "labels stay apart", colour=GREEN),
        box(141, 158, 118, 50, "batch", "batches are mixed"),
        box(272, 158, 118, 50, "controls", "random, labels", colour=ORANGE),
    )


@drawing
def perturbation() -> str:
    """Draw a screen, a prediction for a gene that nobody knocked out, and the ceiling."""
    return page(
        222,
        box(8, 12, 108, 46, "control cells", colour=GREY),
        box(8, 78, 108, 54, "knock-outs", "A, B, D, …", colour=GREEN),
        arrow(118, 40, 144, 60),
        arrow(118, 104, 144, 84),
        box(147, 42, 102, 60, "kernel", "A is like C"),
        arrow(251, 72, 275, 72),
        box(278, 42, 114, 60, "change", "of knock-out C"),
        note(10, 160, "A useful prediction stands between these two:", anchor="start"),
        box(8, 172, 118, 40, "baselines", "no_change, mean", colour=ORANGE),
        note(142, 197, "<"),
        box(155, 172, 90, 40, "prediction"),
        note(258, 197, "<"),
        box(274, 172, 118, 40, "ceiling", "half against half", colour=GREY),
    )


@drawing
def knockout_bulk() -> str:
    """Draw a control and a target, the two steps, and what judges them."""
    return page(
        222,
        box(8, 12, 110, 50, "control", "level of each gene", colour=GREY),
        box(8, 80, 110, 50, "target", "is knocked out", colour=GREEN),
        arrow(120, 40, 146, 60),
        arrow(120, 104, 146, 84),
        box(149, 42, 106, 60, "changes?", "first step"),
        arrow(257, 72, 281, 72),
        box(284, 42, 108, 60, "up or down?", "second step"),
        note(10, 160, "Most genes do not change, so accuracy says nothing:", anchor="start"),
        box(8, 172, 118, 40, "base rate", "chance", colour=ORANGE),
        note(142, 197, "<"),
        box(155, 172, 90, 40, "AUPRC"),
        note(258, 197, "<"),
        box(274, 172, 118, 40, "ceiling", "a replicate", colour=GREY),
    )


@drawing
def in_silico() -> str:
    """Draw a cell whose input lacks a gene, how far its vector moves, and three comparisons."""
    genes = [(24, 36), (42, 36), (60, 36), (78, 36)]
    return page(
        222,
        squares(*genes),
        note(51, 62, "a cell's genes"),
        squares((24, 96), (42, 96), (78, 96)),
        note(60, 101, "×", colour=RED),
        note(51, 122, "one is deleted"),
        arrow(98, 36, 142, 60),
        arrow(98, 96, 142, 76),
        box(145, 40, 104, 56, "a model", "cell vectors"),
        arrow(251, 68, 275, 68),
        box(278, 40, 114, 56, "shift", "1 - cosine", colour=GREEN),
        note(10, 152, "Does a gene move cells more than simple reasons say?", anchor="start"),
        box(8, 164, 120, 48, "like genes", "of like expression", colour=ORANGE),
        box(140, 164, 120, 48, "PCA", "the same deletion", colour=ORANGE),
        box(272, 164, 120, 48, "rank", "what it explains", colour=ORANGE),
    )


def main() -> None:
    """Write every drawing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in DRAWINGS.items():
        (FOLDER / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
