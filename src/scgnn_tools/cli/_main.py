"""Arguments of the command ``sgt`` and what each of its words does."""

import argparse
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn

import scgnn_tools as sgt
from scgnn_tools._choices import did_you_mean
from scgnn_tools._errors import SgtError
from scgnn_tools.cli import (
    _about,
    _annotate,
    _completion,
    _embed,
    _explain,
    _files,
    _grn,
    _integrate,
    _json,
    _perturb,
    _pretrain,
    _report,
)

COMMANDS = (_embed, _annotate, _explain, _grn, _integrate, _perturb, _report, _pretrain, _about, _completion)
"""Files of the commands; each adds its words to the parser, with the function that does them as ``run``."""


class _Parser(argparse.ArgumentParser):
    """Says which name was probably meant; Python does from 3.14 on, if it is asked to."""

    def error(self, message: str) -> NoReturn:
        """Print the message and end, as argparse does."""
        found = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)$", message)
        hint = did_you_mean(found[1], re.findall(r"[\w-]+", found[2])) if found else ""
        super().error(message + hint)


def parser() -> argparse.ArgumentParser:
    """Return the arguments of the command and of all its words."""
    parser = _Parser(prog="sgt", description=sgt.__doc__.split("\n")[0])
    parser.add_argument("--version", action="version", version=f"scgnn_tools {sgt.__version__}")
    parser.add_argument("--quiet", action="store_true", help="no notices, no progress bars")
    words = parser.add_subparsers(dest="word", required=True, metavar="command")

    demo = words.add_parser(
        "demo",
        help="embed, annotate, infer a network and plot, on real cells, offline",
        epilog="example: sgt demo --output demo",
    )
    demo.add_argument("--output", type=Path, default=Path("demo"), help="folder of the results (default: demo)")
    demo.set_defaults(run=_demo)
    for command in COMMANDS:
        command.add(words)
    for p in words.choices.values():
        p.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="no notices, no progress bars")
        _json.add(p)
    return parser


def _run(args: argparse.Namespace) -> None:
    if args.quiet:
        sgt.settings.progress = sgt.settings.verbose = False
    args.run(args)


def _demo(args: argparse.Namespace) -> None:
    from scgnn_tools.cli._demo import demo

    print(demo(args.output))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``sgt``; return its exit status: 0 done, 1 an error of the input, 128 + the number of the signal that ended it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed before the start
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (to the end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no ü gets an escape, not an error
    whole = parser()
    args = whole.parse_args(argv)
    args.argv, args.parser, args.report = list(sys.argv[1:] if argv is None else argv), whole, {}
    args.ends_process = argv is None
    return _json.report(args, _status) if args.json else _status(args)


def _status(args: argparse.Namespace) -> int:
    """Do what was asked; return the exit status."""
    try:
        # a training ends as the signal asks, with what is resumable on disk; other commands take away what they have half written
        with nullcontext() if args.word == "pretrain" else _terminable():
            _run(args)
            sys.stdout.flush()
    except SgtError as error:
        _complain(args, str(error))
        return 1
    except BrokenPipeError:
        _mute()
        return 128 + signal.SIGPIPE if hasattr(signal, "SIGPIPE") else 1
    except OSError as error:
        _mute()
        _complain(args, _files.reason(error))
        return 1
    except KeyboardInterrupt:
        _end(args, "interrupted")
        return 128 + signal.SIGINT
    except _Terminated:
        _end(args, "terminated")
        return 128 + signal.SIGTERM
    return 0


def _end(args: argparse.Namespace, error: str) -> None:
    """Say that a signal ended the command, and let nothing be said after it."""
    args.report["error"] = error
    if args.ends_process:  # what a library had half made when the signal came may fail as it is taken away
        sys.unraisablehook = lambda _: None
    print(f"sgt: {error}", file=sys.stderr)


def _complain(args: argparse.Namespace, error: str) -> None:
    """Print an error; in red on a terminal, where rich is installed."""
    args.report["error"], text = error, f"sgt: {error}"
    if not sys.stderr.isatty() or find_spec("rich") is None:
        print(text, file=sys.stderr)
        return
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(text, style="red", markup=False, highlight=False, emoji=False)


class _Terminated(BaseException):
    """SIGTERM came."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind what is under way, so that nothing half written stays; a signal that came is what ends the command."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Terminated

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    before = {n: signal.signal(n, stop) for n in numbers}
    try:
        yield
    except Exception as error:
        if came:  # an import that is cut short makes another error of it
            raise (KeyboardInterrupt if came[0] == signal.SIGINT else _Terminated) from error
        raise
    finally:
        for n, handler in before.items():
            signal.signal(n, signal.SIG_DFL if handler is None else handler)


def _mute() -> None:
    """Send what Python still holds for an output that takes no more to nowhere: it would fail again at the end of the process."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
