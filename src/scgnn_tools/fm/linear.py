"""Foundation models without a network: the vector of a cell adds up fixed vectors of its genes."""

from abc import abstractmethod

import numpy as np
import scipy.sparse as sp

from scgnn_tools.data import Tokens
from scgnn_tools.fm._base import FoundationModel


class LinearMap(FoundationModel):
    """A foundation model whose cells are sums over their genes, on the CPU in double precision; its card is of the kind "linear"."""

    def tokenize_rows(self, rows: sp.csr_array, kind: str, rng: np.random.Generator | None) -> Tokens:
        """Return each cell's genes with their values."""
        return Tokens.from_csr(rows)

    @abstractmethod
    def linear_parts(self, tokens: Tokens) -> list[tuple[sp.csr_array, np.ndarray]]:
        """Return the values and the vectors of genes whose products, side by side, are the vectors of the cells."""
