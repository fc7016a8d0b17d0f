"""The page of ``sgt report``: all results of an object, in one file, whatever the names in it are."""

import re
from html.parser import HTMLParser

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tests.pl.test_names import annotated, network

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools.cli import main
from scgnn_tools.report import report
from scgnn_tools.report.page import page
from scgnn_tools.report.sections import Section

EMPTY = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Checks that tags close in order; keeps what a page takes from elsewhere, its headings and its pictures."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.headings, self.pictures = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.links += [v for k, v in attrs if k in ("src", "href") and not v.startswith(("#", "data:"))]
        if tag == "img":
            self.pictures.append(given["alt"])
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)


@pytest.fixture(scope="module")
def done():
    adata = annotated(["A"])
    adata.uns["sgt_grn"] = network(["A"]).uns["sgt_grn"]
    edges = adata.uns["sgt_grn"]["edges"]
    edges["known"] = False
    edges["probability"] = np.linspace(0.1, 0.9, len(edges))
    edges["data_score"] = np.where(np.arange(len(edges)) < 3, 2.5, 1.0)
    adata.obs["l_reason"] = ["unlike every cell of the reference"] + [""] * (adata.n_obs - 1)
    far = {"query_distance": 0.4, "query_shift_taken_out": True, "query_unlike": False}
    adata.uns["l"]["params"] |= far | {"trained_for_this_query": False}
    adata.uns["mine"] = {"edges": "not a table", "confusion": 3}
    return adata


def test_every_result_has_its_section_and_nothing_comes_from_elsewhere(done, tmp_path):
    before = list(done.obs), list(done.uns), list(done.obsm)
    path = report(done, tmp_path / "r.html", title="Ours <b>")
    text = path.read_text()
    read = Page(text)
    assert read.links == []
    assert "Ours <b>" in read.headings
    assert {"Labels of cells", "Gene regulatory network"} <= set(read.headings)
    assert any("best edges that the prior does not know" in h for h in read.headings)
    assert {"The network", "Predicted against true labels of held-out cells of the reference"} <= set(read.pictures)
    assert "Why cells are Unknown" in read.headings
    assert "the query lies 0.40 spreads from the reference" in text
    assert not re.search(r"url\(|@import|<script", text)
    assert (list(done.obs), list(done.uns), list(done.obsm)) == before


def test_new_edges_that_the_cells_support_have_their_own_table(done, tmp_path):
    text = report(done, tmp_path / "r.html").read_text()
    best, supported = (t.split("</table>")[0] for t in text.split("<table>") if '<th scope="col">source</th>' in t)
    assert best.count("<tr>") > 4
    assert supported.count("<tr>") == 1 + 3
    assert '<th scope="col" class="n">probability</th>' in supported
    first = done.uns["sgt_grn"]["edges"].iloc[2]  # the likeliest of the three
    assert supported.split("<tbody>")[1].startswith(
        f'<tr><th scope="row">{first["source"]}</th><td>{first["target"]}</td>'
    )


def test_names_are_text_and_numbers_are_short():
    table = pd.DataFrame(
        {"n": [1200, 3], "share": [0.123456, np.nan], "</td><script>": ["<i>", "$\\frac$"]}, index=["</table>", "\x00"]
    )
    text = page("t", [Section("s", "w", ["<said>"], {"k": {"a": [1] * 40}}, [("c", table)])], {})
    Page(text)
    for seen in ("1,200", "0.123", "–", "&lt;script&gt;", "&lt;i&gt;", "&lt;said&gt;", "… (40)"):
        assert seen in text
    assert "<script" not in text


def test_a_figure_that_cannot_be_drawn_is_a_line():
    def fails():
        msg = "there is no map"
        raise InputValueError(msg)

    assert "there is no map" in page("t", [Section("s", "w", figures=[("Cells", fails)])], {})


BAD = [
    ("r.pdf", {}, InputValueError, "ends in .html"),
    ("no/such/r.html", {}, InputValueError, "There is no folder"),
    ("there.html", {}, InputValueError, "overwrite=True"),
]


@pytest.mark.parametrize(("name", "how", "error", "says"), BAD)
def test_what_cannot_be_written_is_said_first(done, tmp_path, name, how, error, says):
    (tmp_path / "there.html").write_text("mine")
    with pytest.raises(error, match=re.escape(says)):
        report(done, tmp_path / name, **how)
    assert (tmp_path / "there.html").read_text() == "mine"


def test_objects_without_results_and_other_things_are_refused(tmp_path):
    with pytest.raises(InputValueError, match="holds no result"):
        report(ad.AnnData(np.ones((3, 2))), tmp_path / "r.html")
    with pytest.raises(InputTypeError):
        report("cells.h5ad", tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_the_command(done, tmp_path, capsys):
    kept = done.copy()
    del kept.uns["sgt_explain"]
    kept.write_h5ad(tmp_path / "done.h5ad")
    args = ["report", str(tmp_path / "done.h5ad"), "-o", str(tmp_path / "r.html")]
    assert main(args) == 0
    assert "<title>done</title>" in (tmp_path / "r.html").read_text()
    assert main(args) == 1
    assert "exists" in capsys.readouterr().err
    ad.AnnData(np.ones((3, 2), dtype=np.float32)).write_h5ad(tmp_path / "bare.h5ad")
    assert main(["report", str(tmp_path / "bare.h5ad"), "-o", str(tmp_path / "b.html")]) == 1
    assert "Run sgt embed, annotate, grn, integrate or perturb first" in capsys.readouterr().err
