"""The page in a real browser, headless Chromium: it is loaded from disk, events are sent to it, what it then shows is read."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.pl._grn_page import Page, embedded, page, payload

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM FOUND: the interactive page was NOT tested")

EVIL = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"


@pytest.fixture
def edges():
    rng = np.random.default_rng(0)
    rows = [(f"TF{i}", f"G{j}") for i in range(12) for j in rng.choice(60, 20, replace=False)]
    rows += [("TF0", "TF1"), ("TF0", EVIL), ("TF3", "Ünïcode\u2028gene")]
    table = pd.DataFrame(rows, columns=["source", "target"])
    table["score"] = np.sort(rng.random(len(table)))[::-1]
    table["known"] = rng.random(len(table)) < 0.1
    table["sign"] = rng.choice([1.0, -1.0, np.nan], len(table))
    table["correlation"] = rng.normal(size=len(table))
    table["why"] = ["a & <b>"] * len(table)
    return table


def made(edges):
    return page(edges, title="Network <of> cells", subtitle="all", verdict="ties & loses")


def browse(text, tmp_path, *, script="", hash_=""):
    """Return the document after the page ran, and after ``script``."""
    path = tmp_path / "a.html"
    path.write_text(
        text.replace("</body>", f"<script>(() => {{{script}}})();</script></body>") if script else text,
        encoding="utf-8",
    )
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1400,900",
        "--virtual-time-budget=3000",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", path.as_uri() + hash_], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def between(dom, tag, name):
    return re.search(rf'<{tag} id="{name}".*?</{tag}>', dom, re.S).group()


def listed(dom):
    return [html.unescape(e) for e in re.findall(r'data-edge="([^"]*)"', dom)]


def test_the_page_asks_no_server_and_holds_all(edges):
    text = made(edges).text
    own = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.S)
    assert not re.search(r"(?:src|href)\s*=|https?://|@import|url\(|fetch\(|XMLHttpRequest|import\(|WebSocket", own)
    assert "default-src 'none'" in text
    assert text.count("</script>") == 2  # of the data and of the script: no name ends one
    assert "%" not in re.sub(r"<style>.*?</style>|<script.*?</script>", "", text, flags=re.S)
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1))
    assert EVIL in data["nodes"]["name"]
    assert len(data["edges"]["score"]) == len(edges)


def test_what_is_embedded_is_the_same_after_reading():
    content = {"a": [EVIL, "\u2028", "é & <"], "b": None}
    assert json.loads(embedded(content)) == content
    assert not set("<>&\u2028") & set(embedded(content))


def test_places_are_the_same_each_time_and_in_the_disk(edges):
    one, two = payload(edges), payload(edges)
    assert one == two
    assert max(np.hypot(one["nodes"]["x"], one["nodes"]["y"])) < 1.4
    assert payload(edges[:1])["nodes"]["factor"] == [0, 1]


def test_save_and_show(edges, tmp_path):
    shown = made(edges)
    assert shown.save(tmp_path / "a.html").read_text(encoding="utf-8") == shown.text
    assert html.unescape(re.search(r'srcdoc="(.*?)" style', shown._repr_html_(), re.S).group(1)) == shown.text
    with pytest.raises(InputValueError, match="There is no folder"):
        shown.save(tmp_path / "no" / "a.html")


def test_of_an_object(pbmc68k, edges, tmp_path):
    pbmc68k.uns["sgt_grn"] = {"edges": edges.assign(group=np.where(np.arange(len(edges)) % 2, "B", "T"))}
    shown = sgt.pl.grn(pbmc68k, interactive=True, save=tmp_path / "a.html")
    assert isinstance(shown, Page)
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == shown.text
    data = json.loads(re.search(r'id="data">(.*?)</script>', shown.text, re.S).group(1))
    assert data["groups"] == ["B", "T"]
    one = sgt.pl.grn(pbmc68k, interactive=True, group="B", n_edges=30).text
    data = json.loads(re.search(r'id="data">(.*?)</script>', one, re.S).group(1))
    assert len(data["edges"]["score"]) == 30
    assert data["title"] == "Gene regulatory network of B"


@needs_browser
@pytest.mark.slow
def test_nodes_are_there_and_a_strange_name_breaks_nothing(edges, tmp_path):
    dom = browse(made(edges).text, tmp_path)
    n = len(set(edges["source"]) | set(edges["target"]))
    assert f'data-ready="{n} genes, {len(edges)} edges"' in dom
    assert "<title>Network &lt;of&gt; cells</title>" in dom
    assert '<h1 id="title">Network &lt;of&gt; cells</h1>' in dom
    assert "edges</div>" in between(dom, "div", "shown")


@needs_browser
@pytest.mark.slow
def test_search_finds_a_gene_and_shows_its_edges(edges, tmp_path):
    script = """
      const box = document.getElementById("search"); box.value = "tf7"; box.dispatchEvent(new Event("input"));
      document.body.dataset.found = document.getElementById("found").textContent;
      box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
      const top = document.getElementById("top"); top.value = top.max; top.dispatchEvent(new Event("input"));
    """
    dom = browse(made(edges).text, tmp_path, script=script)
    assert re.search(r'data-found="TF7factor, 20 targets"', dom)
    assert re.search(r'<h2 id="gene">TF7<small>transcription factor', dom)
    mine = edges[edges["source"] == "TF7"].sort_values("score", ascending=False)
    assert listed(dom) == [f"TF7>{t}" for t in mine["target"]]


@needs_browser
@pytest.mark.slow
def test_a_click_on_the_canvas_selects_and_a_click_on_an_edge_shows_its_evidence(edges, tmp_path):
    script = """
      const canvas = document.getElementById("canvas"), box = canvas.getBoundingClientRect();
      const [x, y] = window.sgt.screen("TF1");
      const at = { clientX: x + box.left, clientY: y + box.top, pointerId: 1, bubbles: true };
      canvas.dispatchEvent(new PointerEvent("pointerdown", at)); canvas.dispatchEvent(new PointerEvent("pointerup", at));
      document.querySelector(".edge").click();
    """
    dom = browse(made(edges).text, tmp_path, script=script)
    assert '<h2 id="gene">TF1<small>' in dom
    assert all("TF1" in pair.split(">") for pair in listed(dom))
    first = edges[edges["source"] == "TF1"].sort_values("score", ascending=False).iloc[0]
    proof = re.search(r'<dl class="proof">.*?</dl>', dom, re.S).group()
    assert f"<dt>correlation</dt><dd>{float(f'{first.correlation:.3g}'):g}</dd>" in proof
    assert "<dt>why</dt><dd>a &amp; &lt;b&gt;</dd>" in proof
    assert "Regulators" in dom  # TF0 regulates it


@needs_browser
@pytest.mark.slow
def test_filters_and_links(edges, tmp_path):
    text = made(edges).text
    script = """
      for (const id of ["new", "open"]) {
        const box = document.getElementById(id);
        box.checked = false;
        box.dispatchEvent(new Event("change"));
      }
    """
    dom = browse(text, tmp_path, script=script, hash_="#gene=TF0")
    mine = edges[(edges["source"] == "TF0") & edges["known"] & edges["sign"].notna()]
    assert listed(dom) == [f"TF0>{t}" for t in mine.sort_values("score", ascending=False)["target"]]
    shown = int((edges["known"] & edges["sign"].notna()).sum())
    assert f"{shown} of {len(edges)} edges" in dom
    worst = edges[edges["source"] == "TF5"].iloc[-1]
    dom = browse(text, tmp_path, hash_=f"#edge=TF5>{worst.target}")
    chosen = re.search(r'<div class="edge on" data-edge="([^"]*)"', dom).group(1)
    assert html.unescape(chosen) == f"TF5>{worst.target}"
    assert '<dl class="proof">' in dom


@needs_browser
@pytest.mark.slow
def test_groups_are_chosen_one_by_one(edges, tmp_path):
    both = pd.concat([edges.assign(group="B"), edges.head(100).assign(group="T & <x>")], ignore_index=True)
    script = """
      const box = document.getElementById("group"); box.value = "1"; box.dispatchEvent(new Event("change"));
      const top = document.getElementById("top"); top.value = top.max; top.dispatchEvent(new Event("input"));
    """
    dom = browse(made(both).text, tmp_path, script=script)
    assert f"100 of {len(both)} edges" in dom
    assert "T &amp; &lt;x&gt;</option>" in dom
