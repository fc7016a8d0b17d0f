"""scGraPhT with the knobs."""

from scgnn_tools.models._cell_labels import CellLabelModel


class ScGraPhT(CellLabelModel):
    """scGraPhT (Koç lab, IEEE TSIPN 2025): labels from a graph network on cell vectors.

    See :class:`~scgnn_tools.models._cell_labels.CellLabelModel` for what it does, and
    :class:`~scgnn_tools.labels.scgrapht.ScGraPhT` for the options.
    """

    method = "scgrapht"
