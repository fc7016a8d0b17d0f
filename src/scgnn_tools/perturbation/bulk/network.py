"""What both networks for knock-outs in bulk have in common: the control's strongest genes and the target as tokens, two steps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch

from scgnn_tools._choices import number
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools.data import Tokens
from scgnn_tools.fm.given import flags_of
from scgnn_tools.perturbation import flagged
from scgnn_tools.perturbation.bulk._protocol import Experiments
from scgnn_tools.perturbation.bulk.frequency import Frequency
from scgnn_tools.perturbation.bulk.rates import class_centres
from scgnn_tools.perturbation.bulk.two_step import classes
from scgnn_tools.store import digest
from scgnn_tools.train.two_step_task import Loss, TwoStep

SMALL = {
    **flagged.SMALL, "n_genes": 512, "max_epochs": 40, "patience": 10, "max_cells": 4, "warmup": 20, "gamma": 2.0, "negatives": 9.0,
    "cell_token": True,
}  # fmt: skip
PAPER = {**flagged.PAPER, "n_genes": 2048, "gamma": 0.0, "alpha": 0.5, "negatives": None}


@dataclass(frozen=True)
class Packed:
    """Experiments as tokens.

    Attributes
    ----------
    tokens
        Control's values at the genes, log1p; the experiment's own token first if it has one.
    column
        Gene of each token, -1 for the experiment's own, int64 (n_tokens,).
    flags
        Whether a token is the target, or the experiment's own, bool (n_tokens,).
    has_target
        Whether the target of each experiment has a token, bool (n,).
    """

    tokens: Tokens
    column: np.ndarray
    flags: np.ndarray
    has_target: np.ndarray

    @property
    def row(self) -> np.ndarray:
        """Experiment of each token."""
        return np.repeat(np.arange(self.tokens.n_cells), self.tokens.lengths)


class KnockoutNetwork(flagged.FlaggedNetwork):
    """Two steps out of the state of each gene: whether it changes, then which way; other genes get their frequency.

    Parameters
    ----------
    model, checkpoint, preset, pretrain, cell_token, dim, n_layers, max_epochs, patience, lr, max_cells, device, folder, resume
        As in :class:`~scgnn_tools.perturbation.network.ResponseNetwork`; the preset trains without focus or drawing (γ 0, α .5), which is
        the default of the published code: the loss of the first step is then plain cross-entropy.
    n_genes
        Tokens of an experiment beside the target: the genes that its control expresses most.
    gamma
        Focus of the first step on genes that it is wrong about.
    alpha
        Weight of a changed gene in the first step, 1 - alpha that of another one; None takes the share of those that did not change.
    direction
        Weight of the second step beside the first.
    negatives
        Unchanged genes drawn for each changed one in a step; None takes that of the preset: 9, or all.
    """

    small: ClassVar[dict[str, Any]] = SMALL
    paper: ClassVar[dict[str, Any]] = PAPER

    def __init__(
        self,
        *,
        model: Any = None,
        checkpoint: str | Path | None = None,
        preset: str | None = None,
        pretrain: bool = True,
        cell_token: bool | None = None,
        n_genes: int | None = None,
        dim: int | None = None,
        n_layers: int | None = None,
        gamma: float | None = None,
        alpha: float | None = None,
        direction: float = 1.0,
        negatives: float | None = None,
        max_epochs: int | None = None,
        patience: int | None = None,
        lr: float | None = None,
        max_cells: int | None = None,
        device: str = "auto",
        folder: str | Path | None = None,
        resume: bool = True,
    ) -> None:
        given = {
            "n_genes": n_genes, "dim": dim, "n_layers": n_layers, "max_epochs": max_epochs, "max_cells": max_cells, "patience": patience,
            "cell_token": cell_token,
        }  # fmt: skip
        weights = {
            "gamma": number("gamma", gamma, least=0, or_none=True),
            "alpha": number("alpha", alpha, above=0, below=1, or_none=True),
            "negatives": number("negatives", negatives, above=0, or_none=True),
        }
        self._take(
            given,
            model=model,
            checkpoint=checkpoint,
            preset=preset,
            pretrain=pretrain,
            lr=lr,
            device=device,
            folder=folder,
            resume=resume,
        )
        self._chosen |= {k: v for k, v in weights.items() if v is not None}
        self.direction = number("direction", direction, least=0)

    def fit(self, seen: Experiments, *, rng: RNG = 0) -> None:
        """Train on the experiments whose target has a token."""
        draw = seed(rng)
        self._rest = Frequency()
        self._rest.fit(seen)
        self._centres = class_centres(seen)
        self._often = (seen.counts & (seen.label != seen.middle)).sum(axis=0)
        self._begin(seen, draw)
        packed = self._packed(seen)
        usable = np.flatnonzero(packed.has_target)
        if not len(usable):
            msg = f"No target is in the vocabulary of {self.model.card.name}: nothing could be flagged. Use another model or none."
            raise InputValueError(msg)
        train, validation = _split(seen.target, usable, draw)
        label = np.where(packed.column >= 0, seen.label[packed.row, packed.column], -1).astype(np.int64)
        loss, negatives = self._loss(seen, label), self._chosen["negatives"]
        with torch_random(draw):
            task = TwoStep(
                int(self.model.config["dim"]),
                label,
                packed.flags,
                packed.tokens.offsets,
                seen.n_classes,
                loss,
                negatives=negatives,
                special=flags_of(self.model),
            )
        t = packed.tokens
        data = digest(t.ids, t.values, t.offsets, label, packed.flags, train, validation)
        more = {"loss": str(loss), "negatives": str(negatives)}
        trained = self._train(task, t, train, validation, seen=data, draw=draw, more=more)
        change, _ = self._logits(packed)
        own = label >= 0
        self._shift = calibrated(change[own], float((label[own] != seen.middle).mean()))
        self.notes: dict[str, Any] = trained | {
            "n_tokens": int(t.lengths.max()), "n_experiments": len(train), "n_without_a_token_of_the_target": int(len(seen) - len(usable)),
            "gamma": loss.gamma, "alpha": loss.alpha, "shift": self._shift,
        }  # fmt: skip

    def predict(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return what both steps say of the tokens, and the frequency of each class of other genes."""
        out, _ = self._rest.predict(new)
        packed = self._packed(new)
        change, way = self._logits(packed)
        p = 1 / (1 + np.exp(-(change + self._shift)))
        own = (packed.column >= 0) & packed.has_target[packed.row]
        out[packed.row[own], packed.column[own]] = _classes(p[own], way[own], new.n_classes)
        return out, out @ self._centres

    def _loss(self, seen: Experiments, label: np.ndarray) -> Loss:
        alpha = self._chosen.get("alpha")
        if alpha is None:
            changed = float(((label >= 0) & (label != seen.middle)).sum())
            rest = float((label == seen.middle).sum())
            if (negatives := self._chosen["negatives"]) is not None:
                rest = min(rest, negatives * changed)
            alpha = float(np.clip(rest / max(rest + changed, 1), 0.05, 0.95))
        return Loss(self._chosen["gamma"], alpha, self.direction)

    def _begin(self, seen: Experiments, draw: int) -> None:
        """Set the model, and the place of each gene, and of targets that are not measured, in its vocabulary."""
        names = np.array([*seen.genes, *sorted(set(seen.relations.genes) - set(seen.genes))], dtype=object)
        self._at = {g: i for i, g in enumerate(names)}
        if not self._fresh:
            self._place = self._known(names)
            self._start(sp.csr_array((0, 0)), draw)
            return
        self._place = np.full(len(names), -1, dtype=np.int64)
        allowed = np.ones(len(seen.genes), dtype=bool)
        used = {i for row in self._strongest(seen, allowed) for i in row.tolist()}
        used |= {self._at[g] for g in seen.relations.genes}
        tokens = np.array(sorted(used))
        self._place[tokens] = np.arange(len(tokens))
        measured = tokens[tokens < len(seen.genes)]
        control = np.zeros((len(seen), len(tokens)), dtype=np.float32)
        if seen.control is not None:
            control[:, : len(measured)] = seen.control[:, measured]
        x = sp.csr_array(control)
        self.model = self._new(x, names[tokens], draw)
        self._start(x, draw)

    def _strongest(self, of: Experiments, allowed: np.ndarray) -> list[np.ndarray]:
        """Return the genes that each control expresses most; without controls, those that changed most often in training."""
        places = np.flatnonzero(allowed)
        level = np.tile(self._often, (len(of), 1)) if of.control is None else of.control
        order = np.argsort(-level[:, places], axis=1, kind="stable")[:, : self._chosen["n_genes"]]
        return [np.sort(places[row]) for row in order]

    def _packed(self, of: Experiments) -> Packed:
        first = self._first
        ids, values, column, flags, has, lengths = [], [], [], [], [], []
        known = self._place >= 0
        for i, genes in enumerate(self._strongest(of, known[: len(of.genes)])):
            target = self._at.get(of.target[i], -1)
            has.append(target >= 0 and bool(known[target]))
            all_of = np.union1d(genes, [target]) if has[-1] else genes
            measured = all_of < len(of.genes)
            x = np.zeros(len(all_of), dtype=np.float32)
            if of.control is not None:
                x[measured] = of.control[i, all_of[measured]]
            if first is not None:
                ids.append(np.array([first[0]]))
                values.append(np.array([first[1]], dtype=np.float32))
                column.append(np.array([-1]))
                flags.append(np.array([True]))
            ids.append(self.model.ids[self._place[all_of]])
            values.append(x)
            column.append(np.where(measured, all_of, -1))
            flags.append((all_of == target) & has[-1])
            lengths.append(len(all_of) + (first is not None))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        tokens = Tokens(np.concatenate(ids).astype(np.int32), np.concatenate(values), offsets)
        return Packed(tokens, np.concatenate(column), np.concatenate(flags), np.array(has))

    def _logits(self, packed: Packed) -> tuple[np.ndarray, np.ndarray]:
        """Return both logits of every token."""
        t = packed.tokens
        size = max(1, self.model.max_tokens // max(int(t.lengths.max(initial=1)), 1))
        parts = []
        with self.model.computing():
            for i in range(0, t.n_cells, size):
                some = np.arange(i, min(i + size, t.n_cells))
                own = slice(t.offsets[some[0]], t.offsets[some[-1] + 1])
                parts.append(self._trained.logits(self.model, t.select(some), packed.flags[own]))
        change, way = (torch.cat(x).float().cpu().numpy().astype(np.float64) for x in zip(*parts, strict=True))
        return change, way


def calibrated(logits: np.ndarray, rate: float) -> float:
    """Return what makes the mean probability of logits ``rate`` when it is added to them: weights and drawing had moved it."""
    from scipy.optimize import brentq

    rate = float(np.clip(rate, 1e-6, 1 - 1e-6))
    return float(brentq(lambda b: (1 / (1 + np.exp(-np.clip(logits + b, -60, 60)))).mean() - rate, -100, 100))


def _classes(p: np.ndarray, way: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the probability of each class from that of a change and the logits of its way, (n, n_classes)."""
    if n_classes == 3:
        return classes(p, 1 / (1 + np.exp(-way[:, 0])), 3)
    share = np.exp(way - way.max(axis=1, keepdims=True))
    moved = p[:, None] * share / share.sum(axis=1, keepdims=True)
    return np.concatenate([moved[:, :2], 1 - p[:, None], moved[:, 2:]], axis=1)


def _split(target: np.ndarray, usable: np.ndarray, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Return experiments that train, and those of a tenth of the targets, which choose the epoch; of one target, some of its own."""
    draws, names = np.random.default_rng(draw), np.unique(target[usable])
    held = np.isin(target[usable], flagged.choosing(draws.permutation(names)))
    if held.all():
        held = np.arange(len(usable)) % 10 == 0
    return (usable[~held], usable[held]) if (~held).any() else (usable, usable)
