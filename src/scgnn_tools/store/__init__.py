"""Folders and stores of finished parts: a plan that says what decides a result, and the one way to go on after a kill."""

from scgnn_tools.store.cells import CellStore, place_of, shard_of, whole_of
from scgnn_tools.store.digest import digest, digest_rows
from scgnn_tools.store.fields import Field
from scgnn_tools.store.folder import RunFolder, check_folder, forget
from scgnn_tools.store.work import make_chunks, plan_of_cells

__all__ = [
    "CellStore",
    "Field",
    "RunFolder",
    "check_folder",
    "digest",
    "digest_rows",
    "forget",
    "make_chunks",
    "place_of",
    "plan_of_cells",
    "shard_of",
    "whole_of",
]
