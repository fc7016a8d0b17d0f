"""``tl.regulons``: a network in the form that decoupler takes."""

from typing import TYPE_CHECKING

import pandas as pd

from scgnn_tools._doors import door
from scgnn_tools._keys import GRN
from scgnn_tools._modality import RNA, modality
from scgnn_tools.grn.table import edges_of, weighted

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def regulons(
    adata: "AnnData | MuData",
    key: str = GRN,
    *,
    group: str | None = None,
    n_targets: int | None = None,
    mod: str = RNA,
) -> pd.DataFrame:
    """Return the targets of each transcription factor with signed weights, decoupler's ``net``.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.infer_grn` was called on.
    key
        Name of the network.
    group
        Network of one group of cells; None takes all edges, and of an edge in several groups the best.
    n_targets
        Most targets of each transcription factor, best first.
    mod
        Modality of a MuData.

    Returns
    -------
    DataFrame
        ``source``, ``target``, ``weight``: the score, negative where the sign is; an edge of unknown sign counts as positive.

    Raises
    ------
    MissingKeyError, InputValueError
        If there is no such network or group.

    Examples
    --------
    >>> net = sgt.tl.regulons(adata, n_targets=20)
    >>> net.columns.tolist()
    ['source', 'target', 'weight']
    """
    return weighted(edges_of(modality(adata, mod), key, group=group, n_targets=n_targets))
