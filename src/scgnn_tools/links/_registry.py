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
    learns
        It learns from labelled pairs of a prior; without, it goes by the cells or the vectors alone.
    random
        Two trainings with different seeds differ: it takes ``rng``.
    interruptible
        Ctrl-C ends its training early: it then has the best weights so far, and ``interrupted`` is True.
    messages
        It passes messages over edges: ``message_graph`` between ``nodes``, which must hold no test edge.
    evidence
        ``evidence(pairs)`` says what its score of a pair is made of.
    """

    module: str
    cls: str
    kind: Literal["method", "peer", "baseline"]
    uses: str
    needs: frozenset[str] = frozenset()
    always: bool = False
    log_odds: bool = False
    learns: bool = False
    random: bool = False
    interruptible: bool = False
    messages: bool = False
    evidence: bool = False

    def load(self) -> type:
        """Return the class."""
        return getattr(import_module(self.module), self.cls)


EXPRESSION, EMBEDDING = frozenset({"expression"}), frozenset({"embedding"})
_HERE = "scgnn_tools.links."
_NETWORK: dict[str, bool] = {"learns": True, "random": True, "interruptible": True}

PREDICTORS = {
    "scregnet": Entry(_HERE + "scregnet", "ScRegNet", "method",
        "gene vectors, training edges", EMBEDDING, log_odds=True, messages=True, **_NETWORK),
    "sctransnet": Entry(_HERE + "sctransnet", "ScTransNet", "method",
        "gene vectors, expression, training edges", EMBEDDING | EXPRESSION, log_odds=True, messages=True, **_NETWORK),
    "degree": Entry(_HERE + "degree", "Degree", "baseline", "training labels", always=True, log_odds=True, learns=True),
    "collaborative": Entry(_HERE + "collaborative", "Collaborative", "baseline",
        "training labels", always=True, log_odds=True, learns=True),
    "cosine": Entry(_HERE + "cosine", "Cosine", "baseline", "gene vectors", EMBEDDING, always=True),
    "pcc": Entry(_HERE + "pcc", "PCC", "baseline", "expression", EXPRESSION, always=True),
    "sgt": Entry(_HERE + "sgt", "SGT", "method",
        "training labels, gene vectors, expression, bundled knowledge", log_odds=True, learns=True, random=True, evidence=True),
    "spearman": Entry(_HERE + "spearman", "Spearman", "baseline", "expression", EXPRESSION),
    "mi": Entry(_HERE + "mutual_information", "MutualInformation", "baseline", "expression", EXPRESSION),
    "gne": Entry(_HERE + "gne", "GNE", "peer", "expression, training labels", EXPRESSION, log_odds=True, **_NETWORK),
    "cnnc": Entry(_HERE + "cnnc", "CNNC", "peer", "expression, training labels", EXPRESSION, log_odds=True, **_NETWORK),
    "deepdrim": Entry(_HERE + "deepdrim", "DeepDRIM", "peer", "expression, training labels", EXPRESSION, log_odds=True, **_NETWORK),
    "genie3": Entry(_HERE + "trees", "GENIE3", "peer", "expression", EXPRESSION, random=True),
    "genelink": Entry(_HERE + "genelink", "GENELink", "peer",
        "expression, training edges", EXPRESSION, log_odds=True, messages=True, **_NETWORK),
    "gnnlink": Entry(_HERE + "gnnlink", "GNNLink", "peer", "expression, training edges", EXPRESSION, messages=True, **_NETWORK),
    "grnboost2": Entry(_HERE + "trees", "GRNBoost2", "peer", "expression", EXPRESSION, random=True),
}  # fmt: skip


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
    cls = PREDICTORS[name].load()
    known = set(inspect.signature(cls).parameters)
    unknown = set(options) - known - {"rng", "device"}
    if unknown:
        there = ", ".join(sorted(known)) or "none"
        msg = f"{name} has no option {', '.join(map(printable, sorted(unknown)))}; its options are: {there}."
        raise InputValueError(msg)
    return cls(**{k: v for k, v in options.items() if k in known})
