import os
import sys

import pytest

from scgnn_tools import _compiled
from scgnn_tools._compiled import FOLDER, make_room


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A package's folder and one of caches, neither of which can be written, and no other known."""
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setitem(sys.modules, "numba", type("", (), {"config": type("", (), {"CACHE_DIR": ""})})())
    monkeypatch.setattr(_compiled, "_takes_files", lambda folder: folder.name == "open")
    yield tmp_path
    monkeypatch.delenv(FOLDER, raising=False)


def test_a_folder_of_this_process_where_nothing_else_can_be_written(places):
    make_room(places / "package", places / "caches")
    room = os.environ[FOLDER]
    assert os.access(room, os.W_OK)
    assert room == sys.modules["numba"].config.CACHE_DIR


@pytest.mark.parametrize("where", [("open", "caches"), ("package", "open")])
def test_numba_is_left_alone_where_it_can_write(places, where):
    make_room(*(places / w for w in where))
    assert FOLDER not in os.environ


def test_a_folder_that_is_to_be_made_is_asked_through_the_one_above(tmp_path):
    assert _compiled._takes_files(tmp_path / "not" / "there")
    assert not list(tmp_path.iterdir())
