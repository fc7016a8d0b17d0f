"""How much of a number lies between groups of cells?"""

import numpy as np


def eta2(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the share of each column's variance that lies between groups, (n_columns,).

    Parameters
    ----------
    values
        (n_cells, n_columns).
    codes
        Group of each cell, (n_cells,); cells with code -1 are left out.
    """
    values, codes = values[codes >= 0].astype(np.float64), codes[codes >= 0]
    centred = values - values.mean(axis=0)
    between = np.zeros(values.shape[1])
    for code in np.unique(codes):
        here = centred[codes == code]
        between += len(here) * here.mean(axis=0) ** 2
    total = (centred**2).sum(axis=0)
    return np.divide(between, total, out=np.zeros_like(total), where=total > 0)
