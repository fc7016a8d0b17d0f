"""scRegNet with the knobs."""

from scgnn_tools.models._links import LinkModel


class ScRegNet(LinkModel):
    """scRegNet (Kommu et al.): a graph network over the known edges beside gene vectors of a foundation model.

    See :class:`~scgnn_tools.models._links.LinkModel` for what it does, and :class:`~scgnn_tools.links.scregnet.ScRegNet` for the options.
    """

    method = "scregnet"
    _pooling = "mean"
