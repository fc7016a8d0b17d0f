"""All link predictors: one line each."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.links._protocol import LinkPredictor


@dataclass(frozen=True)
class Entry:
    """A predictor: where it lives, what it is, what it must be given.

    Attributes
    ----------
    module, cls
        Where it lives.
    kind
        "method", one that is trained to win; "peer", a published method to compare with; "baseline", what each result has to beat.
    uses
        What it learns from, in words, for the table of an evaluation.
    needs
        Arguments of ``fit`` that it refuses to go without: "expression", "embedding".
    always
        Shown beside every result; the others are compared on request.
    log_odds
        A score is a logit, so its logistic is a probability.
    """

    module: str
    cls: str
    kind: Literal["method", "peer", "baseline"]
    uses: str
    needs: frozenset[str] = frozenset()
    always: bool = False
    log_odds: bool = False


EXPRESSION, EMBEDDING = frozenset({"expression"}), frozenset({"embedding"})
_HERE = "scgnn_tools.links."

PREDICTORS = {
    "scregnet": Entry(
        _HERE + "scregnet", "ScRegNet", "method", "gene vectors, training edges", EMBEDDING, log_odds=True
    ),
    "sctransnet": Entry(
        _HERE + "sctransnet",
        "ScTransNet",
        "method",
        "gene vectors, expression, training edges",
        EMBEDDING | EXPRESSION,
        log_odds=True,
    ),
    "degree": Entry(_HERE + "degree", "Degree", "baseline", "training labels", always=True, log_odds=True),
    "collaborative": Entry(
        _HERE + "collaborative", "Collaborative", "baseline", "training labels", always=True, log_odds=True
    ),
    "cosine": Entry(_HERE + "cosine", "Cosine", "baseline", "gene vectors", EMBEDDING, always=True),
    "pcc": Entry(_HERE + "pcc", "PCC", "baseline", "expression", EXPRESSION, always=True),
    "sgt": Entry(
        _HERE + "sgt", "SGT", "method", "training labels, gene vectors, expression, bundled knowledge", log_odds=True
    ),
    "spearman": Entry(_HERE + "spearman", "Spearman", "baseline", "expression", EXPRESSION),
    "mi": Entry(_HERE + "mutual_information", "MutualInformation", "baseline", "expression", EXPRESSION),
    "gne": Entry(_HERE + "gne", "GNE", "peer", "expression, training labels", EXPRESSION, log_odds=True),
    "cnnc": Entry(_HERE + "cnnc", "CNNC", "peer", "expression, training labels", EXPRESSION, log_odds=True),
    "deepdrim": Entry(_HERE + "deepdrim", "DeepDRIM", "peer", "expression, training labels", EXPRESSION, log_odds=True),
    "genie3": Entry(_HERE + "trees", "GENIE3", "peer", "expression", EXPRESSION),
    "genelink": Entry(_HERE + "genelink", "GENELink", "peer", "expression, training edges", EXPRESSION, log_odds=True),
    "gnnlink": Entry(_HERE + "gnnlink", "GNNLink", "peer", "expression, training edges", EXPRESSION),
    "grnboost2": Entry(_HERE + "trees", "GRNBoost2", "peer", "expression", EXPRESSION),
}


def link_predictor(name: str, **options: Any) -> LinkPredictor:
    """Return a new, unfitted predictor.

    Parameters
    ----------
    name
        A key of ``PREDICTORS``: the methods "sgt", "scregnet", "sctransnet"; the baselines "degree", "collaborative", "cosine", "pcc",
        "spearman", "mi"; the peers "genie3", "grnboost2", "genelink", "gnnlink", "gne", "cnnc", "deepdrim".
    **options
        Of the method. ``rng``, the seed, and ``device`` go to those that draw and compute with PyTorch; the others need none.

    Raises
    ------
    InputValueError
        If there is no such predictor or option.
    """
    if name not in PREDICTORS:
        msg = f"There is no link predictor {printable(name)!r}; there are {', '.join(PREDICTORS)}."
        raise InputValueError(msg)
    entry = PREDICTORS[name]
    cls = getattr(import_module(entry.module), entry.cls)
    known = set(inspect.signature(cls).parameters)
    unknown = set(options) - known - {"rng", "device"}
    if unknown:
        there = ", ".join(sorted(known)) or "none"
        msg = f"{name} has no option {', '.join(map(printable, sorted(unknown)))}; its options are: {there}."
        raise InputValueError(msg)
    return cls(**{k: v for k, v in options.items() if k in known})
