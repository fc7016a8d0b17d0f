"""Model classes with all their options."""

from scgnn_tools.links import link_predictor
from scgnn_tools.models._cgc import CGC
from scgnn_tools.models._perturb import Perturb
from scgnn_tools.models._scbignn import ScBiGNN
from scgnn_tools.models._scgrapht import ScGraPhT
from scgnn_tools.models._scnetformer import ScNetFormer
from scgnn_tools.models._scregnet import ScRegNet
from scgnn_tools.models._sctransnet import ScTransNet
from scgnn_tools.train import FineTuner

__all__ = [
    "CGC",
    "FineTuner",
    "Perturb",
    "ScBiGNN",
    "ScGraPhT",
    "ScNetFormer",
    "ScRegNet",
    "ScTransNet",
    "link_predictor",
]
