"""How much of a number lies between groups of cells?"""

import numpy as np

from scgnn_tools._doors import door_of_arrays


@door_of_arrays
def eta2(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the share of each column's variance that lies between groups, (n_columns,).

    Parameters
    ----------
    values
        (n_cells, n_columns).
    codes
        Group of each cell, (n_cells,); cells with code -1 are left out.

    Examples
    --------
    How much of each dimension differs between the types of cells:

    >>> share = sgt.metrics.eta2(adata.obsm["X_cgc-mini"], adata.obs["cell_type"].cat.codes.to_numpy())
    >>> share.shape
    (128,)
    """
    kept = codes >= 0
    group, size = np.unique(codes[kept], return_inverse=True, return_counts=True)[1:]
    between, total = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for j in range(values.shape[1]):  # a column at a time in double precision
        centred = values[kept, j].astype(np.float64)
        centred -= centred.mean()
        between[j] = (np.bincount(group, weights=centred) ** 2 / size).sum()
        total[j] = (centred**2).sum()
    return np.divide(between, total, out=np.zeros_like(total), where=total > 0)
