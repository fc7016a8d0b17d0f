"""All perturbation methods: one line each."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from scgnn_tools._doors import door
from scgnn_tools._methods import Place, known, make
from scgnn_tools.perturbation._protocol import PerturbationMethod


@dataclass(frozen=True)
class Entry(Place):
    """Where a method lives and what it is.

    Attributes
    ----------
    module, cls
        Where.
    kind
        "baseline" for what others have to beat.
    needs
        "means" for a method that learns from mean changes, "cells" for a network that learns from cells.
    when
        What has to be there for it to differ from ``mean``: "combinations", or conditions "seen" in other groups; "" for nothing.
    gives_cells
        ``predict_cells(condition, controls)`` changes each control cell in its own way; of other methods all change alike.
    judges
        ``unrelated(conditions)`` says of which conditions it knows nothing that is like them.
    """

    kind: Literal["method", "baseline"] = "baseline"
    needs: Literal["means", "cells"] = "means"
    when: Literal["", "combinations", "seen"] = ""
    gives_cells: bool = False
    judges: bool = False


METHODS = {
    "no_change": Entry("scgnn_tools.perturbation.no_change", "NoChange"),
    "mean": Entry("scgnn_tools.perturbation.mean", "Mean"),
    "shrunken_mean": Entry("scgnn_tools.perturbation.shrunken_mean", "ShrunkenMean"),
    "matching_mean": Entry("scgnn_tools.perturbation.matching_mean", "MatchingMean", when="seen"),
    "additive": Entry("scgnn_tools.perturbation.additive", "Additive", when="combinations"),
    "linear": Entry("scgnn_tools.perturbation.linear", "Linear"),
    "kernel": Entry("scgnn_tools.perturbation.kernel", "Kernel", "method", judges=True),
    "cgc": Entry("scgnn_tools.perturbation.cgc", "CGCResponse", "method", needs="cells", gives_cells=True),
    "scgpt": Entry("scgnn_tools.perturbation.scgpt", "ScGPTResponse", "method", needs="cells", gives_cells=True),
    "gears": Entry("scgnn_tools.perturbation.gears", "Gears", "method", needs="cells"),
}


def entry(name: str) -> Entry:
    """Return what is known of a method."""
    return known(METHODS, "perturbation method", name)


@door
def perturbation_method(name: str, **options: Any) -> PerturbationMethod:
    """Return a new, unfitted method by its name.

    ``device`` and ``max_epochs`` may be given for every method; a method without them ignores them. Any other option
    that the method lacks is an error.

    Examples
    --------
    >>> known = sgt.perturbation.relations([("LYZ",), ("B2M",)], ["go"])
    >>> effects = sgt.perturbation.Effects(
    ...     [("LYZ",), ("B2M",)], np.zeros((2, 1000)), np.ones(2), adata.var_names.to_numpy(dtype=object), known
    ... )
    >>> method = sgt.perturbation.perturbation_method("mean")
    >>> method.fit(effects, rng=0)
    >>> method.predict([("CD3D",)]).shape
    (1, 1000)
    """
    return cast("PerturbationMethod", make(entry(name).load(), name, options))
