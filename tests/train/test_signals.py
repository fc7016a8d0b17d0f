import signal
import subprocess
import sys

import pytest

from scgnn_tools.train.signals import handed_back

SCRIPT = """
import os, pathlib, signal, sys, tempfile
from scgnn_tools.train.signals import handed_back
if sys.argv[2] == "own":
    signal.signal(signal.SIGTERM, lambda *_: print("own handler"))
class SIGTERMException(SystemExit):
    pass
with handed_back(), tempfile.TemporaryDirectory(dir=sys.argv[1]):
    os.kill(os.getpid(), signal.SIGTERM)
    raise SIGTERMException  # as Lightning does at the end of a batch
print("went on")
"""


@pytest.mark.parametrize(("handler", "status", "says"), [("none", -signal.SIGTERM, ""), ("own", 143, "own handler")])
def test_sigterm_closes_what_is_open_and_ends_the_process(tmp_path, handler, status, says):
    words = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path), handler]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr  # a shell says 143 of both
    assert done.stdout.strip() == says
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
