"""The result of a match: where each gene went, and the report of it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import GeneMatchError, warn
from scgnn_tools._log import printable
from scgnn_tools.genes.ids import advice, looks_like
from scgnn_tools.genes.names import best_column

REFUSE, WARN = 0.20, 0.70
KINDS = ("exact", "ensembl", "version", "symbol", "alias", "date", "case", "ortholog", "other")


@dataclass(frozen=True)
class GeneMatch:
    """Where each gene of the data is in a vocabulary.

    Attributes
    ----------
    names
        Genes of the data, shape (n_vars,).
    vocabulary
        Genes of the model, shape (n_vocabulary,).
    index
        Position of each gene in the vocabulary, -1 if lost, int32, shape (n_vars,).
    how
        "exact", "ensembl", "version", "symbol", "alias", "date", "case", "ortholog", "lost" or "other" (organism), shape (n_vars,).
    organism
        Organism of the data.
    mixed
        Whether the data hold genes of two organisms and nobody said which to use.

    Examples
    --------
    >>> found = sgt.genes.match(np.array(["CD3D", "NOT_A_GENE"]), np.array(["CD3D", "LYZ"]))
    >>> found.how.tolist()
    ['exact', 'lost']
    >>> found.table().columns.tolist()
    ['name', 'matched', 'how']
    """

    names: np.ndarray
    vocabulary: np.ndarray
    index: np.ndarray
    how: np.ndarray
    organism: str
    mixed: bool = False

    @property
    def foreign(self) -> np.ndarray:
        """Whether each gene is of another organism than the one that is used, shape (n_vars,)."""
        return self.how == "other"

    def only(self, keep: np.ndarray) -> "GeneMatch":
        """Return the match of some of the genes of the data."""
        return replace(self, names=self.names[keep], index=self.index[keep], how=self.how[keep])

    @property
    def matched(self) -> np.ndarray:
        """Whether each gene was found, shape (n_vars,)."""
        return self.index >= 0

    def projection(self) -> sp.csr_array:
        """Return the 0/1 matrix from the data's genes to the vocabulary, (n_vars, n_vocabulary); duplicates sum."""
        rows = np.flatnonzero(self.matched)
        shape = (len(self.names), len(self.vocabulary))
        return sp.csr_array((np.ones(len(rows), dtype=np.float32), (rows, self.index[rows])), shape=shape)

    def duplicates(self) -> np.ndarray:
        """Return the genes of the vocabulary that more than one gene of the data leads to."""
        found, times = np.unique(self.index[self.matched], return_counts=True)
        return self.vocabulary[found[times > 1]]

    def summary(self, weights: np.ndarray | None = None) -> dict[str, Any]:
        """Return the report as plain numbers and words.

        Parameters
        ----------
        weights
            Sum of each gene over the cells, shape (n_vars,), for the share of the counts that is lost.
        """
        twice = self.duplicates()
        out = self._counts()
        out |= {
            "n_duplicate": len(twice),
            "duplicates": ", ".join(map(printable, twice[:5])),
            "organism": self.organism,
            "looks_like": self._looks_like(),
        }
        return out if weights is None else out | {"share_counts_lost": self._share_lost(weights)}

    def _counts(self) -> dict[str, Any]:
        """Return how many genes were found, and how."""
        out = {
            "n_genes": len(self.names),
            "n_matched": int(self.matched.sum()),
            "share_matched": float(self.matched.mean()),
            "n_lost": int((~self.matched).sum()),
        }
        return out | {f"n_{kind}": int((self.how == kind).sum()) for kind in KINDS}

    def _share_lost(self, weights: np.ndarray) -> float:
        total = float(weights.sum())
        return float(weights[~self.matched].sum() / total) if total > 0 else 0.0

    def _looks_like(self) -> str:
        return looks_like(pd.Index(self.names))

    def table(self) -> pd.DataFrame:
        """Return one row a gene of the data: ``name``, ``matched`` (gene of the vocabulary or ""), ``how``."""
        matched = np.where(self.matched, self.vocabulary[self.index], "")
        return pd.DataFrame({"name": self.names, "matched": matched, "how": self.how})

    def check(
        self,
        model: str,
        *,
        weights: np.ndarray | None = None,
        by_counts: bool = False,
        var: pd.DataFrame | None = None,
    ) -> None:
        """Raise if fewer than 20 % of the genes were found, warn under 70 % and where genes went through orthologs or another case.

        Parameters
        ----------
        model
            Its name, for the message.
        weights
            Sum of each gene over the cells, shape (n_vars,). Where the counts are found nobody is told of the genes: whole-genome
            tables list thousands of genes that no cell expresses.
        by_counts
            Take the share of ``weights`` alone, and not the share of the genes where that is the larger.
        var
            Table of the genes, in which the message looks for a column that fits better.

        Raises
        ------
        GeneMatchError
            Also if the object holds genes of two organisms and none was asked for.
        """
        if self.mixed:
            raise GeneMatchError(self._two_organisms(self._counts()))
        if self.foreign.any():  # left out because the user asked for the other organism: they are not missing
            own = ~self.foreign
            weights, var = (None if part is None else part[own] for part in (weights, var))
            self.only(own).check(model, weights=weights, by_counts=by_counts, var=var)
            return
        s = self._counts()
        found = s["share_matched"]
        of_counts = None if weights is None else 1 - self._share_lost(weights)
        if of_counts is not None:
            found = of_counts if by_counts else max(found, of_counts)
        if found < WARN:
            msg = self._few(model, s, of_counts, var)
            if found < REFUSE:
                raise GeneMatchError(msg)
            warn(msg)
        elif s["n_ortholog"]:
            msg = (
                f"{self.organism.capitalize()} genes, model of another organism: {s['n_ortholog']:,} of {s['n_genes']:,} go "
                f"through one-to-one orthologs, {s['n_lost']:,} are lost. Pass organism= to force the organism."
            )
            warn(msg)
        elif s["n_case"] > 0.5 * s["n_matched"]:
            msg = (
                f"{s['n_case']:,} of {s['n_genes']:,} genes ({printable(self.names[self.how == 'case'][0])}, …) match {self.organism} "
                "symbols only when upper and lower case are ignored. If they are of a fish or a frog, map them to orthologs first."
            )
            warn(msg)

    def _two_organisms(self, s: dict[str, Any]) -> str:
        of_other = ", ".join(map(printable, self.names[self.foreign][:3]))
        own = ", ".join(map(printable, self.names[self.matched][:3]))
        second = "human" if self.organism == "mouse" else "mouse"
        return (
            f"The object holds genes of two organisms: {s['n_other']:,} of {s['n_genes']:,} are {second} genes ({of_other}, …) beside "
            f"{self.organism} ones ({own}, …). Pass organism='human' or organism='mouse' to use the genes of one; those of the other are "
            "left out."
        )

    def _few(self, model: str, s: dict[str, Any], of_counts: float | None, var: pd.DataFrame | None) -> str:
        counts = "" if of_counts is None else f", {of_counts:.0%} of the counts"
        own = self._looks_like()
        seen = f"Matched {s['n_matched']:,} of {s['n_genes']:,} genes ({s['share_matched']:.1%}){counts}."
        lost = ", ".join(map(printable, self.names[~self.matched][:3]))
        wanted = "Ensembl ids" if looks_like(pd.Index(self.vocabulary[:1000])).endswith("Ensembl ids") else "symbols"
        looks = f"The names look like {own} (not found: {lost}); model {printable(model)!r} is keyed by human {wanted}."
        better = None if var is None else best_column(var, than=max(0.5, s["share_matched"]))
        if better is not None:
            return f"{seen} {looks} var[{printable(better)!r}] holds names that are known: pass gene_key={printable(better)!r}."
        todo = advice(own)
        if todo:
            return f"{seen} {looks} {todo} A column of var with human or mouse symbols can be passed as gene_key=."
        see = "" if s["share_matched"] < REFUSE else ", or run sgt.pp.match_genes(adata) to see the report"
        return f"{seen} {looks} Pass gene_key='<column of var with {wanted}>'{see}."
