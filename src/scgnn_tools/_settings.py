"""Settings of the package: one typed line each, overridable by an environment variable ``SGT_<NAME>``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from scgnn_tools._errors import InputValueError

Attention = Literal["auto", "sdpa", "flash", "eager"]


@dataclass
class Settings:
    """What holds for every call of the session.

    Each field can be set by assignment, ``sgt.settings.progress = False``, or before the start of Python by an
    environment variable, ``SGT_PROGRESS=0``. ``with sgt.settings.override(progress=False):`` sets it for a block.

    Examples
    --------
    >>> sgt.settings.progress = False
    >>> with sgt.settings.override(verbose=False):
    ...     sgt.tl.embed(adata)
    """

    progress: bool = True
    """Show a progress bar with the time left on what takes longer than two seconds."""

    verbose: bool = True
    """Say in one line what a function chose and why (through ``logging.getLogger("scgnn_tools")``)."""

    batch_size: int | None = None
    """Most cells in one batch of a network; None: sized by the number of tokens, halved when memory runs out."""

    n_threads: int | None = None
    """Most threads on the CPU; None: the cores that the process may run on, or what its container is allowed of them. Calls on
    at most 20,000 cells take one, which is faster, above all beside other work. On import the package sets ``OMP_WAIT_POLICY=PASSIVE``,
    unless it is set: a thread that waits leaves its core to others."""

    deterministic: bool = True
    """Ask PyTorch for deterministic algorithms while the package trains."""

    attention: Attention = "auto"
    """Back-end of the attention of the foundation models that have one."""

    cache_dir: Path = field(default_factory=lambda: Path.home() / ".cache" / "scgnn_tools")
    """Folder for what is downloaded."""

    def __post_init__(self) -> None:
        for f in fields(self):
            variable = f"SGT_{f.name.upper()}"
            text = os.environ.get(variable)
            if text is None:
                continue
            try:
                setattr(self, f.name, text)
            except ValueError as error:
                msg = f"The environment variable {variable} is {text!r}: {error}"
                raise InputValueError(msg) from error

    @contextmanager
    def override(self, **values: Any) -> Iterator["Settings"]:
        """Change settings for a block of code, ``with sgt.settings.override(progress=False): …``; they go back whatever happens."""
        checked = {name: _parse(name, value) for name, value in values.items()}
        before = {name: getattr(self, name) for name in checked}
        try:
            for name, value in checked.items():
                setattr(self, name, value)
            yield self
        finally:
            for name, value in before.items():
                setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, _parse(name, value))


def _parse(name: str, value: Any) -> Any:
    """Turn ``value`` (perhaps text of an environment variable) into the type of the field, or say what is wanted."""
    if name in {"progress", "verbose", "deterministic"}:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if str(value).lower() not in words:
            msg = f"settings.{name} is True or False; got {value!r}."
            raise InputValueError(msg)
        return words[str(value).lower()]
    if name in {"batch_size", "n_threads"}:
        if value in (None, "", "auto"):
            return None
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            number = 0
        if number < 1 or isinstance(value, bool) or (isinstance(value, float) and number != value):
            msg = f"settings.{name} is None or a positive integer; got {value!r}."
            raise InputValueError(msg)
        return number
    if name == "attention":
        if value not in get_args(Attention):
            msg = f"settings.attention is one of {', '.join(get_args(Attention))}; got {value!r}."
            raise InputValueError(msg)
        return value
    if name == "cache_dir":
        try:
            if str(value).strip():
                return Path(value).expanduser()
        except (TypeError, RuntimeError):  # no path, or nobody's home
            pass
        msg = f"settings.cache_dir is the path of a folder; got {value!r}."
        raise InputValueError(msg)
    known = ", ".join(f.name for f in fields(Settings))
    msg = f"There is no setting {name!r}; the settings are {known}."
    raise AttributeError(msg)


settings = Settings()
