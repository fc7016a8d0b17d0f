import logging
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from scgnn_tools._log import printable, say


@given(st.text(max_size=300))
def test_printable_is_one_short_line(text):
    out = printable(text)
    assert len(out) <= 80
    assert len(out.splitlines()) <= 1 or not any(c < " " for c in out)
    assert not any(ord(c) < 32 for c in out)


def test_a_name_cannot_forge_a_line_of_the_log(caplog):
    with caplog.at_level(logging.INFO, logger="scgnn_tools"):
        say("gene A\nERROR all is lost")
    assert caplog.records[-1].getMessage() == "gene A ERROR all is lost"


def test_the_line_reaches_stderr_without_any_set_up():
    code = "from scgnn_tools._log import say; say('hello'); say('again')"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stderr == "sgt: hello\nsgt: again\n"
    assert out.stdout == ""


def test_a_user_set_up_is_respected():
    code = (
        "import logging; logging.basicConfig(level='INFO', format='mine %(message)s')\n"
        "from scgnn_tools._log import say; say('hello')"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stderr == "mine hello\n"
