"""What the figures of perturbations and knock-outs share: the result in ``uns``, and a bar a method."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import MissingKeyError
from scgnn_tools._fields import held
from scgnn_tools._keys import PerturbationKeys
from scgnn_tools.pl import _style as style

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes


def result(adata: "AnnData", key: str, needs: Mapping[str, str], what: str, call: str) -> Mapping[str, Any]:
    """Return the entry of ``uns`` that holds what a figure needs: names of tables, and a column or part of each."""
    tables = held(adata, PerturbationKeys(key).uns)
    if any(not isinstance(tables.get(n), pd.DataFrame | Mapping) or part not in tables[n] for n, part in needs.items()):
        msg = f"uns[{key!r}] holds no {what}. Run {call}, key_added={key!r}) first."
        raise MissingKeyError(msg)
    return tables


def bars(ax: "Axes", table: pd.DataFrame, metric: str, own: str) -> tuple[pd.DataFrame, pd.Series]:
    """Draw a bar with its interval for each method, the best on top; return the rows in this order, and the ceiling."""
    is_ceiling = table["kind"] == "ceiling"
    rows = table[~is_ceiling].sort_values(metric)
    value = rows[metric].to_numpy()
    errors = np.abs(rows[[f"{metric}_low", f"{metric}_high"]].to_numpy().T - value)
    colours = [style.UP if n == own else style.TARGET for n in rows.index]
    ax.barh(np.arange(len(rows)), value, xerr=errors, color=colours, height=0.6, error_kw={"lw": 0.8})
    return rows, table.loc[is_ceiling, metric]
