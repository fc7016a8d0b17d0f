import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from scgnn_tools import _threads, settings
from scgnn_tools._errors import ForkError
from scgnn_tools._threads import ahead


def test_compiled_loops_leave_the_threads_of_torch_alone(fresh):
    assert fresh["threads"] == [1, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_was_forked_too_late_is_told_to_spawn(monkeypatch):
    monkeypatch.setattr(_threads, "_STARTED", [])
    _threads.check_fork()
    _threads.check_fork()
    monkeypatch.setattr(_threads, "_STARTED", [os.getpid() + 1])  # as a child finds it
    with pytest.raises(ForkError, match=r"get_context\('spawn'\)"), _threads.as_many_as_torch():
        pass


@pytest.fixture
def two_threads(monkeypatch):
    """Two threads asked for, on a machine that has them."""
    import torch

    before = torch.get_num_threads()
    monkeypatch.setattr(_threads, "available", lambda: 2)
    torch.set_num_threads(2)
    yield torch
    torch.set_num_threads(before)


def test_small_work_runs_on_one_thread_and_large_work_on_what_is_there(two_threads):
    @_threads.by_size
    def seen(*data, **more):
        blas = {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}
        return two_threads.get_num_threads(), blas

    from threadpoolctl import threadpool_info

    with _threads.threads_for(1):  # loads what is to be limited
        pass
    before = [(p["filepath"], p["num_threads"]) for p in threadpool_info()]
    small, large = (SimpleNamespace(n_obs=n) for n in (_threads.SMALL, _threads.SMALL + 1))
    assert seen(small) == seen() == (1, {1})
    assert seen(large)[0] == seen(small, reference=[large])[0] == seen(SimpleNamespace(adata=large))[0] == 2
    with pytest.raises(ZeroDivisionError):
        _threads.by_size(lambda adata: 1 / 0)(small)
    assert two_threads.get_num_threads() == 2
    seen_outside = [(p["filepath"], p["num_threads"]) for p in threadpool_info()]
    assert seen_outside == before


def test_of_two_calls_at_once_the_last_puts_the_number_back(two_threads):
    from threadpoolctl import threadpool_info

    def blas():
        return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]

    before, entered, go = blas(), threading.Event(), threading.Event()

    def work():
        with _threads.threads_for(1):
            entered.set()
            go.wait(10)

    other = threading.Thread(target=work)
    with _threads.threads_for(1):
        other.start()
        assert entered.wait(10)
    assert set(blas()) == {1}
    go.set()
    other.join()
    assert blas() == before


@pytest.mark.parametrize(
    ("text", "most"), [("max 100000", None), ("50000 100000", 1), ("200000 100000", 2), ("no", None)]
)
def test_the_quota_of_a_container_is_looked_at(tmp_path, monkeypatch, text, most):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    (tmp_path / "cpu.max").write_text(text)
    assert _threads.available(tmp_path / "cpu.max") == (most or 8)
    assert _threads.available(tmp_path / "none") == 8
    monkeypatch.setattr(settings, "n_threads", 3)
    assert _threads.available(tmp_path / "none") == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert _threads.available(tmp_path / "none") == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_the_four_calls_on_few_cells_compute_on_one_thread():
    code = (
        "import os, warnings; warnings.simplefilter('ignore')\n"
        "from benchmarks.threads import calls\n"
        "there = calls()\n"
        "for name in ('embed', 'train', 'annotate', 'infer_grn'):\n"
        "    there[name]()\n"
        "for task in os.listdir('/proc/self/task'):\n"
        "    used = open(f'/proc/self/task/{task}/stat').read().rsplit(')', 1)[1].split()\n"
        "    print('thread', (int(used[11]) + int(used[12])) / os.sysconf('SC_CLK_TCK'))\n"
    )
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env, cwd=root)
    used = sorted(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("thread "))
    assert sum(used[:-1]) < 0.05 * used[-1], used


def test_a_thread_that_waits_sleeps_unless_the_user_wants_it_otherwise(fresh):
    assert fresh["wait policy"] == "PASSIVE"
    code = "import os, scgnn_tools; print(os.environ['OMP_WAIT_POLICY'])"
    env = {**os.environ, "OMP_WAIT_POLICY": "ACTIVE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "ACTIVE"


def test_the_next_item_is_made_while_one_is_used():
    made, used = [], threading.Event()

    def items():
        for i in range(3):
            if i == 1:
                assert used.wait(10)  # it is begun before the one before it is done with
            made.append(threading.get_ident())
            yield i

    found = []
    for i in ahead(items()):
        used.set()
        found.append(i)
    assert found == [0, 1, 2]
    assert threading.get_ident() not in made


def test_an_error_of_what_is_made_ahead_is_raised_and_a_reader_may_leave():
    def broken():
        yield 1
        msg = "torn"
        raise OSError(msg)

    rest = ahead(broken())
    assert next(rest) == 1
    with pytest.raises(OSError, match="torn"):
        next(rest)
    left = ahead(iter(range(1, 9)))
    assert next(left) == 1
    left.close()
