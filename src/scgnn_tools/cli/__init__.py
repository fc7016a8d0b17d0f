"""The command ``sgt``: the calls of ``sgt.tl`` on files, and the demo."""

from scgnn_tools.cli._main import main

__all__ = ["main"]
