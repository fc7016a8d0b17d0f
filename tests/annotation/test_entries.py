import numpy as np
import pytest
from scipy.stats import spearmanr

from scgnn_tools.annotation import entries

CLASSES = ["A", "B", "C"]


@pytest.fixture(scope="module")
def profiles():
    """Three trainings that agree on the graph's side, and two entries of each class at the top of it; chance on the other side."""
    rng = np.random.default_rng(0)
    graph = np.repeat(rng.normal(size=(1, 200, 3)), 3, axis=0) + 0.3 * rng.normal(size=(3, 200, 3))
    for c in range(3):
        graph[:, 2 * c : 2 * c + 2, c] = [9, 8]
    out = {"graph": graph, "vectors": rng.normal(size=(3, 200, 3))}
    return {s: np.stack([entries.scaled(p) for p in each]) for s, each in out.items()}


def test_the_top_is_one_in_a_hundred_and_says_how_many_trainings_have_it(profiles):
    table = entries.top(profiles, CLASSES)
    assert len(table) == 2 * 3 * 2
    graph = table[table["side"] == "graph"]
    assert list(graph["entry"]) == ["0", "1", "2", "3", "4", "5"]
    assert (graph["trainings"] == 1).all()
    assert graph["importance"].iloc[0] == pytest.approx(1)
    assert (table[table["side"] == "vectors"]["trainings"] < 1).any()
    assert [entries.how_many(d) for d in (10, 128, 512)] == [1, 1, 5]


def test_agreement_is_spearmans_beside_other_classes_and_permuted_labels(profiles):
    control = {s: np.random.default_rng(1).normal(size=p.shape) for s, p in profiles.items()}
    table = entries.agreement(profiles, control, CLASSES).set_index(["between", "class"])
    g, v = profiles["graph"], profiles["vectors"]
    pairs = [(0, 1), (0, 2), (1, 2)]
    own = np.mean([spearmanr(g[s, :, 1], g[t, :, 1]).statistic for s, t in pairs])
    other = [spearmanr(g[a, :, 1], g[b, :, c]).statistic for s, t in pairs for c in (0, 2) for a, b in ((s, t), (t, s))]
    assert table.loc[("graph", "B"), "spearman"] == pytest.approx(own)
    assert table.loc[("graph", "B"), "other_class"] == pytest.approx(np.mean(other))
    sides = np.mean([spearmanr(g[s, :, 0], v[s, :, 0]).statistic for s in range(3)])
    assert table.loc[("sides", "A"), "spearman"] == pytest.approx(sides)
    assert table.loc["graph", "spearman"].min() > 0.8
    assert table.loc["graph", ["other_class", "permuted"]].abs().max().max() < 0.3
    assert (table.loc["graph", "top"] == 1).all()
    said = entries.said(table.reset_index())
    assert "the graph of two trainings 0.9" in said
    assert "permuted labels" in said


def test_one_training_compares_the_sides_alone(profiles):
    table = entries.agreement({s: p[:1] for s, p in profiles.items()}, {}, CLASSES)
    assert set(table["between"]) == {"sides"}
    assert table["permuted"].isna().all()
    assert "permuted" not in entries.said(table)
    nothing = entries.agreement({s: p[:1, :1] for s, p in profiles.items()}, {}, CLASSES)  # one entry has no ranks
    assert entries.said(nothing) == "no rank correlation, for nothing could be ranked"


def test_a_class_without_cells_and_a_side_that_knows_nothing_are_left_out(profiles):
    lacking = {"graph": profiles["graph"].copy(), "vectors": np.full_like(profiles["vectors"], np.nan)}
    lacking["graph"][:, :, 2] = np.nan
    assert set(map(tuple, entries.top(lacking, CLASSES)[["side", "class"]].to_numpy())) == {
        ("graph", "A"),
        ("graph", "B"),
    }
    table = entries.agreement(lacking, {}, CLASSES).set_index(["between", "class"])["spearman"]
    assert np.isfinite(table["graph", "A"])
    assert np.isnan([table["graph", "C"], table["sides", "A"], table["vectors", "A"]]).all()
    assert "sides" not in entries.said(entries.agreement(lacking, {}, CLASSES))
    points, _ = entries.coordinates(lacking, CLASSES)
    assert len(points) == 6
    assert np.isnan(entries.scaled(np.zeros((5, 2)))).all()


def test_the_map_keeps_trainings_of_a_class_together(profiles):
    points, variance = entries.coordinates({"graph": profiles["graph"]}, CLASSES)
    at = points.set_index(["class", "training"])[["PC1", "PC2"]]
    within = np.linalg.norm(at.loc["A"].to_numpy() - at.loc["A"].to_numpy().mean(axis=0), axis=1).max()
    apart = np.linalg.norm(at.loc["A"].mean() - at.loc["B"].mean())
    assert apart > 5 * within
    assert 0.5 < variance.sum() <= 1
    assert (
        np.isfinite(entries.coordinates({"graph": profiles["graph"][:1, :, :1]}, ["A"])[0][["PC1", "PC2"]]).all().all()
    )
