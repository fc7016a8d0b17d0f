import json
import logging

import pytest

import scgnn_tools as sgt
from scgnn_tools.cli import main
from scgnn_tools.cli._main import parser


@pytest.fixture(autouse=True)
def _loud_again():
    yield
    sgt.settings.verbose = sgt.settings.progress = True


@pytest.fixture
def file(pbmc68k, tmp_path):
    path = tmp_path / "cells.h5ad"
    pbmc68k[:200].copy().write_h5ad(path)
    return path


@pytest.mark.slow
def test_a_report_holds_the_files_the_notices_and_the_tables_with_the_baselines(file, tmp_path, capsys):
    out = tmp_path / "net.h5ad"
    handlers = list(logging.getLogger("scgnn_tools").handlers)
    assert main(["grn", str(file), "--output", str(out), "--method", "degree", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["command"], said["status"], said["error"], said["written"]) == ("grn", 0, None, [str(out)])
    assert said["seconds"] > 0
    assert said["notices"]
    assert any("degree" in row.values() for row in said["results"]["sgt_grn"]["evaluation"])
    assert logging.getLogger("scgnn_tools").handlers == handlers


def test_an_error_is_in_the_report_and_on_stderr(tmp_path, capsys):
    assert main(["embed", str(tmp_path / "no.h5ad"), "--output", str(tmp_path / "o.h5ad"), "--json"]) == 1
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert said["status"] == 1
    assert said["error"].startswith("There is no file")
    assert err.startswith("sgt: There is no file")
    assert said["written"] == []


def test_what_a_command_prints_is_in_the_report(capsys):
    assert main(["models", "--json"]) == 0
    assert any(line.startswith("scgpt") for line in json.loads(capsys.readouterr().out)["printed"])


def test_every_command_has_an_example_quiet_and_json():
    (words,) = (a.choices for a in parser()._actions if a.dest == "word")
    for word, of_word in words.items():
        text = of_word.format_help()
        assert f"sgt {word}" in text.partition("example")[2], word
        assert {"--json", "--quiet"} <= set(of_word._option_string_actions), word
