"""The published heads of scRegNet: ``model.pt`` and ``args.json``, read strictly."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools.fm import drafts, native
from scgnn_tools.fm.dictionaries import read_json
from scgnn_tools.links._graph_network import LinkNetwork, Shape

if TYPE_CHECKING:
    from torch import Tensor

UNUSED = {r".*\.weight_interact$": "the published code has it and never reads it"}
TYPES = {"MLP": "concat", "dot": "dot", "cosine": "cosine"}
HEAD = re.compile(r"ConvLayer(\d+)_AttentionHead(\d+)\.")


def read(path: Path, args: Path | None) -> tuple[Shape, LinkNetwork, dict[str, str], dict[str, Any]]:
    """Return sizes, network, report by tensor and the arguments of the training (empty without a file)."""
    file = path / "model.pt" if path.is_dir() else path
    args = args or file.parent / "args.json"
    told = read_json(args) if args.is_file() else {}
    tensors = renamed(native.state_dict(native.read_tensors(file), file))
    shape = shape_of(tensors, told, file)
    first = tensors.get(
        "gnn.convs.0.weight", tensors.get("gnn.convs.0.neighbours.weight", tensors.get("gnn.convs.0.heads.0.weight"))
    )
    sage = shape.backbone == "sage"
    d = first.shape[1 if sage else 0]  # type: ignore[union-attr]
    gnn = shape.hidden[-1]
    vectors = tensors["layers.0.weight"].shape[1] - gnn
    if vectors < 0:
        msg = f"{file}: the first layer of the perceptron reads {vectors + gnn} numbers, fewer than the {gnn} of the graph network."
        raise WeightsError(msg)

    def make(shape: Shape) -> LinkNetwork:
        return LinkNetwork(d, vectors, shape)

    known = set(drafts.draft(make, shape, {n: t.shape for n, t in tensors.items()}, file))
    strange = [n for n in tensors if n not in known and not any(re.match(p, n) for p in UNUSED)]
    if strange:
        msg = f"{file} holds {len(strange)} tensors that no scRegNet has: {', '.join(map(printable, strange[:6]))}. Nothing was loaded."
        raise WeightsError(msg)
    network, report = native.build(make, shape, tensors, source=file, ignored=UNUSED)
    return shape, network, report, told  # type: ignore[return-value]


def renamed(tensors: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Bring the published names to ours; torch-geometric's GCN keeps its weights the other way round."""
    out = {}
    for name, tensor in tensors.items():
        new = HEAD.sub(r"convs.\1.heads.\2.", name).replace(".lin_l.", ".neighbours.").replace(".lin_r.", ".itself.")
        if new.startswith("convs."):
            new = f"gnn.{new}"
        if new.endswith(".lin.weight"):
            new, tensor = new.replace(".lin.weight", ".weight"), tensor.T.contiguous()
        out["head.linear" + new[6:] if new.startswith("linear.") else new] = tensor
    return out


def shape_of(tensors: Mapping[str, "Tensor"], told: Mapping[str, Any], file: Path) -> Shape:
    """Return the sizes that the weights have; refuse arguments that say otherwise."""
    n_graph, n_shared = drafts.count(tensors, "gnn.convs.", file), drafts.count(tensors, "layers.", file)
    if not n_graph or not n_shared:
        msg = f"{file} holds no scRegNet: {n_graph} graph layers (convs.*), {n_shared} layers of the perceptron (layers.*)."
        raise WeightsError(msg)
    names = [f"gnn.convs.{i}." for i in range(n_graph)]
    heads: Any = 3
    try:
        if f"{names[0]}heads.0.weight" in tensors:
            backbone = "gat"
            heads = tuple(drafts.count(tensors, f"{n}heads.", file) for n in names)
            hidden = tuple(tensors[f"{n}heads.0.weight"].shape[1] for n in names)
        elif f"{names[0]}neighbours.weight" in tensors:
            backbone, hidden = "sage", tuple(tensors[f"{n}neighbours.weight"].shape[0] for n in names)
        else:
            backbone, hidden = "gcn", tuple(tensors[f"{n}weight"].shape[1] for n in names)
        out = tuple(tensors[f"layers.{i}.weight"].shape[0] for i in range(n_shared))
    except KeyError as error:
        msg = f"{file} does not hold all its layers: {error} is missing. Nothing was loaded."
        raise WeightsError(msg) from error
    head = TYPES.get(told.get("type", "MLP" if "head.linear.weight" in tensors else "dot"))
    for what, seen, said in (
        ("gnn_hidden_dims", list(hidden), told.get("gnn_hidden_dims")),
        ("mlp_hidden_dims", list(out), told.get("mlp_hidden_dims")),
        ("gnn_type", backbone, {"GCN": "gcn", "GraphSAGE": "sage", "GAT": "gat"}.get(str(told.get("gnn_type")))),
        (
            "type",
            "a linear head" if "head.linear.weight" in tensors else "none",
            None if head is None else _linear(head),
        ),
    ):
        if said is not None and said != seen:
            msg = f"{file} and its args.json do not belong together: {what} is {said} there and {seen} in the weights."
            raise WeightsError(msg)
    return Shape(
        backbone, hidden, out, head or "concat", float(told.get("dropout", 0.0)), heads,
        "mean" if told.get("reduction") == "mean" else "concat", float(told.get("alpha", 0.2)), always=True,
    )  # fmt: skip


def _linear(head: str) -> str:
    return "a linear head" if head == "concat" else "none"
