"""All methods for knock-outs in bulk: one line each."""

from typing import Any, cast

from scgnn_tools._methods import known, make
from scgnn_tools.perturbation._registry import Entry
from scgnn_tools.perturbation.bulk._protocol import KnockoutMethod

METHODS = {
    "unchanged": Entry("scgnn_tools.perturbation.bulk.unchanged", "Unchanged"),
    "frequency": Entry("scgnn_tools.perturbation.bulk.frequency", "Frequency"),
    "mean": Entry("scgnn_tools.perturbation.bulk.mean", "MeanChange"),
    "expression": Entry("scgnn_tools.perturbation.bulk.expression", "ByExpression"),
    "nearest": Entry("scgnn_tools.perturbation.bulk.nearest", "Nearest"),
    "ridge": Entry("scgnn_tools.perturbation.bulk.ridge", "RidgeChange"),
    "counting": Entry("scgnn_tools.perturbation.bulk.counting", "Counting", "method"),
    "cgc": Entry("scgnn_tools.perturbation.bulk.cgc", "CGCKnockout", "method"),
    "scgpt": Entry("scgnn_tools.perturbation.bulk.scgpt", "ScGPTKnockout", "method"),
}


def knockout_method(name: str, **options: Any) -> KnockoutMethod:
    """Return a new, unfitted method by its name; an option that the method lacks is an error."""
    return cast("KnockoutMethod", make(known(METHODS, "knock-out method", name).load(), name, options))
