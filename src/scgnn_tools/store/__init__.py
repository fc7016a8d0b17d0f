"""Folders of finished parts: a plan that says what decides a result, and the one way to go on after a kill."""

from scgnn_tools.store.digest import digest, digest_rows
from scgnn_tools.store.folder import RunFolder, check_folder, forget

__all__ = ["RunFolder", "check_folder", "digest", "digest_rows", "forget"]
