"""A file from its addresses, for other rooms: resumed, checked, never half there."""

from scgnn_tools.fm._download import addresses, fetch
from scgnn_tools.fm._sources import RemoteFile

__all__ = ["RemoteFile", "addresses", "fetch"]
