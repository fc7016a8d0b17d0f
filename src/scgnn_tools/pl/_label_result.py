"""What the figures of annotation look for in an AnnData."""

from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._columns import column_of
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._keys import UNKNOWN, LabelKeys
from scgnn_tools.pl import _style as style

if TYPE_CHECKING:
    from anndata import AnnData


def result(adata: "AnnData", key: str, *, needs: str | None = None) -> dict[str, Any]:
    """Return what :func:`scgnn_tools.tl.annotate` wrote of itself; ``needs`` is a table that must not be empty.

    Raises
    ------
    MissingKeyError
        If it is not there.
    """
    keys = LabelKeys(key)
    if keys.obs not in adata.obs or keys.uns not in adata.uns:
        msg = f"obs[{key!r}] holds no annotation. Run sgt.tl.annotate(adata, key_added={key!r}) first."
        raise MissingKeyError(msg)
    entry = adata.uns[keys.uns]
    if needs is not None and (needs not in entry or entry[needs].to_numpy().sum() == 0):
        msg = (
            f"uns[{key!r}] holds no {needs}: there were too few labelled cells to hold any out. "
            "Label more cells, or pass labels_key= with true labels of these cells."
        )
        raise MissingKeyError(msg)
    return entry


def labelled(adata: "AnnData", key: str, labels_key: str, *, rejected: bool = False) -> np.ndarray:
    """Return which cells have a true label and a predicted one, with ``rejected`` those called Unknown too, bool (n_obs,)."""
    known, said = (
        style.named(column_of(adata.obs, labels_key, "labels_key")),
        style.named(adata.obs[LabelKeys(key).obs]),
    )
    return ~np.isin(known, [UNKNOWN, ""]) & (rejected | (said != UNKNOWN))
