"""scRegNet with the knobs."""

from scgnn_tools.models._links import LinkModel


class ScRegNet(LinkModel):
    """scRegNet (Kommu et al.): a graph network over the known edges beside gene vectors of a foundation model.

    See :class:`~scgnn_tools.models._links.LinkModel` for what it does, and :class:`~scgnn_tools.links.scregnet.ScRegNet` for the options.

    Examples
    --------
    >>> known = sgt.genes.prior().query("source in ['CEBPB', 'FOS', 'JUN', 'SPI1']")
    >>> sgt.models.ScRegNet.setup_anndata(adata, prior=known, use_rep="cgc-mini")
    >>> model = sgt.models.ScRegNet(adata).train(max_epochs=2)
    >>> model.predict().columns[:2].tolist()
    ['source', 'target']
    """

    method = "scregnet"
    _pooling = "mean"
