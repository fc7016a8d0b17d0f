"""Names that break what draws them: formulas, control characters, halves of characters, underscores, markup."""

import io
import json
import re
import xml.etree.ElementTree as ET

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import scgnn_tools as sgt
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._names import safe_names
from scgnn_tools.pl._style import text

LONE = ["\ud800"] if pd.Index(["a"]).dtype == object else []
"""Half a character; the text of pandas 3 cannot hold it, so that no object has such a name there."""
NAMES = ["$\\frac$", "$x$ and $y", "a\x00b\x1b[31m", *LONE, "_hidden", "</script><b>", "\u2028", "\\$", "細胞"]


def network(names):
    genes = [*names, *(f"G{i}" for i in range(5))]
    pairs = [(s, t) for s in genes for t in genes if s != t]
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    edges["score"] = np.linspace(1, 0.1, len(edges))
    edges["group"] = np.where(np.arange(len(edges)) % 2, names[0], "B")
    adata = ad.AnnData(np.ones((3, len(genes)), dtype=np.float32), var=pd.DataFrame(index=genes))
    adata.uns["sgt_grn"] = {"edges": edges, "evaluation": {"verdict": names[0]}}
    return adata


def annotated(names):
    labels, n = pd.Categorical([*names, "B"] * 2), len(names) + 1
    obs = pd.DataFrame({"l": labels, "old": labels}, index=[f"c{i}" for i in range(2 * n)])
    adata = ad.AnnData(np.ones((2 * n, 2), dtype=np.float32), obs=obs)
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(2 * n, 2))
    classes = np.array([*names, "B"], dtype=object)
    scores = {"kind": "method", "accuracy": 0.9, "macro_f1": 0.8, "ece": 0.1, "n": 8}
    adata.uns["l"] = {
        "classes": classes,
        "confusion": pd.DataFrame(np.eye(n), index=classes, columns=classes),
        "evaluation": pd.DataFrame([scores], index=["m"]),
        "params": {"method": "m"},
    }
    genes = pd.DataFrame(np.eye(n), index=classes)
    adata.uns["sgt_explain"] = {"genes": genes, "classes": classes, "params": {"method": "m", "how": "occlusion"}}
    return adata


def by_entries(names, n_trainings=2):
    from scgnn_tools.annotation import entries

    adata = annotated(names)
    classes = adata.uns["sgt_explain"]["classes"]
    columns, rng = safe_names(classes), np.random.default_rng(0)
    profiles = {
        s: np.stack([entries.scaled(rng.normal(size=(9, len(classes)))) for _ in range(n_trainings)])
        for s in entries.SIDES
    }
    points, variance = entries.coordinates(profiles, columns)
    tables = {
        s: pd.DataFrame(p.mean(axis=0), index=list(map(str, range(9))), columns=columns) for s, p in profiles.items()
    }
    adata.uns["sgt_explain"] = {
        "classes": classes,
        "dimensions": tables["vectors"],
        "params": {"method": "m", "how": "gradcam"},
        "entries": {
            **tables,
            "top": entries.top(profiles, columns),
            "agreement": entries.agreement(profiles, profiles if n_trainings > 1 else {}, columns),
            "pca": points,
            "pca_variance": variance,
            "profiles": profiles,
        },
    }
    return adata


DRAWN = {
    "rings": lambda n: sgt.pl.grn(network(n), group=n[0]),
    "modules": lambda n: sgt.pl.grn(network(n), n_edges=140),
    "regulon": lambda n: sgt.pl.grn(network(n), tf=n[1]),
    "annotation": lambda n: sgt.pl.annotation(annotated(n), "l", labels_key="old"),
    "sankey": lambda n: sgt.pl.annotation_sankey(annotated(n), "old", "l"),
    "confusion": lambda n: sgt.pl.confusion(annotated(n), "l"),
    "explain": lambda n: sgt.pl.explain(annotated(n)),
    "explain_entries": lambda n: sgt.pl.explain_entries(by_entries(n)),
}


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@pytest.mark.parametrize("draw", DRAWN)
def test_a_figure_shows_the_names_and_can_be_saved(draw):
    figure = DRAWN[draw](NAMES)
    out = io.StringIO()
    figure.savefig(out, format="svg")
    ET.fromstring(out.getvalue())
    drawn = " ".join(t.get_text() for t in figure.findobj(Text))
    assert [n for n in NAMES if text(n).strip() not in drawn] == []
    assert "a�b�[31m" in drawn


def test_a_page_keeps_the_names_and_can_be_written(tmp_path):
    page = sgt.pl.grn(network(NAMES), interactive=True, group=NAMES[0], save=tmp_path / "a.html")
    data = re.search(r'id="data">(.*?)</script>', (tmp_path / "a.html").read_text(encoding="utf-8"), re.DOTALL)
    assert set(NAMES) <= set(json.loads(data[1])["nodes"]["name"])
    page._repr_html_().encode()
    for name in LONE:
        sgt.pl.grn(network([name]), interactive=True, group=name, save=tmp_path / "b.html")


@pytest.mark.parametrize("form", ["graphml", "cyjs", "csv"])
def test_an_export_can_be_read_again_with_all_genes(form, tmp_path):
    path = sgt.tl.export_grn(network(NAMES), tmp_path / f"a.{form}")
    if form == "graphml":
        n = len(ET.parse(path).getroot().findall(".//{*}node"))
    elif form == "cyjs":
        n = len(json.loads(path.read_text(encoding="utf-8"))["elements"]["nodes"])
    else:
        n = pd.read_csv(path, keep_default_na=False)["source"].nunique()
    assert n == len(NAMES) + 5


def test_two_genes_that_no_file_can_tell_apart_stay_two(tmp_path):
    adata = network(["\x01"])
    edges = adata.uns["sgt_grn"]["edges"]
    edges["source"] = edges["source"].replace("G0", "\x02")
    path = sgt.tl.export_grn(adata, tmp_path / "a.csv")
    assert {"�", "� (2)"} <= set(pd.read_csv(path)["source"])


def test_entries_that_nothing_is_known_of_leave_words_and_no_empty_panel():
    adata = by_entries(["A", "C"])
    entries = adata.uns["sgt_explain"]["entries"]
    for side in ("graph", "vectors"):
        entries[side] = entries[side] * np.nan
    entries["top"], entries["pca"] = entries["top"][:0], entries["pca"][:0]
    entries["agreement"] = entries["agreement"].assign(spearman=np.nan, other_class=np.nan, permuted=np.nan)
    drawn = [t.get_text() for t in sgt.pl.explain_entries(adata).findobj(Text)]
    assert drawn.count("no entry counts here") == 2
    assert "nothing could be ranked" in drawn
    assert "entry of the vectors" in drawn


@pytest.mark.parametrize("draw", [sgt.pl.explain, sgt.pl.explain_entries, sgt.pl.integration])
@pytest.mark.parametrize("there", [5, "genes", None, [1], {}])
def test_what_is_no_result_holds_none(draw, there):
    adata = annotated(["A"])
    adata.uns["mine"] = there
    with pytest.raises(MissingKeyError, match=r"uns\['mine'\] holds no"):
        draw(adata, "mine")
