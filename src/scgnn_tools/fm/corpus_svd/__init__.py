"""``corpus-svd``: a fixed linear map of log-normalised genes, the control that every network has to beat."""

from scgnn_tools.fm.corpus_svd.checkpoint import card, load
from scgnn_tools.fm.corpus_svd.network import CorpusSVD

__all__ = ["CorpusSVD", "card", "load"]
