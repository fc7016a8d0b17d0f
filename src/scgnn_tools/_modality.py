"""The AnnData that a tool works on: the object itself, or one modality of a MuData."""

from typing import TYPE_CHECKING

from scgnn_tools._errors import InputTypeError, MissingKeyError
from scgnn_tools._log import printable

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def modality(data: "AnnData | MuData", mod: str | None) -> "AnnData":
    """Return the AnnData called ``mod`` of a MuData; an AnnData is handed on, and has no modality to name."""
    from anndata import AnnData

    if isinstance(data, AnnData):
        if mod is not None:
            msg = f"mod={mod!r} names a modality of a MuData; this is an AnnData. Leave mod out."
            raise InputTypeError(msg)
        return data
    if not hasattr(data, "mod"):
        msg = f"An AnnData or a MuData is wanted; got {type(data).__name__}."
        raise InputTypeError(msg)
    if mod is None or mod not in data.mod:
        there = ", ".join(map(printable, data.mod)) or "none"
        msg = (
            f"mod={mod!r} is no modality of this MuData; there is: {there}. Pass mod= with the one that holds the RNA."
        )
        raise MissingKeyError(msg)
    return data.mod[mod]
