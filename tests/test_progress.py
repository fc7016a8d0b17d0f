import scgnn_tools as sgt
from scgnn_tools._progress import progress


def test_items_pass_through_and_nothing_is_shown_for_short_work(capsys):
    sgt.settings.progress = True
    assert list(progress(range(5), what="short")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""


def test_a_bar_with_the_time_left_after_two_seconds(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr("tqdm.std.time", lambda: now)
    sgt.settings.progress = True
    for _ in progress(range(100), what="long work"):
        now += 0.1
    assert "long work" in capsys.readouterr().err


def test_switched_off(capsys):
    sgt.settings.progress = False
    assert list(progress(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err == ""
