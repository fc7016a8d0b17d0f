"""The genes that tell each class of labelled cells from the others."""

import numpy as np
import pandas as pd

from scgnn_tools.annotation.known import KnownCells
from scgnn_tools.data.normalize import log_normalize
from scgnn_tools.labels.means import class_means


def markers_of(known: KnownCells, vocabulary: np.ndarray, n: int) -> pd.DataFrame:
    """Return the ``n`` genes of each class whose mean is most above that of any other class; see ``Annotator.markers``.

    ``vocabulary`` holds the names of the genes, object (n_genes,).
    """
    classes, codes = np.unique(known.labels, return_inverse=True)
    x = log_normalize(known.counts)
    means, share = class_means(x, codes), class_means((x > 0).astype(np.float32), codes)
    tables = []
    for c, name in enumerate(classes):
        others = np.delete(means, c, axis=0).max(axis=0)
        gain = means[c] - others
        at = np.argsort(-gain, kind="stable")[:n]
        at = at[gain[at] > 0]
        columns = {"mean": means[c, at], "others": others[at], "difference": gain[at], "share": share[c, at]}
        genes = vocabulary[known.genes[at]].astype(object)
        tables.append(pd.DataFrame({"class": name, "gene": genes, **columns}))
    return pd.concat(tables, ignore_index=True)
