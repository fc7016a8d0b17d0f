"""Perturbed cells as judges of networks: do the targets of a factor move where it is perturbed?"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import listed
from scgnn_tools._errors import InputValueError
from scgnn_tools.grn.evidence import correlations
from scgnn_tools.grn.response import LEAST_TARGETS, Regulons, response

TARGETS, SHARE = 50, 0.1
"""Best targets of a factor that are looked at, and the share of the genes that they are at most."""

COEXPRESSION = "pcc"


class PerturbedFactors:
    """The cells in which factors of networks were perturbed, and control cells, with genes by symbol.

    Parameters
    ----------
    x, genes
        Log-normalised cells, (n_cells, n_genes), and the names of the genes.
    control
        Rows of the control cells.
    perturbed
        Gene -> rows of the cells in which it was perturbed alone.
    where
        What says so, for messages.
    to_symbol
        From names to the symbols that the networks have.
    tables
        Networks: ``tf``, ``target``, ``score``, by name.
    """

    def __init__(
        self, x: sp.csr_array, genes: np.ndarray, control: np.ndarray, perturbed: Mapping[str, np.ndarray], *, where: str,
        to_symbol: Callable[[Iterable[object]], np.ndarray], tables: Mapping[str, pd.DataFrame],
    ) -> None:  # fmt: skip
        symbols = pd.Index(to_symbol(genes))
        first = np.flatnonzero(~symbols.duplicated())
        self._genes, self._x, self._control = symbols[first], sp.csr_array(x[:, first]), control
        cells = dict(zip(to_symbol(perturbed), perturbed.values(), strict=True))
        self._factors = pd.Index(np.unique(np.concatenate([t["tf"].to_numpy(dtype=object) for t in tables.values()])))
        self._perturbed = {int(self._factors.get_loc(s)): rows for s, rows in cells.items() if s in self._factors}
        if not self._perturbed:
            msg = (
                f"None of the {len(perturbed)} genes that {where} says were perturbed alone ({listed(sorted(map(str, perturbed))[:5])}) "
                "is a factor of the network."
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
