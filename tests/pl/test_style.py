"""What is written can be read: the contrast of text in figures and in the pages that the package writes."""

import re
from importlib.resources import files

import numpy as np
import pytest

from scgnn_tools.pl import _style as style

WANTED = 4.5
"""Of WCAG 2, level AA, for text of any size."""


def test_contrast_is_that_of_wcag():
    assert style.contrast("black", "white") == pytest.approx(21)
    assert style.contrast("#777777", "white") == pytest.approx(4.48, abs=0.005)
    assert style.contrast("#3366aa", "#3366aa") == 1


@pytest.mark.parametrize("colour", [style.INK, style.QUIET, style.TF])
def test_text_of_the_figures_stands_out_from_the_paper(colour):
    assert style.contrast(colour, "white") >= WANTED


def test_numbers_stand_out_from_any_square():
    for colour in np.random.default_rng(0).random((300, 3)):
        assert style.contrast(style.on(colour), colour) >= WANTED


def test_colours_of_classes_stand_apart_from_the_paper_and_from_unknown():
    assert len(set(style.PALETTE)) == len(style.PALETTE)
    assert style.UNKNOWN not in style.PALETTE
    assert min(style.contrast(c, "white") for c in style.PALETTE[:10]) >= 2.5


@pytest.mark.parametrize(
    ("package", "name", "papers"),
    [
        ("scgnn_tools.pl", "page/grn.css", ["#ffffff", "var(--wash)"]),
        ("scgnn_tools.report", "report.css", ["var(--back)", "var(--card)"]),
    ],
)
def test_text_of_the_pages_stands_out_in_each_theme(package, name, papers):
    css = files(package).joinpath(name).read_text(encoding="utf-8")
    for block in re.findall(r":root \{([^}]*)\}", css):  # light, then dark where there is one
        colours = dict(re.findall(r"(--\w+): (#\w+)", block))
        texts = set(re.findall(r"(?<![-\w])color: var\((--\w+)\)", css))
        assert {"--ink", "--soft"} <= texts <= set(colours)
        for text in texts:
            for paper in papers:
                behind = colours.get(paper.removeprefix("var(").removesuffix(")"), paper)
                assert style.contrast(colours[text], behind) >= WANTED, (text, paper)
        for behind in re.findall(
            r"background: var\((--\w+)\); color: #fff|color: #fff; background: var\((--\w+)\)", css
        ):
            assert style.contrast("#ffffff", colours[next(filter(None, behind))]) >= WANTED, behind
