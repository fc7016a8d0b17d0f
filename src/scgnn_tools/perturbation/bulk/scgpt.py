"""``scgpt``: an scGPT under the same two classifiers as ``cgc``, the published baseline of Cell-Graph Compass for knock-outs in bulk."""

from typing import Any, ClassVar

from scgnn_tools.perturbation.bulk.network import PAPER, SMALL, KnockoutNetwork
from scgnn_tools.perturbation.flagged import ScGPTParts


class ScGPTKnockout(ScGPTParts, KnockoutNetwork):
    """A control as its genes, flagged where it is knocked out; parameters as in the class above it."""

    small: ClassVar[dict[str, Any]] = {**SMALL, "cell_token": False}
    paper: ClassVar[dict[str, Any]] = {**PAPER, "dropout": 0.0}
