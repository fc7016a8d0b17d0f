"""The options of scGraPhT, and what the protocols set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from scgnn_tools._choices import choice, integer, number, text
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.gene_graph import COSINE
from scgnn_tools.labels.scgrapht.fusion import Fuse
from scgnn_tools.labels.scgrapht.graphs import Normalize, Values
from scgnn_tools.labels.scgrapht.network import Activation, PathwayNetwork
from scgnn_tools.labels.scgrapht.pathway import starts_with_cells
from scgnn_tools.labels.scgrapht.similarity import Sparsify, check

Scheme = Literal["graph", "embedding", "embedding+logits", "joint"]
Protocol = Literal["clean", "paper", "code"]
NAMES: dict[str, Scheme] = {"GO": "graph", "EO": "embedding", "EL": "embedding+logits", "JT": "joint"}
"""What the paper calls the schemes."""
Lambda = float | Literal["validation", "learned"]
Logits = Literal["experts", "vectors"] | Callable[[Cells], np.ndarray]
GeneInputs = Literal["identity", "vectors"]


@dataclass(frozen=True)
class Options:
    """All that a run depends on beside its data; see :class:`~scgnn_tools.labels.scgrapht.ScGraPhT`."""

    protocol: Protocol
    scheme: Scheme
    fuse: Fuse
    lam: Lambda
    activation: Activation
    normalize: Normalize
    values: Values
    sparsify: Sparsify
    gene_graph: str
    n_genes: int
    genes: Literal["telling", "variable"]
    gene_inputs: GeneInputs
    principal: int
    width: int
    dropout: float
    balance: float
    lr: float
    weight_decay: float
    max_epochs: int
    patience: int | None

    @property
    def fused(self) -> bool:
        """Whether the network's answer is fused with a classifier's."""
        return self.scheme in ("embedding+logits", "joint")

    def takes_vectors(self, steps: tuple[str, ...]) -> bool:
        """Tell whether vectors of cells go into the network of such a pathway."""
        return self.scheme != "graph" and starts_with_cells(steps)

    def takes_gene_vectors(self, steps: tuple[str, ...]) -> bool:
        """Tell whether vectors of genes go into the network of such a pathway."""
        return self.gene_inputs == "vectors" and not starts_with_cells(steps)

    def network(
        self, steps: tuple[str, ...], d: int, n_classes: int, *, of_genes: np.ndarray | None = None
    ) -> PathwayNetwork:
        """Return a new network for inputs of width ``d``; ``of_genes`` are vectors of the genes where these go in, (n_genes, d)."""
        learned = self.fused and self.lam == "learned"
        return PathwayNetwork(
            steps,
            d,
            n_classes,
            width=self.width,
            dropout=self.dropout,
            activation=self.activation,
            learn_lambda=learned,
            of_genes=of_genes,
        )


WORDS: dict[str, Any] = {
    "scheme": Scheme, "fuse": Fuse, "activation": Activation, "normalize": Normalize, "values": Values,
    "genes": Literal["telling", "variable"], "gene_inputs": GeneInputs,
}  # fmt: skip
CLEAN: dict[str, Any] = {
    "fuse": "prob", "lam": "validation", "activation": "repo", "normalize": "row", "values": "log", "n_genes": 1500,
    "genes": "telling", "gene_inputs": "identity", "principal": 0, "sparsify": 15, "balance": 0.5, "lr": 3e-3, "max_epochs": 300,
    "patience": 30,
}  # fmt: skip
CODE: dict[str, Any] = {
    "fuse": "log", "lam": 0.7, "activation": "repo", "normalize": "none", "values": "binned", "n_genes": 3000,
    "genes": "variable", "gene_inputs": "identity", "principal": 0, "sparsify": "whole", "balance": 0.0, "lr": 1e-4, "max_epochs": 3000,
    "patience": None,
}  # fmt: skip
"""The published code's: log mixing, unnormalised bins, 3,000 epochs, the last weights."""
PAPER: dict[str, Any] = {
    **CODE, "fuse": "prob", "activation": "paper", "values": "binned-chosen", "gene_inputs": "vectors",
}  # fmt: skip
"""The paper's equations: probabilities are mixed (Eq. 1), ReLU, bins among the genes that were chosen before, the foundation
model's vectors of genes where genes come first."""
TRAIN_SIZE: dict[Protocol, float] = {"clean": 0.85, "paper": 0.9, "code": 0.9}
"""Share of the labelled cells that train."""
JOINT_EPOCHS, JOINT_BATCH = 25, 16
"""Of the paper's joint training."""


def scheme_of(name: str) -> Scheme:
    """Return a scheme by its name here or in the paper."""
    return choice("scheme", NAMES.get(name, cast("Scheme", name)) if isinstance(name, str) else name, get_args(Scheme))


def default_pathway(protocol: Protocol, scheme: Scheme) -> str:
    """Return the pathway that is taken where none is given."""
    choice("protocol", protocol, get_args(Protocol))
    return "P2" if protocol != "clean" or scheme in ("embedding", "joint") else "CG"


def resolve(protocol: Protocol, given: dict[str, Any]) -> Options:
    """Return the options of a protocol, with those that are given (not None) in their place."""
    choice("protocol", protocol, get_args(Protocol))
    defaults = {"clean": CLEAN, "paper": PAPER, "code": CODE}[protocol]
    if protocol != "clean" and given["scheme"] == "joint":
        defaults = {**defaults, "max_epochs": JOINT_EPOCHS}
    chosen: dict[str, Any] = {k: defaults.get(k) if v is None else v for k, v in given.items()}
    own = isinstance(given["patience"], str) and given["patience"] == "protocol"  # None is an answer: all epochs
    chosen["patience"] = defaults["patience"] if own else given["patience"]
    out = Options(protocol=protocol, **chosen)
    for name, kind in WORDS.items():
        choice(name, getattr(out, name), get_args(kind))
    if isinstance(out.lam, str):
        choice("lam", out.lam, ("validation", "learned"))
    else:
        number("lam", out.lam, least=0, most=1)
    for name, least in (("n_genes", 1), ("principal", 0), ("width", 1), ("max_epochs", 1)):
        integer(name, getattr(out, name), least=least)
    integer("patience", out.patience, or_none=True)
    text("gene_graph", out.gene_graph)
    number("dropout", out.dropout, least=0, below=1)
    number("balance", out.balance, least=0)
    number("lr", out.lr, above=0)
    number("weight_decay", out.weight_decay, least=0)
    check(out.sparsify)
    return out


def check_together(
    options: Options,
    steps: tuple[str, ...],
    logits: Any,
    *,
    tuned: bool,
    devices: Any,
    batch_size: Any,
    encoder_lr: Any,
) -> None:
    """Refuse what does not go together, or is of a wrong kind, beside the options; ``tuned`` says whether an encoder was given."""
    if options.gene_graph != COSINE and "GG" not in steps:
        msg = (
            f"gene_graph={printable(options.gene_graph)!r} is the graph of the step GG, which the pathway {'-'.join(steps)} lacks. Pass "
            "pathway='P1' (GG-CG), or leave gene_graph= out."
        )
        raise InputValueError(msg)
    if not callable(logits) and logits not in ("experts", "vectors"):
        msg = f"logits is 'experts', 'vectors' or a function of cells; got {printable(logits)!r}."
        raise InputValueError(msg)
    if (options.scheme == "joint") != tuned:
        msg = "scheme='joint' and encoder= (a trained FineTuner(task='classification')) go together; pass both or none."
        raise InputValueError(msg)
    integer("batch_size", batch_size, or_none=True)
    number("encoder_lr", encoder_lr, above=0)
    if integer("devices", devices) > 1 and not tuned:
        msg = f"scGraPhT trains on one device unless scheme='joint'; got devices={devices}."
        raise InputValueError(msg)
