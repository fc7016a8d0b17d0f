from pathlib import Path

import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools._settings import Settings


def test_defaults():
    s = Settings()
    assert s.progress is True
    assert s.batch_size is None
    assert s.attention == "auto"
    assert isinstance(s.cache_dir, Path)


@pytest.mark.parametrize(("text", "value"), [("0", False), ("false", False), ("1", True), ("yes", True)])
def test_environment_overrides(monkeypatch, text, value):
    monkeypatch.setenv("SGT_PROGRESS", text)
    monkeypatch.setenv("SGT_BATCH_SIZE", "32")
    monkeypatch.setenv("SGT_CACHE_DIR", "somewhere")
    s = Settings()
    assert s.progress is value
    assert s.batch_size == 32
    assert s.cache_dir == Path("somewhere")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("progress", "maybe", "True or False"),
        ("batch_size", 0, "positive integer"),
        ("n_threads", 0, "settings.n_threads is None or a positive integer"),
        ("n_threads", 2.5, "positive integer; got 2.5"),
        ("n_threads", True, "positive integer; got True"),
        ("cache_dir", "", "path of a folder; got ''"),
        ("cache_dir", 5, "path of a folder; got 5"),
        ("cache_dir", "~nobody-of-this-name/x", "path of a folder"),
        ("attention", "quick", "one of auto, sdpa, flash, eager"),
    ],
)
def test_wrong_values_are_refused_with_what_is_wanted(name, value, says):
    with pytest.raises(ValueError, match=says):
        setattr(Settings(), name, value)


def test_the_home_of_a_folder_is_resolved():
    s = Settings()
    s.cache_dir = "~/weights"
    assert s.cache_dir == Path.home() / "weights"


def test_a_typo_is_refused_with_the_names_that_exist():
    with pytest.raises(AttributeError, match=r"no setting 'batchsize'.*batch_size"):
        Settings().batchsize = 3


def test_batch_size_auto():
    s = Settings()
    s.batch_size = 64
    s.batch_size = "auto"
    assert s.batch_size is None


def test_environment_is_read_by_the_package(fresh):
    assert fresh["progress"] is False


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("SGT_PROGRESS", "maybe", "SGT_PROGRESS is 'maybe': settings.progress is True or False"),
        ("SGT_BATCH_SIZE", "x", "SGT_BATCH_SIZE is 'x': settings.batch_size is None or a positive integer"),
        ("SGT_BATCH_SIZE", "0", "SGT_BATCH_SIZE is '0': settings.batch_size is None or a positive integer"),
        ("SGT_ATTENTION", "fast", "SGT_ATTENTION is 'fast': settings.attention is one of auto"),
    ],
)
def test_a_wrong_environment_variable_is_named(monkeypatch, variable, text, says):
    monkeypatch.setenv(variable, text)
    with pytest.raises(InputValueError, match=says):
        Settings()


def test_settings_hold_for_a_block_and_go_back_even_after_an_error():
    s = Settings()
    with s.override(progress=False, batch_size=8) as inside:
        assert (inside.progress, s.batch_size) == (False, 8)
    assert (s.progress, s.batch_size) == (True, None)
    with pytest.raises(ZeroDivisionError), s.override(verbose="no"):
        1 / int(s.verbose)
    assert s.verbose is True
    with pytest.raises(ValueError, match="True or False"), s.override(attention="eager", progress="maybe"):
        pass
    assert s.attention == "auto"  # nothing is set if one is wrong
