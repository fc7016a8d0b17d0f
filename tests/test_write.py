"""Files and folders: whole or not at all, whoever writes beside and whenever the process dies."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from scgnn_tools import _write
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._write import (
    alone,
    as_path,
    check_folder_of,
    check_possible,
    target_of,
    write_folder,
    write_new,
    write_whole,
)

posix = pytest.mark.skipif(os.name != "posix", reason="forks and links")


def known(folder):
    return {"a", "b"}


def filled(text):
    def fill(folder):
        for name in ("a", "b"):
            (folder / name).write_text(text)

    return fill


def content(folder):
    return {p.name: p.read_text() for p in folder.iterdir()}


def in_threads(call, n=8):
    threads = [threading.Thread(target=call, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def test_threads_that_write_one_file_leave_one_of_theirs_whole(tmp_path):
    texts = [str(i) * 10_000 for i in range(8)]
    in_threads(lambda i: write_whole(tmp_path / "x.txt", lambda part: part.write_text(texts[i])))
    assert (tmp_path / "x.txt").read_text() in texts
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_of_many_writers_of_a_new_file_one_writes(tmp_path):
    done = []
    in_threads(lambda i: done.append((write_new(tmp_path / "plan", lambda part: part.write_text(str(i))), i)))
    (winner,) = [i for first, i in done if first]
    assert (tmp_path / "plan").read_text() == str(winner)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_of_the_name_of_a_file_is_refused(tmp_path):
    (tmp_path / "x.csv").mkdir()
    for call in (check_folder_of, lambda path: write_whole(path, lambda part: part.write_text("x"))):
        with pytest.raises(InputValueError, match=r"x\.csv is a folder; a file is written"):
            call(tmp_path / "x.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]


def test_an_error_in_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")

    def fail(part):
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, fail)
    assert content(tmp_path) == {"x": "old"}


@posix
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "x", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, lambda part: part.write_text("new"))
    assert link.is_symlink()
    assert target.read_text() == "new"
    for name, to in (("dangling", tmp_path / "no" / "x"), ("loop", tmp_path / "loop")):
        (tmp_path / name).symlink_to(to)
        with pytest.raises(InputValueError, match="is a link"):
            target_of(tmp_path / name)


def test_what_a_dead_process_left_is_taken_away_and_what_a_living_one_writes_stays(tmp_path):
    mine, dead = _write._beside(tmp_path / "x.h5ad"), 2**22 + 1  # above the largest number of a process
    mine.write_text("")
    (tmp_path / mine.name.replace(f"-{os.getpid()}-", f"-{dead}-")).write_text("")
    write_whole(tmp_path / "x.h5ad", lambda part: part.write_text(""))
    assert {p.name for p in tmp_path.iterdir()} == {"x.h5ad", mine.name}


def test_a_folder_is_replaced_whole_and_only_if_asked(tmp_path):
    folder = tmp_path / "m"
    write_folder(folder, filled("1"), overwrite=False, known=known)
    with pytest.raises(InputValueError, match="overwrite=True"):
        write_folder(folder, filled("2"), overwrite=False, known=known)
    write_folder(folder, lambda part: (part / "a").write_text("2"), overwrite=True, known=known)
    assert content(folder) == {"a": "2"}  # nothing of the older one
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_whole_whenever_its_writer_fails(tmp_path, monkeypatch, exchanges):
    folder = tmp_path / "m"
    if not exchanges:
        monkeypatch.setattr(_write, "_exchange", lambda one, other: False)
    write_folder(folder, filled("1"), overwrite=False, known=known)

    def fail(part):
        (part / "a").write_text("2")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputValueError, match=r"cannot be written: No space left.*as it was"):
        write_folder(folder, fail, overwrite=True, known=known)
    assert content(folder) == {"a": "1", "b": "1"}
    write_folder(folder, filled("2"), overwrite=True, known=known)
    assert content(folder) == {"a": "2", "b": "2"}
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_folder_with_things_of_others_is_never_removed(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(InputValueError, match=r"no save wrote \('thesis.tex'\)"):
        write_folder(tmp_path, filled("1"), overwrite=True, known=known)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputValueError, match="is a file"):
        write_folder(tmp_path / "file", filled("1"), overwrite=True, known=known)
    assert content(tmp_path) == {"thesis.tex": "years", "file": ""}


@posix
def test_a_linked_folder_keeps_its_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_folder(tmp_path / "link", filled("1"), overwrite=False, known=known)
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "real") == {"a": "1", "b": "1"}


@posix
def test_kills_while_a_folder_is_replaced_leave_a_whole_one(tmp_path):
    folder = tmp_path / "m"
    write_folder(folder, filled("1" * 1000), overwrite=False, known=known)
    for i in range(12):
        process = os.fork()
        if not process:
            try:
                while True:
                    for text in ("1", "2"):
                        write_folder(folder, filled(text * 1000), overwrite=True, known=known)
            finally:
                os._exit(1)
        time.sleep(0.01 + 0.003 * i)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        assert sorted(content(folder)) == ["a", "b"]
        assert len(set(content(folder).values())) == 1
    write_folder(folder, filled("3"), overwrite=True, known=known)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]  # what the killed ones left is gone


def test_one_at_a_time_behind_a_lock(tmp_path):
    inside, most, waited = [], [], []

    def go(i):
        with alone(tmp_path / "lock", waiting=lambda: waited.append(i)):
            inside.append(i)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(i)

    in_threads(go, 4)
    assert max(most) == 1
    assert waited
    assert list(tmp_path.iterdir()) == []


def test_free_space_is_that_of_the_process_too(tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        assert _write.free_space(Path(tmp_path)) == 1000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, InputTypeError),
        (3, InputTypeError),
        (b"x", InputTypeError),
        ([], InputTypeError),
        ("a\0b", InputValueError),
        ("\ud800", InputValueError),
        ("x" * 5000, InputValueError),
        ("", InputValueError),
        ("~nobody-of-this-name/x", InputValueError),
        ("s3://bucket/x", InputValueError),
        (Path("s3://bucket/x"), InputValueError),
        ("memory://", InputValueError),
    ],
)
def test_what_is_no_path_is_said_before_any_work(value, error):
    with pytest.raises(error, match="folder"):
        as_path("folder", value)


@pytest.mark.parametrize("path", ["/proc/{}", "/proc/{}/deeper", "/dev/full/{}", "{file}/{}", "{file}/deeper/{}"])
def test_what_could_not_be_written_is_refused_before_the_work(tmp_path, path):
    if not Path("/proc/self").exists():
        pytest.skip("no such file system here")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputValueError, match=r"cannot be written: .*Pass another path"):
        check_possible(Path(path.format("out.h5ad", file=tmp_path / "file")))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_could_be_written_is_left_as_it_is(tmp_path):
    for path in (tmp_path / "a.h5ad", tmp_path / "new" / "deeper" / "a.h5ad", tmp_path):
        check_possible(path)
    assert list(tmp_path.iterdir()) == []
