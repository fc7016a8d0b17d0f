"""The result of a match: where each gene went, and the report of it."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import GeneMatchError, SgtWarning
from scgnn_tools._log import printable
from scgnn_tools.genes.ids import looks_like

REFUSE, WARN = 0.20, 0.70
KINDS = ("exact", "ensembl", "version", "symbol", "alias", "date", "case", "ortholog")


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
        "exact", "ensembl", "version", "symbol", "alias", "date", "case", "ortholog" or "lost", shape (n_vars,).
    organism
        Organism of the data.
    """

    names: np.ndarray
    vocabulary: np.ndarray
    index: np.ndarray
    how: np.ndarray
    organism: str

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
        out: dict[str, Any] = {
            "n_genes": len(self.names),
            "n_matched": int(self.matched.sum()),
            "share_matched": float(self.matched.mean()),
            "n_lost": int((~self.matched).sum()),
        }
        out |= {f"n_{kind}": int((self.how == kind).sum()) for kind in KINDS}
        twice = self.duplicates()
        out |= {
            "n_duplicate": len(twice),
            "duplicates": ", ".join(map(printable, twice[:5])),
            "organism": self.organism,
            "looks_like": looks_like(pd.Index(self.names)),
        }
        if weights is not None:
            total = float(weights.sum())
            out["share_counts_lost"] = float(weights[~self.matched].sum() / total) if total > 0 else 0.0
        return out

    def table(self) -> pd.DataFrame:
        """Return one row a gene of the data: ``name``, ``matched`` (gene of the vocabulary or ""), ``how``."""
        matched = np.where(self.matched, self.vocabulary[self.index], "")
        return pd.DataFrame({"name": self.names, "matched": matched, "how": self.how})

    def check(
        self, model: str, *, weights: np.ndarray | None = None, by_counts: bool = False, stacklevel: int = 2
    ) -> None:
        """Raise if fewer than 20 % of the genes were found, warn under 70 % and where genes went through orthologs.

        ``by_counts`` takes the share of ``weights`` that was found in place of the share of the genes: whole-genome tables list
        thousands of genes that no cell expresses.
        """
        s = self.summary(weights)
        share = 1 - s["share_counts_lost"] if by_counts else s["share_matched"]
        counts = f", {1 - s['share_counts_lost']:.0%} of the counts" if weights is not None else ""
        seen = f"Matched {s['n_matched']:,} of {s['n_genes']:,} genes ({s['share_matched']:.1%}){counts}."
        lost = ", ".join(map(printable, self.names[~self.matched][:3]))
        wanted = "Ensembl ids" if looks_like(pd.Index(self.vocabulary[:1000])).endswith("Ensembl ids") else "symbols"
        looks = f"The names look like {s['looks_like']} (not found: {lost}); model {printable(model)!r} is keyed by human {wanted}."
        if s["looks_like"].startswith("mouse Ensembl"):
            looks += " Mouse Ensembl ids are not in the bundled tables: give mouse symbols."
        todo = f"Pass gene_key='<column of var with {wanted}>', or run sgt.pp.match_genes(adata) to see the report."
        if share < REFUSE:
            msg = f"{seen} {looks} {todo}"
            raise GeneMatchError(msg)
        if share < WARN:
            warnings.warn(f"{seen} {looks} {todo}", SgtWarning, stacklevel=stacklevel + 1)
        elif s["n_ortholog"]:
            msg = (
                f"{self.organism.capitalize()} genes, model of another organism: {s['n_ortholog']:,} of {s['n_genes']:,} go "
                f"through one-to-one orthologs, {s['n_lost']:,} are lost. Pass organism= to force the organism."
            )
            warnings.warn(msg, SgtWarning, stacklevel=stacklevel + 1)
