"""Foundation models: what there is, what each is (its card), and the loaded thing."""

from scgnn_tools.data import Tokens
from scgnn_tools.fm._base import FoundationModel
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._download import download, download_size, downloaded
from scgnn_tools.fm._network import NetworkModel
from scgnn_tools.fm._registry import best_bundled, card, convert, load, recognise
from scgnn_tools.fm._registry import list_models as list  # noqa: A004

__all__ = [
    "FoundationModel",
    "ModelCard",
    "NetworkModel",
    "Tokens",
    "best_bundled",
    "card",
    "convert",
    "download",
    "download_size",
    "downloaded",
    "list",
    "load",
    "recognise",
]
