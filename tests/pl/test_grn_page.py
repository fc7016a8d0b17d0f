"""The page in a real browser, headless Chromium: it is loaded from disk, events are sent to it, what it then shows is read."""

import html
import io
import json
import re
import shutil
import subprocess
from xml.etree import ElementTree as ET

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


def apart(edges):
    """Return edges as the page lists them: known ones first."""
    return edges.sort_values(["known", "score"], ascending=False)


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
    assert listed(dom) == [f"TF7>{t}" for t in apart(edges[edges["source"] == "TF7"])["target"]]
    assert '<section id="known-targets">' in dom
    assert '<section id="new-targets">' in dom


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
    first = apart(edges[edges["source"] == "TF1"]).iloc[0]
    proof = re.search(r'<dl class="proof">.*?</dl>', dom, re.S).group()
    assert f"correlation</dt><dd>{float(f'{first.correlation:.3g}'):g}</dd>" in proof
    assert "<dt>why</dt><dd>a &amp; &lt;b&gt;</dd>" in proof
    assert "regulators (1)" in dom  # TF0 regulates it


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


@needs_browser
@pytest.mark.slow
def test_a_target_stands_once_with_its_groups_and_specificity_narrows(edges, tmp_path):
    both = pd.concat([edges.assign(group=g, contrast=v) for g, v in (("B", 0.0), ("T", 2.0))], ignore_index=True)
    both = both.sort_values("score", ascending=False, kind="stable", ignore_index=True)
    dom = browse(made(both).text, tmp_path, hash_="#gene=TF0")
    assert listed(dom) == [f"TF0>{t}" for t in apart(edges[edges["source"] == "TF0"])["target"]]
    assert re.search(r'<div class="groups"><span[^>]*>B</span><span[^>]*>T</span></div>', dom)
    script = """
      const box = document.getElementById("specific"); box.value = "500"; box.dispatchEvent(new Event("input"));
    """
    dom = browse(made(both).text, tmp_path, hash_="#gene=TF0", script=script)
    assert '<output id="unspecific">1</output>' in dom
    assert not re.search(r'<div class="groups"><span[^>]*>B</span>', dom)


@needs_browser
@pytest.mark.slow
def test_the_picture_and_the_table_as_files(edges, tmp_path):
    script = """
      const top = document.getElementById("top"); top.value = top.max; top.dispatchEvent(new Event("input"));
      const told = document.createElement("pre"); told.id = "told"; told.textContent = JSON.stringify([window.sgt.svg(), window.sgt.csv()]);
      document.body.append(told);
    """
    dom = browse(made(edges.assign(sign_conflict=edges["sign"] > 0)).text, tmp_path, script=script)
    svg, csv = json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', dom, re.S).group(1)))
    root = ET.fromstring(svg)
    assert len(root.findall(".//{http://www.w3.org/2000/svg}path")) > len(edges)
    table = pd.read_csv(io.StringIO(csv))
    assert len(table) == len(edges)
    assert EVIL in set(table["target"])
    assert list(table)[:5] == ["source", "target", "score", "known", "sign"]
    np.testing.assert_allclose(table["correlation"], edges["correlation"], rtol=1e-3)


def test_words_are_explained_and_known_edges_leave_room(edges):
    told = payload(edges.assign(group="B", contrast=1.0))
    of = {c["name"]: c["help"] for c in told["columns"]}
    assert of["correlation"].startswith("Pearson")
    assert of["why"] == ""
    assert told["columns"][told["specificity"]]["name"] == "contrast"
    first = [k for k, r in zip(told["edges"]["known"], told["edges"]["pair"], strict=True) if r == 0]
    assert {0, 1} == set(first)
    homes = np.array(told["nodes"]["home"])
    assert (homes[np.array(told["nodes"]["factor"]) == 1] == -1).all()
    assert (homes >= 0).any()
