"""Networks that decoupler downloads, kept on disk."""

import warnings
from pathlib import Path

import pandas as pd

from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._log import printable, say
from scgnn_tools._settings import settings
from scgnn_tools._write import write_whole

RESOURCES = {"collectri": "CollecTRI", "dorothea": "DoRothEA"}
"""What can be asked for by name, and what to call it."""


def resource(name: str, organism: str, argument: str = "prior") -> pd.DataFrame:
    """Return a network of decoupler, from ``settings.cache_dir/networks`` if it was downloaded before.

    Parameters
    ----------
    name
        "collectri" (signed), or "dorothea" (signed, levels A to C).
    organism
        "human" or "mouse".
    argument
        Name of the argument that asks for it, for messages.

    Raises
    ------
    MissingExtraError
        If decoupler is not installed.
    InputValueError
        If it cannot be downloaded.
    """
    kept = Path(settings.cache_dir) / "networks" / f"{name}_{organism}.csv.gz"
    if kept.is_file():
        return pd.read_csv(kept)
    table = _download(name, organism, argument)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, lambda part: table.to_csv(part, index=False, compression="gzip"))
    say(f"{RESOURCES[name]} ({organism}): {len(table):,} edges, downloaded by decoupler -> {kept}")
    return table


def _download(name: str, organism: str, argument: str) -> pd.DataFrame:
    """Return the table that decoupler downloads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import decoupler
    except ImportError as error:
        msg = f"{name!r} is downloaded by decoupler, which is not installed. Run: pip install 'scgnn_tools[activity]'"
        raise MissingExtraError(msg) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(decoupler.op, name)(organism=organism)
    except Exception as error:  # of requests, of the server, of what it sends: all the same to the user
        msg = (
            f"{RESOURCES[name]} could not be downloaded ({type(error).__name__}: {printable(error, limit=200)}). Pass a file or a table "
            f"with source, target and weight as {argument}=."
        )
        raise InputValueError(msg) from error
