import logging
import re
from pathlib import Path

import pytest

import scgnn_tools as sgt
from scgnn_tools import _progress
from scgnn_tools._progress import counter, progress


@pytest.fixture(params=[True, False], ids=["screen", "file"])
def screen(request, monkeypatch):
    monkeypatch.setattr(_progress, "_has_screen", lambda: request.param)
    sgt.settings.progress = True
    return request.param


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_items_pass_through_and_nothing_is_shown_for_short_work(screen, capsys, caplog):
    with caplog.at_level(logging.INFO, logger="scgnn_tools"):
        assert list(progress(range(5), what="short")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""
    assert caplog.messages == []


def test_long_work_shows_the_time_left_in_a_bar_or_in_one_line(screen, clock, capsys, caplog):
    with caplog.at_level(logging.INFO, logger="scgnn_tools"):
        for _ in progress(range(100), what="long work", unit="epoch"):
            clock[0] += 0.1
    if screen:
        assert "long work" in capsys.readouterr().err
        assert caplog.messages == []
    else:
        assert caplog.messages == ["long work: 20 of 100 epochs, about 8 s left"]


def test_a_file_gets_a_line_every_ten_minutes(monkeypatch, clock, caplog):
    monkeypatch.setattr(_progress, "_has_screen", lambda: False)
    sgt.settings.progress = True
    with (
        caplog.at_level(logging.INFO, logger="scgnn_tools"),
        counter(10_000, what="embed", unit="cell") as advance,
    ):
        for _ in range(100):
            clock[0] += 15
            advance(100)
    assert len(caplog.messages) == 3
    assert caplog.messages[1] == "embed: 4,100 of 10,000 cells, about 15 min left"


@pytest.mark.parametrize(("total", "first"), [(4, 2), (100, 5)])
def test_the_time_left_is_told_once_it_can_be_known(screen, clock, capsys, caplog, total, first):
    told = []
    with counter(total, what="training", unit="epoch") as advance:
        for _ in range(first):
            before = caplog.text + capsys.readouterr().err
            clock[0] += 700
            with caplog.at_level(logging.INFO, logger="scgnn_tools"):
                advance(1)
            told.append(
                re.search(r"<\d|left", (caplog.text + capsys.readouterr().err).removeprefix(before)) is not None
            )
    assert told == [False] * (first - 1) + [True]


def test_nobody_else_draws_bars():
    """One place decides whether a bar can move; where none can, no other package leaves its states behind."""
    texts = {path: path.read_text(encoding="utf-8") for path in Path(sgt.__file__).parent.rglob("*.py")}
    assert [path.name for path, text in texts.items() if re.search(r"tqdm|rich\.progress", text)] == ["_progress.py"]
    said = {found for text in texts.values() for found in re.findall(r"enable_progress_bar\W+(\w+)", text)}
    assert said == {"shows_bars", "False"}


def test_switched_off(capsys):
    sgt.settings.progress = False
    assert list(progress(range(3))) == [0, 1, 2]
    assert not _progress.shows_bars()
    assert capsys.readouterr().err == ""
