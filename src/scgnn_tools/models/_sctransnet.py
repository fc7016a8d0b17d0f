"""scTransNet with the knobs."""

from scgnn_tools.models._links import LinkModel


class ScTransNet(LinkModel):
    """scTransNet (Kommu et al., 2024): relational graph attention on expression beside attentively pooled gene vectors.

    See :class:`~scgnn_tools.models._links.LinkModel` for what it does, and
    :class:`~scgnn_tools.links.sctransnet.ScTransNet` for the options.

    Examples
    --------
    >>> known = sgt.genes.prior().query("source in ['CEBPB', 'FOS', 'JUN', 'SPI1']")
    >>> sgt.models.ScTransNet.setup_anndata(adata, prior=known, use_rep="cgc-mini")
    >>> model = sgt.models.ScTransNet(adata).train(max_epochs=2)
    >>> model.predict().columns[:2].tolist()
    ['source', 'target']
    """

    method = "sctransnet"
    _pooling = "attention"
