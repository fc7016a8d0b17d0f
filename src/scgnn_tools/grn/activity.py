"""How active transcription factors are in cells, by their targets, through decoupler: in parts, and the same for any order of genes."""

import importlib
import warnings
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import GraphError, InputValueError, MissingExtraError
from scgnn_tools.data import CHUNK

ACROSS_CELLS = ("gsva",)
"""Methods that compare cells; of the others each cell stands for itself."""

METHODS = ("ulm", "mlm", "waggr", "zscore", "viper", "aucell", "udt", "mdt", "gsva", "gsea", "ora")


def activity(
    decoupler: Any, x: Any, genes: pd.Index, net: pd.DataFrame, method: str, min_targets: int
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the activities (n_cells, n_factors), and adjusted p-values or None, of log-normalised expression (n_cells, n_genes)."""
    import anndata as ad
    import scipy.sparse as sp

    first = ~genes.duplicated()
    names = pd.RangeIndex(x.shape[0]).astype(str)
    # a cell without expression is left out and gets 0: decoupler would leave it out of the answer
    full = np.flatnonzero(np.diff(sp.csr_array(x).indptr) > 0)
    if not len(full):
        msg = "No cell expresses any gene: there is no activity to score. Pass layer= for another matrix."
        raise InputValueError(msg)
    if method == "gsva":  # it ranks each gene over the cells: a constant one has no rank
        first = first & _varies(sp.csc_array(sp.csr_array(x)[full]))
        net = net[net["target"].isin(genes[first])]
        if net.groupby("source").size().max() < min_targets or net.empty:
            msg = f"No factor has {min_targets} targets that differ between cells, which gsva needs. Lower min_targets, or use ulm."
            raise GraphError(msg)
    at = np.flatnonzero(first)
    # by name: some methods of decoupler break ties by the order of the genes
    at = at[np.argsort(genes[at].to_numpy(str), kind="stable")]
    size, parts = len(full) if method in ACROSS_CELLS else CHUNK, []
    for start in range(0, len(full), size):  # decoupler makes the whole matrix dense
        here = full[start : start + size]
        some = sp.csr_matrix(sp.csr_array(x)[here][:, at])
        cells = ad.AnnData(some, obs=pd.DataFrame(index=names[here]), var=pd.DataFrame(index=genes[at]))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numba and pandas talk inside
                result = getattr(decoupler.mt, method)(cells, net, tmin=min_targets, empty=False, verbose=False)
        except ImportError as error:
            msg = f"{method} needs another package: {error}"
            raise MissingExtraError(msg) from error
        except np.linalg.LinAlgError as error:  # mlm inverts the targets of all factors at once
            msg = f"{method} cannot tell apart factors whose targets have the same weights. Take method='ulm', which scores each alone."
            raise GraphError(msg) from error
        found = result if result is not None else (_found(cells, "score"), _found(cells, "padj"))
        parts.append([None if table is None else table.astype(np.float32) for table in found])
    scores, adjusted = zip(*parts, strict=True)
    whole = None if adjusted[0] is None else pd.concat(adjusted).reindex(names).fillna(1.0)
    return pd.concat(scores).reindex(names).fillna(0.0), whole


def _varies(x: Any) -> Any:
    """Return which columns of a matrix are not constant, bool (n_genes,)."""
    return (x.max(axis=0).toarray() > x.min(axis=0).toarray()).ravel()


def _found(cells: Any, kind: str) -> Any:
    return next((cells.obsm[k] for k in cells.obsm if k.startswith(f"{kind}_")), None)


def with_decoupler() -> Any:
    """Return decoupler; say what to install where it is not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("decoupler")
    except ImportError as error:
        msg = "tf_activity needs decoupler, which is not installed. Run: pip install 'scgnn_tools[activity]'"
        raise MissingExtraError(msg) from error
