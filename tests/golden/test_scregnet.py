"""scRegNet against the recorded numbers of the official code, through a head in the published format (see README.md beside this file)."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch

from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools.links.scregnet import ScRegNet
from tests.golden._weights import state
from tests.golden.test_parity import golden

VARIANTS = ["gcn", "gcn_deep", "sage", "gat_concate", "gat_mean", "gat_one", "dot", "cosine"]


@pytest.fixture(scope="module")
def record() -> dict[str, np.ndarray]:
    return golden("scregnet")


@pytest.fixture(scope="module")
def data(record):
    """Expression, vectors, and training and asked pairs by name."""
    genes = np.array([f"g{i}" for i in range(len(record["table"]))])
    expression = ad.AnnData(record["counts"].T.copy(), var=pd.DataFrame(index=genes))
    train = pd.DataFrame(
        {"tf": genes[record["train"][:, 0]], "target": genes[record["train"][:, 1]], "label": record["train"][:, 2]}
    )
    asked = pd.DataFrame({"tf": genes[record["asked"][:, 0]], "target": genes[record["asked"][:, 1]]})
    return genes, expression, pd.DataFrame(record["table"], index=genes), train, asked


def head(record, variant: str, folder, *, change=None):
    """Write a head as the published code does."""
    weights = {
        k: torch.from_numpy(v) for k, v in state(record[f"{variant}_names"], record[f"{variant}_shapes"]).items()
    }
    if change is not None:
        change(weights)
    torch.save(weights, folder / "model.pt")
    (folder / "args.json").write_text(str(record[f"{variant}_args"]), encoding="utf-8")
    return folder


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits(tmp_path, record, data, variant):
    genes, expression, vectors, train, asked = data
    p = ScRegNet.from_checkpoint(head(record, variant, tmp_path))
    p.bind(train, genes=genes, expression=expression, embedding=vectors)
    order = p._inputs.genes.get_indexer(genes)
    np.testing.assert_allclose(
        p._inputs.x.numpy()[order], record["x"], atol=1e-5
    )  # their scaling, constant gene and all
    theirs = record[f"{variant}_logits"]
    wanted = theirs[:, 1] - theirs[:, 0] if theirs.shape[1] == 2 else theirs[:, 0]
    np.testing.assert_allclose(p.score(asked), wanted, atol=1e-5)
    unread = [k for k, line in p.report.items() if not line.startswith("read")]
    assert all(k.endswith("weight_interact") for k in unread)
    assert bool(unread) == variant.startswith("gat")


def test_sizes_are_read_from_the_weights(tmp_path, record):
    folder = head(record, "gcn_deep", tmp_path)
    (folder / "args.json").unlink()
    p = ScRegNet.from_checkpoint(folder / "model.pt")
    assert (p._shape.hidden, p._shape.out, p._shape.head) == ((11,), (9, 8, 7), "concat")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("convs.1.bias"), "1 of 10 tensors are missing: gnn.convs.1.bias"),
        (lambda w: w.pop("convs.1.lin.weight"), "does not hold all its layers"),
        (lambda w: w.update(extra=torch.zeros(2)), "1 tensors that no scRegNet has: extra"),
        (lambda w: w.update({"convs.0.bias": torch.zeros(3)}), "gnn.convs.0.bias has"),
        (lambda w: w["convs.0.bias"].fill_(float("nan")), "holds NaN or infinity"),
        (lambda w: w.clear(), "holds no tensors by name"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(tmp_path, record, change, message):
    with pytest.raises(WeightsError, match=message):
        ScRegNet.from_checkpoint(head(record, "gcn", tmp_path, change=change))


def test_arguments_of_another_head_are_refused(tmp_path, record):
    head(record, "gcn", tmp_path)
    args = json.loads((tmp_path / "args.json").read_text())
    (tmp_path / "args.json").write_text(json.dumps(args | {"gnn_hidden_dims": [9, 7]}))
    with pytest.raises(WeightsError, match=r"gnn_hidden_dims is \[9, 7\] there and \[9, 7, 6\] in the weights"):
        ScRegNet.from_checkpoint(tmp_path)


def test_a_pickle_that_runs_code_is_not_read(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    torch.save({"convs.0.bias": Evil()}, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match="was not read"):
        ScRegNet.from_checkpoint(tmp_path)


def test_other_cells_or_vectors_are_refused(tmp_path, record, data):
    genes, expression, vectors, train, asked = data
    p = ScRegNet.from_checkpoint(head(record, "gcn", tmp_path))
    with pytest.raises(InputValueError, match=r"Call fit\(\) first, or bind\(\)"):
        p.score(asked)
    with pytest.raises(InputValueError, match="trained with 15 expression features a gene; there are 14"):
        p.bind(train, genes=genes, expression=expression[:14], embedding=vectors)
    with pytest.raises(InputValueError, match="trained with 12 numbers a gene vector; there are 11"):
        p.bind(train, genes=genes, expression=expression, embedding=vectors.iloc[:, :11])
