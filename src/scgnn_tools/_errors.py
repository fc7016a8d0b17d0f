"""Every error and warning of the package; each message says what was seen, what was wanted and what to type."""

import sys
import warnings
from typing import ClassVar

HELP = "https://scgnn-tools.readthedocs.io/page/troubleshooting.html"
"""The page that has causes and cures of every error and warning; ``/page/`` leads to the version that is the default."""


class SgtError(Exception):
    """Base class of all errors raised on purpose by scgnn_tools; the line under the message leads to its causes and cures."""

    url: ClassVar[str] = f"{HELP}#errors"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.url = f"{HELP}#{cls.__name__.lower()}"

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.add_note(f"Help: {self.url}")


class InputScaleError(SgtError, ValueError):
    """The matrix holds something else than asked for: log-normalised where counts are wanted, scaled values."""


class InputValueError(SgtError, ValueError):
    """The matrix or an argument holds values that cannot be used: NaN, infinity, negative counts, an empty object."""


class InputTypeError(SgtError, TypeError):
    """The matrix or an argument is of a kind that cannot be used, for example dtype object."""


class MissingKeyError(SgtError, KeyError):
    """A layer, an ``obs`` column or another key is not in the AnnData; the message names those that are."""

    def __str__(self) -> str:  # KeyError shows the repr of its message, quotes and all
        return str(self.args[0]) if self.args else ""


class GeneMatchError(SgtError, ValueError):
    """Too few genes of the data are known to the model, or none."""


class LabelError(SgtError, ValueError):
    """The labels cannot be used: all unknown, one class only."""


class GraphError(SgtError, ValueError):
    """A graph or a prior network cannot be used: indices out of range, negative weights, no gene shared."""


class LeakageError(SgtError, ValueError):
    """A test edge or a test cell can be seen in training."""


class WeightsError(SgtError, ValueError):
    """A checkpoint or asset is truncated, misshaped, incomplete or not what its hash promises."""


class MissingExtraError(SgtError, ImportError):
    """An optional package is not installed; the message holds the line that installs it."""


class ForkError(SgtError, RuntimeError):
    """Compiled code with threads was asked for in a process that was forked after such threads had been started."""


class SgtWarning(UserWarning):
    """Something was handled for the user that the user should know of."""

    url: ClassVar[str] = f"{HELP}#warnings"

    def __str__(self) -> str:
        return f"{super().__str__()}\nHelp: {self.url}"


def warn(message: str, category: type[Warning] = SgtWarning) -> None:
    """Warn of the line of the user's own code that called the package, however deep in it the reason was found."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
