"""How alike perturbed genes are by what is known of them, not by these cells: one kernel a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._html import boxed
from scgnn_tools.data.conditions import Condition, dose_of, gene_of
from scgnn_tools.genes import gene_ontology, match, prior

DECADES = 1.0
"""Of a dose: at ten times more or less a drug is like itself by exp(-1/2)."""


@dataclass(frozen=True)
class Relations:
    """How alike perturbed genes are, by each source of knowledge.

    Attributes
    ----------
    genes
        Names as in the conditions, object (n,), sorted.
    kernels
        By source: positive semidefinite, 1 on the diagonal, float64 (n, n).
    known
        By source: which genes it knows, bool (n,).

    Examples
    --------
    >>> known = sgt.perturbation.relations([("STAT1",), ("IRF1",), ("LYZ",)], ["go"])
    >>> known.genes.tolist()
    ['IRF1', 'LYZ', 'STAT1']
    >>> known.kernels["go"].shape
    (3, 3)
    """

    genes: np.ndarray
    kernels: dict[str, np.ndarray]
    known: dict[str, np.ndarray]

    def __repr__(self) -> str:
        knows = ", ".join(f"{source} knows {int(known.sum()):,}" for source, known in self.known.items())
        return f"Relations({len(self.genes):,} genes{'; ' if knows else ''}{knows})"

    def _repr_html_(self) -> str:
        knows = {f"known to {source}": int(known.sum()) for source, known in self.known.items()}
        return boxed("Relations of perturbed genes", {"genes": len(self.genes), **knows})

    def between(self, one: Sequence[Condition], other: Sequence[Condition], kernel: np.ndarray) -> np.ndarray:
        """Return a kernel of conditions, the sum over their genes: what two genes do together is what each does, added."""
        return self._members(one) @ kernel @ self._members(other).T

    def identity(self) -> np.ndarray:
        """Return the kernel of those who know nothing: a gene is like itself, less so at another dose."""
        plain, column = np.unique([gene_of(g) for g in self.genes], return_inverse=True)
        return _at_doses(np.eye(len(plain)), column, self.genes)

    def _members(self, conditions: Sequence[Condition]) -> np.ndarray:
        at = {g: i for i, g in enumerate(self.genes)}
        out = np.zeros((len(conditions), len(self.genes)))
        for row, condition in enumerate(conditions):
            out[row, [at[g] for g in condition]] = 1
        return out


@door_of_arrays
def relations(
    conditions: Sequence[Condition],
    sources: Sequence[str],
    *,
    organism: str = "human",
    vectors: "dict[str, pd.DataFrame] | None" = None,
) -> Relations:
    """Return how alike the genes of some conditions are.

    A gene (or drug) at a dose, "A@10", is as like another one as "A" is, times a normal curve of the decades between the two doses.

    Parameters
    ----------
    conditions
        Of training and test.
    sources
        "go": sets of the Gene Ontology; "prior": regulators and targets in the bundled TRRUST network; names of ``vectors``.
    organism
        Of the gene names.
    vectors
        By name: a row a gene, named by the index; genes that it lacks are unknown to it.

    Examples
    --------
    Are two genes in the same sets of the Gene Ontology?

    >>> known = sgt.perturbation.relations([("STAT1",), ("IRF1",)], ["go", "prior"])
    >>> sorted(known.kernels)
    ['go', 'prior']
    """
    genes = np.array(sorted({g for c in conditions for g in c}), dtype=object)
    plain, column = np.unique(np.array([gene_of(g) for g in genes], dtype=object), return_inverse=True)
    kernels, known = {}, {}
    for source in sources:
        if vectors is not None and source in vectors:
            kernel, there = _cosine(_rows_of(plain, vectors[source], organism))
        else:
            kernel, there = _shared_sets(plain, source, organism)
        kernels[source], known[source] = _at_doses(kernel, column, genes), there[column]
    return Relations(genes, kernels, known)


def _at_doses(kernel: np.ndarray, column: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Return the kernel of genes at doses from that of genes; ``column`` says which gene each name is."""
    log = np.array([np.nan if (d := dose_of(n)) is None else np.log10(d) for n in names], dtype=np.float64)
    apart = np.nan_to_num(log[:, None] - log) / DECADES
    return kernel[np.ix_(column, column)] * np.exp(-(apart**2) / 2)


@cache
def _sets(source: str, organism: str) -> tuple[np.ndarray, sp.csr_array]:
    """Return genes and the sets that each is in, small sets counting for more: weight log(genes / size), CSR (n_genes, n_sets)."""
    sets = gene_ontology().rename(columns={"term": "set"}) if source == "go" else _prior_sets(organism)
    words, gene = np.unique(sets["gene"].to_numpy(dtype=object), return_inverse=True)
    names, column = np.unique(sets["set"].to_numpy(dtype=object), return_inverse=True)
    weight = np.log(len(words) / np.bincount(column, minlength=len(names)))
    return words, sp.csr_array((weight[column], (gene, column)), shape=(len(words), len(names)))


def _prior_sets(organism: str) -> pd.DataFrame:
    """Return for each gene the factors that it is a target of and the targets that it has, as sets."""
    edges = prior(organism=organism)
    of_target = pd.DataFrame({"set": "of " + edges["source"], "gene": edges["target"]})
    of_source = pd.DataFrame({"set": "on " + edges["target"], "gene": edges["source"]})
    return pd.concat([of_target, of_source], ignore_index=True)


def _shared_sets(genes: np.ndarray, source: str, organism: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine of genes over the sets that they are in."""
    if not len(genes):
        return _cosine(np.zeros((0, 1)))
    of = organism if source == "prior" else "human"
    words, table = _sets(source, of)
    at = match(genes, words, organism=organism, vocabulary_organism=of).index
    return _cosine(np.asarray(table[np.maximum(at, 0)].todense()) * (at >= 0)[:, None])


def _rows_of(genes: np.ndarray, vectors: pd.DataFrame, organism: str) -> np.ndarray:
    at = match(
        genes, vectors.index.to_numpy(dtype=object), organism=organism, vocabulary_organism=_of(vectors, organism)
    ).index
    return vectors.to_numpy(dtype=np.float64)[np.maximum(at, 0)] * (at >= 0)[:, None]


def _of(vectors: pd.DataFrame, organism: str) -> str:
    return str(vectors.attrs.get("organism", organism))


def _cosine(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = np.linalg.norm(rows, axis=1)
    known = length > 0
    unit = rows / np.where(known, length, 1)[:, None]
    kernel = unit @ unit.T
    np.fill_diagonal(kernel, 1)
    return kernel, known
