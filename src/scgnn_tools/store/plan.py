"""What decides a result, part by part, and how two plans differ, in words."""

from collections.abc import Mapping

from scgnn_tools._log import printable

DIGEST = 64
"""Letters of a digest, which a message need not show."""


def differences(there: Mapping[str, object], here: Mapping[str, object]) -> list[str]:
    """Return the parts in which two plans differ, each with what it is there and here unless that is a digest."""
    words = (_different(k, there.get(k), here.get(k)) for k in {**here, **there})
    return [w for w in words if w]


def _different(part: str, there: object, here: object) -> str:
    if there == here:
        return ""
    shown = [v for v in (there, here) if isinstance(v, str) and len(v) < DIGEST]
    words = f" ({printable(there)} there, {printable(here)} here)" if len(shown) == 2 else ""
    return f"{printable(part)}{words}"
