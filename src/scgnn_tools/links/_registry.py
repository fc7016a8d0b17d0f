"""All link predictors: one line each."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scgnn_tools._doors import counted, door
from scgnn_tools._methods import Place, check_options, known
from scgnn_tools.links._protocol import LinkPredictor

EXPRESSION, EMBEDDING = frozenset({"expression"}), frozenset({"embedding"})


@dataclass(frozen=True)
class Entry(Place):
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
    takes
        Those that it learns from where they are given, beside those that it needs.
    always
        Shown beside every result; the others are compared on request.
    log_odds
        A score is a logit, so its logistic is a probability; it is one that learns.
    learns
        It learns from labelled pairs of a prior; without, it goes by the cells or the vectors alone.
    timed
        It goes by the order of the cells in time, an option ``pseudotime``; cells without one tell it little.
    random
        Two trainings with different seeds differ: it takes ``rng``.
    interruptible
        Ctrl-C ends its training early: it then has the best weights so far, and ``interrupted`` is True.
    messages
        It passes messages over edges, which must hold no test edge (:class:`WithMessages`).
    needs_by
        Options whose values make it need expression too; the first of them that is given decides.
    validates
        Protocols in which it keeps the epoch that is best on validation pairs, and refuses to go without them.
    evidence
        It says what its score of a pair is made of (:class:`WithEvidence`).
    saved
        It can be made again from arrays and what JSON can hold, and then scores the same (:class:`Saved`).
    modelled
        ``sgt.models`` has a class of it (:class:`Modelled`).
    """

    kind: Literal["method", "peer", "baseline"]
    uses: str
    needs: frozenset[str] = frozenset()
    always: bool = False
    log_odds: bool = False
    learns: bool = False
    takes: frozenset[str] = frozenset()
    timed: bool = False
    random: bool = False
    interruptible: bool = False
    messages: bool = False
    evidence: bool = False
    saved: bool = False
    modelled: bool = False
    needs_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    validates: frozenset[str] = frozenset()

    def needed(self, options: Mapping[str, Any]) -> frozenset[str]:
        """Return what it refuses to go without, made with these options."""
        decides = next((name for name in self.needs_by if options.get(name) is not None), None)
        more = decides is not None and options[decides] in self.needs_by[decides]
        return self.needs | EXPRESSION if more else self.needs


_HERE = "scgnn_tools.links."
_PAPER = frozenset({"paper"})
_CELLS = {"features": frozenset({"expression", "counts"}), "protocol": _PAPER}
_NETWORK: dict[str, Any] = {"learns": True, "random": True, "interruptible": True}
_MODEL: dict[str, Any] = {"log_odds": True, "messages": True, "saved": True, "modelled": True, **_NETWORK}

PREDICTORS = {
    "scregnet": Entry(_HERE + "scregnet", "ScRegNet", "method",
        "gene vectors, training edges", EMBEDDING, needs_by=_CELLS, validates=_PAPER, **_MODEL),
    "sctransnet": Entry(_HERE + "sctransnet", "ScTransNet", "method",
        "gene vectors, expression, training edges", EMBEDDING | EXPRESSION, **_MODEL),
    "degree": Entry(_HERE + "degree", "Degree", "baseline", "training labels", always=True, log_odds=True, learns=True),
    "collaborative": Entry(_HERE + "collaborative", "Collaborative", "baseline",
        "training labels", always=True, log_odds=True, learns=True),
    "cosine": Entry(_HERE + "cosine", "Cosine", "baseline", "gene vectors", EMBEDDING, always=True),
    "pcc": Entry(_HERE + "pcc", "PCC", "baseline", "expression", EXPRESSION, always=True),
    "sgt": Entry(_HERE + "sgt", "SGT", "method",
        "training labels, gene vectors, expression, bundled knowledge",
        takes=EXPRESSION | EMBEDDING, log_odds=True, learns=True, random=True, evidence=True),
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
    "scode": Entry(_HERE + "scode", "SCODE", "peer", "expression, pseudotime", EXPRESSION, timed=True, random=True),
}  # fmt: skip


def predictor_name(name: str) -> str:
    """Return a name of ``PREDICTORS`` in whatever case it was given.

    Raises
    ------
    InputValueError
        If there is none; the message says which was probably meant.
    """
    found = name.lower() if isinstance(name, str) and name.lower() in PREDICTORS else name
    known(PREDICTORS, "link predictor", found)
    return found


@door
def link_predictor(name: str, **options: Any) -> LinkPredictor:
    """Return a new, unfitted predictor.

    Parameters
    ----------
    name
        A key of ``PREDICTORS``, in any case: the methods "sgt", "scregnet", "sctransnet"; the baselines "degree", "collaborative",
        "cosine", "pcc", "spearman", "mi"; the peers "genie3", "grnboost2", "scode", "genelink", "gnnlink", "gne", "cnnc", "deepdrim".
    **options
        Of the method. ``rng``, the seed, and ``device`` go to those that draw and compute with PyTorch; the others need none.

    Raises
    ------
    InputValueError
        If there is no such predictor or option.

    Examples
    --------
    ``pairs`` has a row a pair of genes, ``tf`` and ``target``, and in ``label`` whether it is a known edge:

    >>> part = sgt.splits.split_pairs("unseen_target", pairs)
    >>> predictor = sgt.models.link_predictor("collaborative").fit(pairs[part == 0], pairs[part == 1])
    >>> predictor.score(pairs[part == 2]).shape == ((part == 2).sum(),)
    True
    """
    name = predictor_name(name)
    cls = PREDICTORS[name].load()
    has = sorted(inspect.signature(cls).parameters)
    given = {k: v for k, v in options.items() if k in has or k not in ("rng", "device")}
    check_options(name, given, has)
    return cls(**counted(cls, given))
