import os
import subprocess
import sys

import pytest

from scgnn_tools import _threads
from scgnn_tools._errors import ForkError


def test_compiled_loops_leave_the_threads_of_torch_alone():
    code = (
        "import torch, numpy as np, scipy.sparse as sp\n"
        "torch.set_num_threads(1)\n"
        "assert torch.get_num_threads() == 1\n"
        "from scgnn_tools.data.binning import bin_values\n"
        "bin_values(sp.csr_array(np.eye(9)))\n"
        "assert torch.get_num_threads() == 1, torch.get_num_threads()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_was_forked_too_late_is_told_to_spawn(monkeypatch):
    monkeypatch.setattr(_threads, "_STARTED", [])
    _threads.check_fork()
    _threads.check_fork()
    monkeypatch.setattr(_threads, "_STARTED", [os.getpid() + 1])  # as a child finds it
    with pytest.raises(ForkError, match=r"get_context\('spawn'\)"), _threads.as_many_as_torch():
        pass
