"""Products of a fixed matrix with changing features, the heart of every graph layer here.

On a CPU the compiled CSR product is several times faster than gather and scatter, and than a dense product unless a quarter of the
entries is there.
"""

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from scgnn_tools.nn._csr_product import csr_product, csr_transpose

DENSE_SHARE, DENSE_BYTES = 0.25, 2**28


def csr_tensor(matrix: sp.csr_array, *, device: torch.device | None = None) -> torch.Tensor:
    """Return a scipy matrix as a sparse CSR tensor, float32, same shape."""
    indptr, indices = (torch.from_numpy(np.asarray(a, dtype=np.int64)) for a in (matrix.indptr, matrix.indices))
    values = torch.from_numpy(np.asarray(matrix.data, dtype=np.float32))
    return csr_of(indptr.to(device), indices.to(device), values.to(device), matrix.shape)


def csr_of(indptr: torch.Tensor, indices: torch.Tensor, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return a sparse CSR tensor over arrays that are there, on their device."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls its sparse CSR support beta, once a process
        return torch.sparse_csr_tensor(indptr, indices, values, size=size, check_invariants=False)


class Propagation:
    """A fixed sparse matrix ``S``, ready for ``S @ H`` with gradients to ``H``.

    Parameters
    ----------
    matrix
        CSR (n_out, n_in). Stored dense where so many of its entries are there that this is faster and it takes less than 256 MB, else
        as CSR together with its transpose, so that the backward product does not transpose it every time.
    device
        Where to compute.
    with_transpose
        Whether gradients are wanted; False saves the transpose.
    """

    def __init__(
        self, matrix: sp.csr_array, *, device: torch.device | None = None, with_transpose: bool = True
    ) -> None:
        self.shape = matrix.shape
        entries = matrix.shape[0] * matrix.shape[1]
        self.dense = matrix.nnz >= DENSE_SHARE * entries and 4 * entries < DENSE_BYTES
        if self.dense:
            self._matrix = torch.as_tensor(np.asarray(matrix.todense(), dtype=np.float32), device=device)
            return
        on_cpu = device is None or torch.device(device).type == "cpu"
        self._product: _OnCPU | _OnDevice = _OnCPU(matrix) if on_cpu else _OnDevice(matrix, device)
        if with_transpose:
            self._transposed = self._product.transposed()

    def __matmul__(self, h: torch.Tensor) -> torch.Tensor:
        """Return ``S @ H``, (n_out, d); ``H`` of half precision is taken as float32."""
        h = h.float() if h.dtype in (torch.bfloat16, torch.float16) else h
        if self.dense:
            return self._matrix @ h
        if h.requires_grad and torch.is_grad_enabled():
            return _Product.apply(self._product, self._transposed, h)
        return self._product(h)


class _OnCPU:
    """A CSR matrix times features, by the compiled product; columns are counted in as few bytes as will do."""

    def __init__(self, matrix: sp.csr_array) -> None:
        self.shape = matrix.shape
        self._indptr = matrix.indptr
        self._indices = matrix.indices.astype(_index(matrix.shape[1]), copy=False)
        self._data = np.asarray(matrix.data, dtype=np.float32)

    def __call__(self, h: torch.Tensor) -> torch.Tensor:
        features = np.ascontiguousarray(h.detach().numpy(), dtype=np.float32)
        return torch.from_numpy(csr_product(self._indptr, self._indices, self._data, features))

    def transposed(self) -> "_OnCPU":
        """Return the transpose, with no more memory than it takes."""
        out = _OnCPU.__new__(_OnCPU)
        out.shape = self.shape[::-1]
        arrays = csr_transpose(self._indptr, self._indices, self._data, self.shape[1], _index(self.shape[0]))
        out._indptr, out._indices, out._data = arrays
        return out


class _OnDevice:
    """A CSR matrix times features, by PyTorch."""

    def __init__(self, matrix: sp.csr_array, device: torch.device | None) -> None:
        self._csr, self._device = matrix, device
        self._matrix = csr_tensor(matrix, device=device)

    def __call__(self, h: torch.Tensor) -> torch.Tensor:
        return self._matrix @ h.detach()

    def transposed(self) -> "_OnDevice":
        """Return the transpose."""
        return _OnDevice(sp.csr_array(self._csr.T), self._device)


def _index(n: int) -> type:
    return np.uint16 if n <= 2**16 else np.int32 if n < 2**31 else np.int64


class _Product(torch.autograd.Function):
    """``S @ H`` whose gradient is ``S^T @ G`` with a transpose that was made once."""

    @staticmethod
    def forward(ctx: Any, product: Any, transposed: Any, h: torch.Tensor) -> torch.Tensor:
        ctx.transposed = transposed
        return product(h)

    @staticmethod
    def backward(ctx: Any, *grad: torch.Tensor) -> tuple[None, None, torch.Tensor]:
        return None, None, ctx.transposed(grad[0].contiguous())


def symmetric_normalized(adjacency: sp.csr_array) -> sp.csr_array:
    """Return ``D^-1/2 (A + I) D^-1/2`` (Kipf and Welling 2017), CSR float32 (n, n)."""
    with_loops = sp.csr_array(adjacency + sp.eye_array(adjacency.shape[0], format="csr"))
    scale = 1 / np.sqrt(np.asarray(with_loops.sum(axis=1)).ravel())  # never zero: every node has its loop
    return sp.csr_array(sp.diags_array(scale) @ with_loops @ sp.diags_array(scale)).astype(np.float32)


def row_normalized(adjacency: sp.csr_array) -> sp.csr_array:
    """Return ``D^-1 A``, the mean over neighbours, CSR float32 (n, n); rows without a neighbour are empty."""
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    scale = np.divide(1, degree, out=np.zeros_like(degree, dtype=float), where=degree > 0)
    return sp.csr_array(sp.diags_array(scale) @ adjacency).astype(np.float32)
