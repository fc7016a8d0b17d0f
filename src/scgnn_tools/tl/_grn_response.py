"""Perturbed cells of an AnnData as judges of networks: do the targets of a factor move where it is perturbed?"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import listed
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.grn.evidence import correlations
from scgnn_tools.grn.response import LEAST_TARGETS, Regulons, response
from scgnn_tools.perturbation.inputs import CONTROL, Screen, screen

if TYPE_CHECKING:
    from anndata import AnnData

TARGETS, SHARE = 50, 0.1
"""Best targets of a factor that are looked at, and the share of the genes that they are at most."""

COEXPRESSION = "pcc"


class Perturbed:
    """The perturbed and the control cells of an object, with genes by symbol.

    Parameters
    ----------
    adata, perturbation_key, control, gene_key
        As :func:`scgnn_tools.perturbation.inputs.screen` takes them.
    to_symbol
        From names to the symbols that the networks have.
    tables
        Networks: ``tf``, ``target``, ``score``, by name.
    """

    def __init__(
        self, adata: "AnnData", perturbation_key: str, control: str, gene_key: Any,
        to_symbol: Callable[[Iterable[object]], np.ndarray], tables: Mapping[str, pd.DataFrame],
    ) -> None:  # fmt: skip
        found: Screen = screen(adata, perturbation_key, control=control, gene_key=gene_key)
        symbols = pd.Index(to_symbol(found.genes))
        self._first = np.flatnonzero(~symbols.duplicated())
        self._genes, self._x = symbols[self._first], sp.csr_array(found.expression[:, self._first])
        self._control = np.flatnonzero(found.condition == CONTROL)
        alone = {c[0]: k for k, c in enumerate(found.conditions) if len(c) == 1}
        cells = {s: np.flatnonzero(found.condition == k) for s, k in zip(to_symbol(alone), alone.values(), strict=True)}
        factors = np.unique(np.concatenate([t["tf"].to_numpy(dtype=object) for t in tables.values()]))
        self._factors = pd.Index(factors)
        self._perturbed = {int(self._factors.get_loc(s)): rows for s, rows in cells.items() if s in self._factors}
        if not self._perturbed:
            msg = (
                f"None of the {len(alone)} genes that obs[{printable(repr(perturbation_key))}] says were perturbed alone "
                f"({listed(sorted(map(str, alone))[:5])}) is a factor of the network."
            )
            raise InputValueError(msg)
        self._tables = tables

    def judge(self, *, rng: int) -> tuple[pd.DataFrame, str]:
        """Return :func:`scgnn_tools.grn.response.response` of the networks and of co-expression, and what it says in words."""
        own = self._genes.get_indexer(self._factors)
        most = max(LEAST_TARGETS, min(TARGETS, int(SHARE * len(self._genes))))
        networks = {n: self._regulons(t, most) for n, t in self._tables.items()}
        networks[COEXPRESSION] = self._coexpressed(own, most)
        table = response(self._x, self._control, self._perturbed, own, networks, rng=rng)
        table["factor"] = self._factors[table["factor"].to_numpy(dtype=np.int64)].to_numpy(dtype=object)
        return table, _said(table)

    def _regulons(self, edges: pd.DataFrame, most: int) -> Regulons:
        here = edges.assign(column=self._genes.get_indexer(edges["target"]))
        here = here[(here["column"] >= 0) & (here["tf"] != here["target"])]
        here = here.sort_values("score", ascending=False, kind="stable").groupby("tf", sort=False).head(most)
        return Regulons(self._factors.get_indexer(here["tf"]), here["column"].to_numpy(dtype=np.int64))

    def _coexpressed(self, own: np.ndarray, most: int) -> Regulons:
        """Return the genes that go with each measured factor in control cells; also of those that nobody perturbed, to be rewired with."""
        factors = np.flatnonzero(own >= 0)
        if not len(factors):
            return Regulons(factors, factors)
        r = np.abs(correlations(self._x[self._control], own[factors], np.arange(len(self._genes))))
        r[np.arange(len(factors)), own[factors]] = -1
        return Regulons(np.repeat(factors, most), np.argsort(-r, axis=1, kind="stable")[:, :most].ravel())


def _said(table: pd.DataFrame) -> str:
    if table.empty:
        return f"perturbed cells: no perturbed factor has {LEAST_TARGETS} targets among the genes"
    parts = [f"{name} {t['auroc'].mean():.3f} ({_rewired(t)})" for name, t in table.groupby("network", sort=False)]
    told = (
        "perturbed cells: how often a target moves further than another gene of like expression (AUROC, chance 0.5): "
    )
    return told + ", ".join(parts)


def _rewired(part: pd.DataFrame) -> str:
    if part["p"].isna().all():
        return "one factor, which cannot be rewired"
    return (
        f"rewired {part['rewired'].mean():.3f}; {int((part['p'] < 0.05).sum())} of {len(part)} factors above, p < 0.05"
    )
