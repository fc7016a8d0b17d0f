"""Sparse matrices for PyTorch: CSR, whose products are several times faster on a CPU than gather and scatter."""

import warnings

import numpy as np
import scipy.sparse as sp
import torch


def csr_tensor(matrix: sp.csr_array, *, device: torch.device | None = None) -> torch.Tensor:
    """Return a scipy matrix as a sparse CSR tensor, float32, same shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls its sparse CSR support beta, once a process
        return torch.sparse_csr_tensor(
            torch.from_numpy(np.asarray(matrix.indptr, dtype=np.int64)),
            torch.from_numpy(np.asarray(matrix.indices, dtype=np.int64)),
            torch.from_numpy(np.asarray(matrix.data, dtype=np.float32)),
            size=matrix.shape,
            device=device,
        )


def symmetric_normalized(adjacency: sp.csr_array) -> sp.csr_array:
    """Return ``D^-1/2 (A + I) D^-1/2`` (Kipf and Welling 2017), CSR float32 (n, n)."""
    with_loops = sp.csr_array(adjacency + sp.eye_array(adjacency.shape[0], format="csr"))
    scale = 1 / np.sqrt(np.asarray(with_loops.sum(axis=1)).ravel())  # never zero: every node has its loop
    return sp.csr_array(sp.diags_array(scale) @ with_loops @ sp.diags_array(scale)).astype(np.float32)
