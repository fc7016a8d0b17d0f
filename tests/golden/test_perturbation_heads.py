"""Perturbed cells and classes of change, against the recorded numbers of scGPT's and Cell-Graph Compass' code (see README.md here)."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from benchmarks import checkpoints

import scgnn_tools as sgt
from scgnn_tools.fm.cgc.graph import CellEdges
from scgnn_tools.fm.given import flags_of
from scgnn_tools.train.response_task import EveryGene, Response
from scgnn_tools.train.two_step_task import Loss, TwoStep, two_step
from tests.golden._weights import state
from tests.golden.test_parity import close, golden

CELLS, GENES = 3, 12


@pytest.fixture(scope="module")
def record():
    return golden("perturbation_heads")


def tensors(record, name):
    return {k: torch.from_numpy(v) for k, v in state(record[f"{name}_names"], record[f"{name}_shapes"]).items()}


def put(module, tensors, prefix):
    """Copy the layers of a published decoder, in their order."""
    own = [p for m in module.modules() if isinstance(m, torch.nn.Linear) for p in (m.weight, m.bias)]
    theirs = [v for k, v in tensors.items() if k.startswith(prefix)]
    with torch.no_grad():
        for a, b in zip(own, theirs, strict=True):
            a.copy_(b)


def response(record, model, head):
    shape = EveryGene(record["ids"][0].astype(np.int32), None, CELLS)
    given = (
        sp.csr_array(record["values"]),
        sp.csr_array(record["target"]),
        [np.arange(CELLS)] * CELLS,
        np.arange(CELLS),
    )
    task = Response(
        16,
        shape,
        *given,
        record["flags"] > 0,
        np.ones(GENES, dtype=bool),
        head=head,
        residual=False,
        special=flags_of(model),
    )
    return task.eval(), shape


def test_scgpt_turns_a_control_cell_into_a_perturbed_one(record, tmp_path):
    w = tensors(record, "scgpt")
    lent = {k: v for k, v in w.items() if k.split(".")[0] in ("encoder", "value_encoder", "transformer_encoder")}
    genes = [f"G{i}" for i in range(37)]
    folder = checkpoints.scgpt(tmp_path, genes, n_layers=2, dim=16, n_heads=2, tensors=lent)
    model = sgt.fm.load("scgpt", checkpoint=folder, device="cpu")
    task, shape = response(record, model, "affine")
    put(task.head.multiple, w, "decoder.coeff_decoder")
    put(task.head.shift, w, "decoder.bias_decoder")
    task.special.load_state_dict({"weight": w["pert_encoder.weight"]})
    with torch.inference_mode():
        made = task.change(model, shape.with_values(record["values"]), record["flags"] > 0)
    close(made + torch.from_numpy(record["values"]), record["scgpt_predicted"], head=True)


@pytest.fixture
def cgc(record, tmp_path):
    """The published network under one of the three heads, with its own edges."""

    def made(name):
        w = tensors(record, name)
        lent = {k: v for k, v in w.items() if k.split(".")[0] != "decoder"}
        lent["bn.num_batches_tracked"] = torch.tensor(1)
        folder = checkpoints.cgc(tmp_path / name, [f"G{i}" for i in range(37)], n_heads=2, tensors=lent)
        model = sgt.fm.load("cgc", checkpoint=folder, device="cpu")
        kinds = torch.from_numpy(record["attributes"])
        edges = CellEdges(*torch.from_numpy(record["edges"]), kinds[0].long(), kinds[1].float(), kinds[2].long())
        model.graph = type("Recorded", (), {"of_cells": lambda *_, **__: edges})()
        return w, model

    return made


def test_cgc_turns_a_control_cell_into_a_perturbed_one(record, cgc):
    w, model = cgc("value")
    task, shape = response(record, model, "value")
    put(task.head, w, "decoder.")
    np.testing.assert_array_equal(task.special.weight.detach(), w["pert_encoder.weight"])  # read from the checkpoint
    tokens = shape.with_values(record["values"])
    with torch.inference_mode():
        made = task.change(model, tokens, record["flags"] > 0)
        close(made + torch.from_numpy(record["values"]), record["value_mlm_output"], head=True)
        loss = task.loss(model, tokens, np.arange(CELLS), np.random.default_rng(0))  # each cell from itself
    assert float(loss) == pytest.approx(float(record["value_loss_0"]), rel=1e-5)


@pytest.mark.parametrize(("name", "n_classes"), [("three", 3), ("five", 5)])
def test_cgc_tells_which_genes_change_and_which_way(record, cgc, name, n_classes):
    w, model = cgc(name)
    change = record["target"] - record["values"]
    edges = [-np.log(5), -np.log(2), np.log(2), np.log(5)] if n_classes == 5 else [-np.log(2), np.log(2)]
    label = sum((change >= e if e > 0 else change > e).astype(np.int64) for e in edges)
    flags, offsets = (record["flags"] > 0).ravel(), np.arange(CELLS + 1) * GENES
    task = TwoStep(16, label.ravel(), flags, offsets, n_classes, Loss(), negatives=None).eval()
    changes, ways = ("fc2", "fc1") if n_classes == 3 else ("fc1", "fc2")
    put(task.head.change, w, f"decoder.{changes}")
    put(task.head.way, w, f"decoder.{ways}")
    task.special.load_state_dict({"weight": w["pert_encoder.weight"]})
    shape = EveryGene(record["ids"][0].astype(np.int32), None, CELLS)
    tokens = shape.with_values(record["values"])
    with torch.inference_mode():
        found, way = task.logits(model, tokens, flags)
        close(found, record[f"{name}_change_logits"].ravel(), head=True)
        close(way, record[f"{name}_up_logits"].reshape(CELLS * GENES, -1), head=True)
        for gamma, alpha in ((0, 0.5), (2, 0.05)):
            loss = two_step(found, way, torch.from_numpy(label.ravel()), n_classes, Loss(gamma, alpha))
            assert float(loss) == pytest.approx(float(record[f"{name}_loss_{gamma}"]), rel=1e-5)
