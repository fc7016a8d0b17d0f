import io
import logging
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from scgnn_tools._log import _Lines, fold, printable, say, width_of


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


def test_a_long_notice_is_folded_where_its_parts_end():
    said = "embed: cgc-mini on raw, 762 of 765 genes; three cells are empty -> obsm['X_cgc-mini'], varm['cgc-mini']"
    lines = fold(said, 60).split("\n")
    assert lines == [
        "embed: cgc-mini on raw, 762 of 765 genes;",
        "     three cells are empty",
        "     -> obsm['X_cgc-mini'], varm['cgc-mini']",
    ]


@given(st.text(alphabet="abc ;.->", max_size=200), st.integers(20, 90))
def test_folding_loses_no_word_and_keeps_the_width(text, width):
    lines = fold(text, width).split("\n")
    assert " ".join(lines).split() == text.split()
    assert all(len(line.strip()) <= width or " " not in line.strip() for line in lines)


def test_lines_are_as_wide_as_the_terminal_and_whole_in_a_file(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    assert width_of(io.StringIO()) is None
    monkeypatch.setenv("COLUMNS", "70")
    assert width_of(Screen()) == 70
    record = logging.LogRecord("scgnn_tools", logging.INFO, "", 0, "word " * 40, None, None)
    monkeypatch.setattr("sys.stderr", Screen())
    assert max(map(len, _Lines().format(record).split("\n"))) <= 70
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert "\n" not in _Lines().format(record)
