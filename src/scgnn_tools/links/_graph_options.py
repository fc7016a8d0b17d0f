"""The options of the networks on a graph of genes, and what they may be."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.links._graph_network import Shape

MAX_CELLS = 2000
FEATURES = ("embedding", "expression", "counts", "random")
OPTIMIZERS = ("Adam", "RMSprop", "SGD")
SELECT = ("loss", "auroc", "auprc")


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Attributes
    ----------
    lr, weight_decay, optimizer
        Of the optimizer: "Adam", "RMSprop" or "SGD".
    max_epochs, patience, every
        Most epochs; validations without a better score before the end; epochs from one validation to the next.
    batch_size
        Pairs a step; None takes all of them. Every step passes messages over the whole graph, so steps are what training costs.
    select
        The epoch that is kept has the least validation "loss", or the best "auroc" or "auprc".
    """

    lr: float = 5e-3
    weight_decay: float = 1e-4
    optimizer: Literal["Adam", "RMSprop", "SGD"] = "Adam"
    max_epochs: int = 200
    patience: int = 20
    every: int = 1
    batch_size: int | None = None
    select: Literal["loss", "auroc", "auprc"] = "loss"

    def changed(self, **given: Any) -> "Training":
        """Return it with other values where one is given."""
        return replace(self, **{k: v for k, v in given.items() if v is not None})

    def check(self) -> None:
        """Refuse what no training can have."""
        choice("select", self.select, SELECT)
        choice("optimizer", self.optimizer, OPTIMIZERS)
        for what in ("max_epochs", "patience", "every"):
            integer(what, getattr(self, what))
        integer("batch_size", self.batch_size, or_none=True)
        number("lr", self.lr, above=0)
        number("weight_decay", self.weight_decay, least=0)


def checked_shape(shape: Shape) -> Shape:
    """Return the sizes of a network as integers and tuples of them, or refuse them."""
    number("dropout", shape.dropout, least=0, below=1)
    number("slope", shape.slope, least=0)
    return replace(
        shape, heads=_heads(shape.heads), hidden=_widths("hidden", shape.hidden), out=_widths("out", shape.out)
    )


def _heads(value: Any) -> int | tuple[int, ...]:
    """Return the number of heads, of all layers or of each."""
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(integer("heads", v) for v in value)
    return integer("heads", value)


def _widths(name: str, value: Any) -> tuple[int, ...]:
    try:
        widths = () if isinstance(value, str) else tuple(integer(name, v) for v in value)
    except (TypeError, InputValueError):
        widths = ()
    if not widths:
        msg = f"{name} is the width of each layer, such as (64, 64); got {printable(repr(value))}."
        raise InputValueError(msg)
    return widths
