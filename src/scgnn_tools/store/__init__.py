"""Folders and stores of finished parts: a plan that says what decides a result, and the one way to go on after a kill."""

from scgnn_tools.store.cells import CellStore, check_store, shard_of
from scgnn_tools.store.digest import digest, digest_rows
from scgnn_tools.store.folder import RunFolder, check_folder, forget

__all__ = ["CellStore", "RunFolder", "check_folder", "check_store", "digest", "digest_rows", "forget", "shard_of"]
