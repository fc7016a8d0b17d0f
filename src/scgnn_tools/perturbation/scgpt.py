"""``scgpt``: an scGPT that turns a control cell into a perturbed one (Cui et al., Nature Methods 2024, "perturbation").

Values are continuous, zeros are kept, a flag is added to the perturbed genes, and two decoders give a multiple of the control's value and a
shift; the loss is the squared error of all genes. A given scGPT lends its gene, value and transformer weights, flags and decoders are new.
Where we differ: the perturbed genes are always among the tokens (the published script draws 1,536 genes at random, and may miss them); the
decoders begin with no change (``residual``); whole conditions, not cells, choose the epoch; control cells without a flag are trained on as
well, and a change is what the flag makes of a cell, without what the network says of any.
"""

from typing import Any, ClassVar

from scgnn_tools.perturbation.flagged import ScGPTParts
from scgnn_tools.perturbation.network import PAPER, SMALL, ResponseNetwork


class ScGPTResponse(ScGPTParts, ResponseNetwork):
    """A cell as all of its genes, flagged where it is perturbed; parameters as in the class above it."""

    head = "affine"
    small: ClassVar[dict[str, Any]] = {**SMALL, "cell_token": False}
    paper: ClassVar[dict[str, Any]] = {**PAPER, "dropout": 0.0, "max_epochs": 15}
