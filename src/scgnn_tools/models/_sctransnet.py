"""scTransNet with the knobs."""

from scgnn_tools.models._links import LinkModel


class ScTransNet(LinkModel):
    """scTransNet (Kommu et al., 2024): relational graph attention on expression beside attentively pooled gene vectors.

    See :class:`~scgnn_tools.models._links.LinkModel` for what it does, and
    :class:`~scgnn_tools.links.sctransnet.ScTransNet` for the options.
    """

    method = "sctransnet"
    _pooling = "attention"
