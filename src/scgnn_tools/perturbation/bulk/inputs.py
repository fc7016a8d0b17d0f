"""Knock-out experiments out of an AnnData: bulk samples with their roles, or a table of fold changes; checked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import number, text
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._log import as_text, printable
from scgnn_tools.genes import gene_names, match
from scgnn_tools.genes.match import spelled_as
from scgnn_tools.perturbation.bulk.fold_changes import of_fold_changes
from scgnn_tools.perturbation.bulk.read import matrix
from scgnn_tools.perturbation.bulk.samples import of_samples

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Bulk:
    """Experiments as arrays.

    Attributes
    ----------
    names, target, study
        Of each, object (n,).
    control, change
        log1p of the control (None where unknown) and natural log ratio, float64 (n, n_genes).
    expressed
        Whether a gene is expressed enough to count, bool (n, n_genes).
    genes
        Names of the columns.
    halves
        Changes of two halves of the replicates, NaN for an experiment that has none; None where no experiment has.
    organism
        Of the genes.
    params
        What was found and chosen.
    """

    names: np.ndarray
    target: np.ndarray
    study: np.ndarray
    control: np.ndarray | None
    change: np.ndarray
    expressed: np.ndarray
    genes: np.ndarray
    halves: tuple[np.ndarray, np.ndarray] | None
    organism: str
    params: dict[str, Any]


def bulk(
    adata: "AnnData",
    *,
    target_key: str,
    pair_key: str,
    role_key: str,
    control: str,
    study_key: str,
    pseudocount: float,
    min_expression: float | None,
    layer: str | None,
    gene_key: str | None,
) -> Bulk:
    """Read the experiments: samples where ``obs`` has a column of roles, else fold changes."""
    for name, value in {"role_key": role_key, "control": control, "study_key": study_key}.items():
        text(name, value, or_none=name != "control")
    text("layer", layer, or_none=True)
    pseudocount = number("pseudocount", pseudocount, above=0)
    min_expression = number("min_expression", min_expression, least=0, or_none=True)
    names = as_text(gene_names(adata.var, gene_key=gene_key))
    organism = _checked_genes(names)
    x = matrix(adata, layer)
    how: dict[str, Any] = {
        "target_key": target_key,
        "role_key": role_key,
        "study_key": study_key,
        "min_expression": min_expression,
    }
    if role_key in adata.obs:
        found = of_samples(adata, x, pair_key=pair_key, control=control, pseudocount=pseudocount, **how)
    else:
        found = of_fold_changes(adata, x, **how)
    out = Bulk(**found, genes=names, organism=organism)
    if not out.expressed.any():
        msg = (
            f"No gene of any experiment counts as expressed: control and knock-out together are below {out.params['min_expression']:g} "
            "everywhere. Lower min_expression=, or pass layer= for another matrix."
        )
        raise InputValueError(msg)
    _say_of_targets(out)
    return out


def _checked_genes(names: np.ndarray) -> str:
    unique, counts = np.unique(names, return_counts=True)
    if (counts > 1).any():
        msg = f"{int((counts > 1).sum())} symbols stand more than once ({printable(unique[counts > 1][0])}, …). Keep one of each."
        raise InputValueError(msg)
    found = match(names, unique)
    if found.mixed:
        msg = "The genes are of human and mouse; experiments of one organism are wanted. Map one onto the orthologs of the other."
        raise InputValueError(msg)
    return found.organism


def _say_of_targets(found: Bulk) -> None:
    """Note how many targets are measured, and of those fall in their own knock-out; warn where many do not."""
    genes = spelled_as(found.genes, found.target, organism=found.organism)
    at = pd.Series(np.arange(len(genes)), index=genes).reindex(found.target).to_numpy()
    there = np.flatnonzero(np.isfinite(at))
    falls = found.change[there, at[there].astype(np.int64)] < 0
    found.params.update(n_target_measured=len(there), n_target_falls=int(falls.sum()))
    if len(there) and falls.mean() < 0.5:
        msg = (
            f"The target itself falls in {int(falls.sum())} of the {len(there)} experiments that measure it. "
            "Are control and knock-out the right way round?"
        )
        warn(msg)
