"""``sgt``: our own predictor of links. Counting first, then what factors and targets that are alike say, stacked out of fold."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer
from scgnn_tools._log import as_text
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.links._protocol import check_pairs, need_fit
from scgnn_tools.links.sgt.kernel import GeneKernel
from scgnn_tools.links.sgt.stack import Stack, fit_stack, hold_out
from scgnn_tools.links.sgt.terms import EVIDENCE, TERMS, Side, Terms

if TYPE_CHECKING:
    from anndata import AnnData

MAX_LANDMARKS = 1000
STEP = 1024
"""Targets in a block: all factors by that many targets are dense at a time."""

OF_PAIR = {"coexpression": "coexpression", "cosine": "vectors"}
"""Terms that are the cosine of the two genes' vectors in a source of the kernel."""


class SGT:
    """Link prediction that knows what counting knows, and adds what genes that are alike say.

    Each pair gets a few *terms*: smoothed log-odds of its factor and its target (``degree``), what factors with like targets say of the
    target (``collaborative``), a target's rate shrunk to that of targets that are alike, a ridge regression of each factor's residual
    on the target's features, and the same of factors that are alike as genes. "Alike" is one kernel of genes: given ``embedding``,
    co-expression in ``expression``, bundled gene vectors, symbol families, neighbours on the chromosome; what is not there is left out.
    A logistic regression with weights of 0 or more stacks the terms. It is fitted out of fold, with folds that hold back what the pair to
    score lacks: pairs, whole factors, whole targets, or both; so a pair whose factor is new is scored by weights learnt on new factors. All
    that is learnt from labels comes from ``pairs``; validation pairs are not used.

    A score is the logit of the probability among pairs like those of training. Every pair gets one: of a gene that nothing is known of
    counting knows the base rate.

    Parameters
    ----------
    knowledge
        Whether bundled knowledge of genes (vectors of the bundled models, symbol families, chromosome positions) counts. It holds no
        regulatory edge.
    rank
        Directions of the kernel that regressions use.
    n_folds
        Folds of the stacking.
    rng
        Seed of the folds.
    """

    def __init__(self, *, knowledge: bool = True, rank: int = 300, n_folds: int = 5, rng: RNG = 0) -> None:
        self._knowledge = choice("knowledge", knowledge, (True, False))
        self._rank, self._n_folds = integer("rank", rank), integer("n_folds", n_folds, least=2)
        self._seed = seed(rng)

    def fit(
        self,
        pairs: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "SGT":
        """Learn; the regression of a kind of pair (seen or unseen factor, target) is fitted when one is first asked for."""
        pairs = check_pairs(pairs)
        rng = generator(self._seed)
        tfs, targets = (np.unique(pairs[c].to_numpy(dtype=object)) for c in ("tf", "target"))
        some = targets
        if len(targets) > MAX_LANDMARKS:
            some = np.sort(rng.choice(targets, MAX_LANDMARKS, replace=False))
        self._kernel = GeneKernel(
            np.union1d(some, tfs[:MAX_LANDMARKS]),
            embedding=embedding,
            expression=expression,
            knowledge=self._knowledge,
            rank=self._rank,
            rng=rng,
        )
        self.sources = self._kernel.sources
        extra = as_text(genes).astype(object) if genes is not None else np.array([], dtype=object)
        names = np.unique(np.concatenate([tfs, targets, extra]))
        self._names, self._tf_names = pd.Index(names), tfs
        self._all = Side(np.arange(len(names)), self._kernel.features(names), None, names)
        self._i, self._t = (self._names.get_indexer(pairs[c]) for c in ("tf", "target"))
        self._label = pairs["label"].to_numpy(dtype=np.float32)
        self._terms = self._make(np.arange(len(pairs)))
        self._stacks: dict[str, Stack] = {}
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the logit of each pair, never NaN."""
        need_fit(self, "_names")
        return self._over_kinds(pairs, self._logit, 1)[:, 0]

    def evidence(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return what each source adds to the logit of each pair.

        Returns
        -------
        DataFrame
            With the index of ``pairs``, in logits: ``degree`` (how often the factor's and the target's pairs are edges), ``collaboration``
            (what factors and targets with like labels say), ``similar_tfs`` and ``similar_targets`` (what genes that are alike by vectors,
            expression, family and position say), ``coexpression`` and ``vectors`` (cosine of the pair itself). Together with ``base``
            they add up to the score.
        """
        columns = ["base", *EVIDENCE]
        return pd.DataFrame(self._over_kinds(pairs, self._by_source, len(columns)), index=pairs.index, columns=columns)

    def _make(self, rows: np.ndarray) -> Terms:
        i, t = self._i[rows], self._t[rows]
        return Terms(i, t, self._label[rows], self._all.features, self._names.get_indexer(self._tf_names))

    def _term(self, name: str, terms: Terms, tfs: Side, targets: Side) -> np.ndarray:
        if name in OF_PAIR:
            return self._kernel.cosine(OF_PAIR[name], tfs.names, targets.names)
        return terms.block(name, tfs, targets)

    def _stack(self, kind: str) -> Stack:
        """Return the weights of a kind of pair, fitted when first asked for."""
        if kind not in self._stacks:
            parts = hold_out(kind, self._i, self._t, self._n_folds, generator(self._seed))
            names = TERMS[kind]
            tfs, at = np.unique(self._i, return_inverse=True)
            factors = self._side(self._names.to_numpy(dtype=object)[tfs], kin=True)

            def gather(terms: Terms, rows: np.ndarray) -> np.ndarray:
                def of(some: Side, others: Side, i: np.ndarray, t: np.ndarray) -> np.ndarray:
                    return np.stack([_pick(self._term(n, terms, some, others), i, t) for n in names], axis=1)

                used, i = np.unique(at[rows], return_inverse=True)
                targets, t = np.unique(self._t[rows], return_inverse=True)
                return _over_targets(i, t, factors.take(used), self._all.take(targets), of, len(names))

            self._stacks[kind] = fit_stack(names, parts, self._label, self._make, gather)
        return self._stacks[kind]

    def _side(self, names: np.ndarray, *, kin: bool) -> Side:
        """Return what is known of genes without labels."""
        number = self._names.get_indexer(names)
        features = self._all.features[number] if (number >= 0).all() else self._kernel.features(names)
        return Side(number, features, self._kernel.kin(names, self._tf_names) if kin else None, names)

    def _over_kinds(self, pairs: pd.DataFrame, function: Callable[..., np.ndarray], width: int) -> np.ndarray:
        """Apply ``function(kind, tfs, targets, i, t)`` -> (n_pairs, width) to the pairs (i, t) of each kind, by blocks of targets."""
        if "tf" not in pairs or "target" not in pairs:
            check_pairs(pairs, labelled=False)  # says which is missing
        a, tfs = _names_of(pairs["tf"])
        b, targets = _names_of(pairs["target"])
        out = np.empty((len(pairs), width))
        if len(pairs) == 0:
            return out
        factors, others = self._side(tfs, kin=True), self._side(targets, kin=False)
        new_tf, new_target = self._terms.rows(factors) < 0, self._terms.columns(others) < 0
        for kind, rows, columns in (
            ("seen", ~new_tf, ~new_target),
            ("unseen_tf", new_tf, ~new_target),
            ("unseen_target", ~new_tf, new_target),
            ("unseen", new_tf, new_target),
        ):
            here = rows[a] & columns[b]
            if here.any():
                i, t = (np.cumsum(x)[c[here]] - 1 for x, c in ((rows, a), (columns, b)))
                some = factors.take(np.flatnonzero(rows)), others.take(np.flatnonzero(columns))
                out[here] = _over_targets(i, t, *some, partial(function, kind), width)
        return out

    def _logit(self, kind: str, tfs: Side, targets: Side, i: np.ndarray, t: np.ndarray) -> np.ndarray:
        stack = self._stack(kind)
        out = np.full((len(tfs.names), len(targets.names)), stack.base - stack.weight @ stack.mean)
        for name, weight in zip(stack.names, stack.weight, strict=True):
            if weight > 0:
                out += weight * self._term(name, self._terms, tfs, targets)
        return out[i, t][:, None]

    def _by_source(self, kind: str, tfs: Side, targets: Side, i: np.ndarray, t: np.ndarray) -> np.ndarray:
        stack = self._stack(kind)
        out = np.zeros((len(i), 1 + len(EVIDENCE)))
        out[:, 0] = stack.base
        for name, weight, mean in zip(stack.names, stack.weight, stack.mean, strict=True):
            column = 1 + next(k for k, names in enumerate(EVIDENCE.values()) if name in names)
            if weight > 0:
                out[:, column] += weight * (_pick(self._term(name, self._terms, tfs, targets), i, t) - mean)
        return out


def _names_of(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the code of each row and the different names as text: millions of pairs hold few names."""
    code, names = pd.factorize(column.to_numpy(dtype=object), use_na_sentinel=False)
    return code, np.array([str(n) for n in names], dtype=object)


def _pick(block: np.ndarray, i: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the values of pairs in a block of which one side may be 1 long."""
    return block[i if block.shape[0] > 1 else 0, t if block.shape[1] > 1 else 0] + np.zeros(len(i))


def _over_targets(
    i: np.ndarray, t: np.ndarray, tfs: Side, targets: Side, function: Callable[..., np.ndarray], width: int
) -> np.ndarray:
    """Apply a function of factors, a block of targets and the pairs (i, t) in it to all blocks, (n_pairs, width)."""
    out = np.empty((len(i), width))
    order = np.argsort(t, kind="stable")
    starts = np.arange(0, len(targets.names), STEP)
    ends = np.searchsorted(t[order], np.append(starts, len(targets.names)))
    for start, low, high in zip(starts.tolist(), ends[:-1], ends[1:], strict=True):
        block = targets.take(np.arange(start, min(start + STEP, len(targets.names))))
        rows = order[low:high]
        out[rows] = function(tfs, block, i[rows], t[rows] - start)
    return out
