import subprocess
import sys


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
