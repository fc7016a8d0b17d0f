import os
import signal
import subprocess
import sys

import pytest

from scgnn_tools.train.signals import handed_back

SCRIPT = """
import os, signal, sys, tempfile
from scgnn_tools.train.signals import handed_back
class SIGTERMException(SystemExit):
    pass
for handler in ("none", "own"):
    child = os.fork()  # importing takes longer than all the rest
    if child:
        print(handler, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    if handler == "own":
        signal.signal(signal.SIGTERM, lambda *_: print("own handler", flush=True))
    with handed_back(), tempfile.TemporaryDirectory(dir=sys.argv[1]):
        os.kill(os.getpid(), signal.SIGTERM)
        raise SIGTERMException  # as Lightning does at the end of a batch
    print("went on", flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.slow
def test_sigterm_closes_what_is_open_and_ends_the_process(tmp_path):
    words = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [f"none {-signal.SIGTERM}", "own handler", "own 143"], (
        done.stderr
    )  # a shell says 143 of both
    assert not list(tmp_path.iterdir())


def test_lightning_s_exit_after_ctrl_c_is_a_keyboard_interrupt():
    before = signal.getsignal(signal.SIGINT)

    def lightning():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sys.exit(1)

    with pytest.raises(KeyboardInterrupt), handed_back():
        lightning()
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(SystemExit), handed_back():
        sys.exit(3)
