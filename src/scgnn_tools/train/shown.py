"""What a notebook shows of a model class."""

from typing import Any

from scgnn_tools._html import boxed


def trained(model: Any) -> str:
    """Return the HTML of a model: what it is, how far its training went, and its history."""
    name, _, inside = repr(model).partition("(")
    facts = {"is": inside.rstrip(")")}
    history = model.history
    if history is None or not len(history):
        return boxed(name, facts)
    held = history["validation"].min() if "validation" in history else float("nan")
    return boxed(name, facts | {"epochs": len(history), "lowest loss held back": float(held)}, {"history": history})
