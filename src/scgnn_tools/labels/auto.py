"""``auto``: methods that fail in different ways, mixed by what held-out experiments, or held-out cells, say of each."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from scgnn_tools._choices import choice, sequence
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._methods import check_options
from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.labels._protocol import Cells, Interruptible, LabelMethod, Saved
from scgnn_tools.labels._registry import METHODS, TRAIN_SIZE, label_method, method_options, resolved
from scgnn_tools.labels.mixture import mixture_weights, rarity
from scgnn_tools.labels.saving import State, nested, part, restored, state_of
from scgnn_tools.labels.temperature import fit_temperature, log_proba
from scgnn_tools.splits import split_cells

MEMBERS = ("scgrapht", "logreg_rep", "centroid", "spearman_genes", "lda_pca")
"""A graph network, the vectors of a foundation model, two comparisons with the class means, and Gaussians in PCA."""
GRAPH = "scgrapht"
PRIOR = 50.0
"""Cells' worth of belief in each member that all are as good."""
WORTH = 100.0
"""Cells that a held-out experiment counts for at most: thousands of cells that are strange in the same way say one thing, not thousands."""
FEWEST_EXPERIMENTS = 3
"""With two, a member that is asked about one knows a single one, and not two as it will when it is used."""
MOST_FOLDS, MOST_CELLS, FEWEST_CELLS = 5, 1500, 20
"""Of experiments that are held out: folds, cells that train a fold, and cells that a fold has to score."""


class Auto:
    """An ensemble: the mean of its members' calibrated probabilities.

    The weights of the members, and the temperatures of their probabilities, are those that make labels likeliest in experiments that a
    member has not seen, if the training cells are of three or more (``Cells.experiments``); else in the validation cells; without any of
    these all count alike. A belief that all are as good holds the weights near each other, and a held-out experiment counts for a hundred
    cells at most: a member can look better in one experiment than it is in the next.

    Parameters
    ----------
    members
        Names of methods, two at least.
    weights
        "held-out", as above, or "even".
    device
        Where members train that use PyTorch.
    options
        Of the member ``scgrapht``, the one that is trained for long.

    Attributes
    ----------
    members
        After :meth:`fit`: the fitted methods by name.
    weights
        The weight of each, float64 (n_members,).
    weighed_on
        "experiments", "cells" or "nothing".
    interrupted
        Whether Ctrl-C ended the training: members that were not there yet are left out.
    """

    def __init__(
        self, *, members: Sequence[str] = MEMBERS, weights: str = "held-out", device: str = "auto", **options: Any
    ) -> None:
        self._names = _checked(members)
        self._even = choice("weights", weights, ("held-out", "even")) == "even"
        self._device, self.interrupted = device, False
        self._options = {GRAPH: _checked_options(options, self._names)}
        for name in self._names:
            self._new(name)  # what is wrong is said before any work
        self.members: dict[str, LabelMethod] = {}

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "Auto":
        """Train the members on the training cells, then weigh them.

        Ctrl-C keeps the members that are there, and weighs them by the validation cells; it is raised only if there is none.
        """
        number, self.interrupted = seed(rng), False
        try:
            for name in progress(self._names, total=len(self._names), what="auto", unit="method"):
                self._add(name, train, labels, validation, validation_labels, unlabeled=unlabeled, rng=number)
                if self.interrupted:
                    break
        except KeyboardInterrupt:
            if not self.members:
                raise
            self.interrupted = True
        scores = [m.scores(validation) for m in self.members.values()]
        self._weigh(scores, validation_labels, labels, "cells", 0)
        try:
            if not self.interrupted and not self._even:
                self._hold_out(train, labels, number)
        except KeyboardInterrupt:
            self.interrupted = True
        return self

    @property
    def train_size(self) -> float:
        """Share of the labelled cells that train."""
        return TRAIN_SIZE

    @property
    def params(self) -> dict[str, Any]:
        """The members, what they are weighed by and, after :meth:`fit`, with what weights; and the options of each."""
        of_fitted = {}
        if self.members:
            weights = dict(zip(self.members, map(float, self.weights), strict=True))
            of_fitted = {"weighed_on": self.weighed_on, "weight_of": weights}
        members = {n: self.members.get(n) or self._new(n) for n in self._names}
        each = {n: resolved(n, m, {"device": self._device, **self._options.get(n, {})}) for n, m in members.items()}
        asked = "even" if self._even else "held-out"
        return {"members": self._names, "weights": asked, "device": self._device, **of_fitted, "options_of": each}

    def _new(self, name: str) -> LabelMethod:
        return label_method(name, device=self._device, **self._options.get(name, {}))

    def _add(self, name: str, *cells: Any, **how: Any) -> None:
        fitted = self._new(name).fit(*cells, **how)
        self.interrupted = METHODS[name].interruptible and cast("Interruptible", fitted).interrupted
        self.members[name] = fitted

    def _weigh(self, scores: list[np.ndarray], truth: np.ndarray, labels: np.ndarray, on: str, n: int) -> None:
        """Set temperatures and weights by scores of cells whose classes are known, of ``n`` held-out experiments or of none."""
        self._temperatures = np.array([fit_temperature(s, truth) for s in scores])
        calibrated = [log_proba(s, t) for s, t in zip(scores, self._temperatures, strict=True)]
        self.weights = np.full(len(scores), 1 / len(scores))
        if not self._even:
            prior = PRIOR * max(1.0, len(truth) / (WORTH * n)) if n else PRIOR
            self.weights = mixture_weights(calibrated, truth, rarity(labels), prior=prior)
        self.weighed_on = on if len(truth) and not self._even else "nothing"

    def _hold_out(self, train: Cells, labels: np.ndarray, number: int) -> None:
        """Weigh by cells of experiments that the members did not see, if there are any."""
        scores: list[list[np.ndarray]] = []
        truth: list[np.ndarray] = []
        for known, asked in experiment_folds(train.experiments, labels, number):
            left, codes = np.unique(labels[known], return_inverse=True)
            steers, _ = split_cells(codes, test=0, rng=number)
            learn, steer = (train.take(known[steers == p]) for p in (0, 1))
            query, of_fold = train.take(asked), []
            for name in self._names:
                fitted = self._new(name).fit(learn, codes[steers == 0], steer, codes[steers == 1], rng=number)
                if METHODS[name].interruptible and cast("Interruptible", fitted).interrupted:
                    raise KeyboardInterrupt
                # a class that the other experiments lack can have no probability
                every = np.full((len(asked), int(labels.max()) + 1), -1e3)
                every[:, left] = log_proba(fitted.scores(query), 1.0)
                of_fold.append(every)
            scores.append(of_fold)
            truth.append(labels[asked])
        if scores:
            together = [np.concatenate(each) for each in zip(*scores, strict=True)]
            self._weigh(together, np.concatenate(truth), labels, "experiments", len(scores))

    def scores(self, cells: Cells) -> np.ndarray:
        """Return the log of the members' weighted mean probability, (n_cells, n_classes)."""
        return self._mixed(self._each(cells))

    def consensus(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return :meth:`scores`, and the share of members whose best class is the ensemble's, float32 (n_cells,)."""
        each = self._each(cells)
        mixed = self._mixed(each)
        agree = np.stack([s.argmax(axis=1) for s in each]) == mixed.argmax(axis=1)
        return mixed, agree.mean(axis=0, dtype=np.float32)

    def part_scores(self, cells: Cells) -> dict[str, np.ndarray]:
        """Return the calibrated log-probabilities of each member, (n_cells, n_classes) each."""
        return dict(zip(self.members, self._each(cells), strict=True))

    def _each(self, cells: Cells) -> list[np.ndarray]:
        raw = (m.scores(cells) for m in self.members.values())
        return [log_proba(s, t) for s, t in zip(raw, self._temperatures, strict=True)]

    def _mixed(self, each: list[np.ndarray]) -> np.ndarray:
        return np.logaddexp.reduce([np.log(w) + s for w, s in zip(self.weights, each, strict=True)], axis=0)

    def state(self) -> tuple[State, dict[str, Any]]:
        """Return arrays by name, and what JSON can hold; members that cannot be saved are refused."""
        arrays: State = {"weights": self.weights, "temperatures": self._temperatures}
        configs: dict[str, Any] = {}
        for name, member in self.members.items():
            if not METHODS[name].saved:
                msg = f"The member {name!r} of this ensemble cannot be saved. Train with members= that leaves it out."
                raise InputValueError(msg)
            of_member, configs[name] = state_of(cast("Saved", member))
            arrays |= nested(**{f"member.{name}": of_member})
        return arrays, {"members": configs, "weighed_on": self.weighed_on}

    def restore(self, arrays: State, config: dict[str, Any]) -> "Auto":
        """Become the ensemble that :meth:`state` was asked of."""
        self.weights, self._temperatures = arrays["weights"], arrays["temperatures"]
        self.weighed_on, self.members = config["weighed_on"], {}
        for name in (n for n in self._names if n in config["members"]):  # in the order of the weights; JSON keeps none
            new, own = cast("Saved", self._new(name)), part(arrays, f"member.{name}")
            self.members[name] = restored(new, own, config["members"][name])
        return self


def expected_seconds(n_cells: int, n_experiments: int = 1) -> float:
    """Return about how long the default members take to train and be weighed on one core, measured on sets of 700 to 4,800 cells."""
    folds = min(n_experiments, MOST_FOLDS) if n_experiments >= FEWEST_EXPERIMENTS else 0
    return 1.0 + 4e-3 * (n_cells + folds * min(n_cells, MOST_CELLS))


def experiment_folds(
    experiments: np.ndarray | None, labels: np.ndarray, number: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (cells that train, cells of held-out experiments that are scored), positions, a fold after the other.

    There are none for fewer than three experiments; more than five are held out in five groups. Cells of classes that the others lack are
    not scored; a fold with fewer than two classes, or twenty cells to score, is left out; of many training cells 1,500 are drawn.
    """
    names, of_cell = np.unique(np.zeros(len(labels)) if experiments is None else experiments, return_inverse=True)
    if len(names) < FEWEST_EXPERIMENTS:
        return []
    draw, out = generator(number), []
    fold = (draw.permutation(len(names)) % MOST_FOLDS)[of_cell]
    for f in np.unique(fold):
        known, asked = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        known = np.sort(draw.choice(known, min(len(known), MOST_CELLS), replace=False))
        asked = asked[np.isin(labels[asked], labels[known])]
        if len(np.unique(labels[known])) > 1 and len(asked) >= FEWEST_CELLS:
            out.append((known, asked))
    return out


def _checked(members: Sequence[str]) -> tuple[str, ...]:
    names = tuple(sequence("members", members))
    bad = [n for n in names if not isinstance(n, str) or n not in METHODS or METHODS[n].ensemble]
    if bad or len(set(names)) < 2 or len(set(names)) < len(names):
        able = ", ".join(n for n, e in METHODS.items() if not e.ensemble)
        seen = printable(", ".join(map(repr, bad or names)))
        msg = f"members are two or more different methods; got {seen}. There are: {able}."
        raise InputValueError(msg)
    return names


def _checked_options(options: dict[str, Any], members: tuple[str, ...]) -> dict[str, Any]:
    able = [o for o in method_options(GRAPH) or [] if o not in ("device", "checkpoint")] if GRAPH in members else []
    check_options("auto", options, ["members", "weights", "device"], {GRAPH: able})
    return options
