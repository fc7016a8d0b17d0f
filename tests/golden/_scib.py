"""What scib-metrics says of vectors, by our names; for the recording and for the live test."""

import numpy as np

from scgnn_tools.metrics._neighbors import nearest


def scib(case):
    """Return scib-metrics' numbers for vectors, batches, labels and the vectors before."""
    import scib_metrics as sm
    from scib_metrics.nearest_neighbors import NeighborsResults

    x, batch, labels = case["vectors"], case["batch"], case["labels"]
    near = nearest(x, 90)

    def first(k):
        return NeighborsResults(
            indices=near.index[:, :k].astype(np.int32), distances=near.distance[:, :k].astype(np.float32)
        )

    leiden, kmeans = sm.nmi_ari_cluster_labels_leiden(first(15), labels), sm.nmi_ari_cluster_labels_kmeans(x, labels)
    out = {
        "nmi": leiden["nmi"],
        "ari": leiden["ari"],
        "nmi_kmeans": kmeans["nmi"],
        "ari_kmeans": kmeans["ari"],
        "asw_label": sm.silhouette_label(x, labels),
        "asw_batch": sm.silhouette_batch(x, labels, batch),
        "bras": sm.bras(x, labels, batch),
        "clisi": sm.clisi_knn(first(90), labels),
        "ilisi": sm.ilisi_knn(first(90), batch),
        "graph_connectivity": sm.graph_connectivity(first(15), labels),
        "pcr": sm.pcr_comparison(case["before"], x, batch, categorical=True),
        "isolated": sm.isolated_labels(x, labels, batch),
    }
    return {k: float(v) for k, v in out.items()}
