import shutil
import subprocess

import pytest

import scgnn_tools as sgt
from scgnn_tools.cli import main
from scgnn_tools.cli._completion import SHELLS
from scgnn_tools.cli._main import parser

CASES = [
    (["sgt", "ann"], {"annotate"}),
    (["sgt", "--quiet", "exp"], {"explain"}),
    (["sgt", "embed", "--mo"], {"--model"}),
    (["sgt", "embed", "a.h5ad", "--model", "sc"], {n for n in sgt.fm.list().index if n.startswith("sc")}),
    (["sgt", "annotate", "a.h5ad", "--organism", ""], {"human", "mouse"}),
    (["sgt", "completion", "f"], {"fish"}),
    (["sgt", "download", "scg"], {"scgpt"}),
    (["sgt", "pretrain", "cells", "--variant", "p"], {"paper"}),
    (["sgt", "embed", "a.h5ad", "--output", ""], set()),  # the shell itself completes files
]


def script(shell, capsys):
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
def test_bash_completes(capsys):
    lines = [script("bash", capsys), "complete -p sgt"]
    for words, _ in CASES:
        quoted = " ".join(f"'{w}'" for w in words)
        lines.append(f'COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _sgt; echo "${{COMPREPLY[*]}}"')
    done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    registered, *found = done.stdout.splitlines()
    assert registered == "complete -o default -F _sgt sgt"
    assert done.stderr == ""
    for (words, wanted), line in zip(CASES, found, strict=True):
        assert set(line.split()) == wanted, words


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not here")
def test_zsh_completes(capsys):
    stand_ins = 'compdef() { }; _files() { echo }; compadd() { shift; echo "$*" }'
    lines = [stand_ins, script("zsh", capsys)]
    for words, _ in CASES:
        quoted = " ".join(f"'{w}'" for w in words)
        lines.append(f"words=({quoted}); CURRENT={len(words)}; _sgt")
    done = subprocess.run(["zsh", "-f", "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    for (words, wanted), line in zip(CASES, done.stdout.splitlines(), strict=True):
        assert {w for w in line.split() if w.startswith(words[-1])} == wanted, words


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not here")
def test_fish_completes(capsys):
    lines = [script("fish", capsys), "complete -C 'sgt completion f'"]
    done = subprocess.run(["fish", "--no-config", "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fish"]
    assert done.stderr == ""


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_no_command_and_no_option_is_left_out(shell, capsys):
    text = script(shell, capsys)
    (words,) = (a.choices for a in parser()._actions if a.dest == "word")
    for word, of_word in words.items():
        (line, *_) = (li for li in text.splitlines() if f"'{word}')" in li or f"from {word}'" in li)
        assert line
        for option in of_word._option_string_actions:
            assert option in text or f" -l {option[2:]}" in text or f" -s {option[1:]}" in text


def test_another_shell_is_status_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["completion", "csh"])
    assert stop.value.code == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
