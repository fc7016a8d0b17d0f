"""What a signal does to a training: the library underneath takes SIGINT and SIGTERM and ends the process as if all were well."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 128 + signal.SIGTERM
"""What a shell says of a process that SIGTERM ended."""


class _Unwind(BaseException):
    """SIGTERM came: what is open is closed, then the process ends."""


@contextmanager
def handed_back() -> Iterator[None]:
    """Give signals back to who had them before a training by Lightning.

    Ctrl-C is KeyboardInterrupt, and the next one too. SIGTERM closes what is open, temporary folders among it, and then ends the process
    as it would have without a training: a shell, or the scheduler of a cluster, sees 143 and not the 0 of a job that is done. A handler of
    the caller's own runs when the signal comes; if it only returns, the training ends with SystemExit(143).
    """
    mine = threading.current_thread() is threading.main_thread()
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)} if mine else {}
    terminated = False

    def unwind(number: int, frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Unwind

    if before.get(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    except _Unwind:
        pass
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        if type(end).__name__ == "SIGTERMException":
            raise SystemExit(TERMINATED) from None
        if not terminated:
            raise
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
    if terminated:
        signal.raise_signal(signal.SIGTERM)
