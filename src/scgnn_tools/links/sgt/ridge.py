"""Ridge regression of many columns at once."""

import numpy as np

LAMBDAS = np.logspace(-1, 4, 16)


def affine(x: np.ndarray, coefficients: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return what slopes and constants make of features, (n, n_columns)."""
    return x @ coefficients[0] + coefficients[1]


class ColumnRidge:
    """Ridge regression of many columns with one penalty, chosen by generalised cross-validation."""

    def __init__(self, x: np.ndarray, weight: np.ndarray | None = None) -> None:
        self._w = np.ones(len(x)) if weight is None else np.maximum(weight, 1e-9)
        self._mean = (self._w @ x) / self._w.sum()
        self._x = ((x - self._mean) * np.sqrt(self._w)[:, None]).astype(np.float32)
        value, self._v = np.linalg.eigh((self._x.T @ self._x).astype(np.float64))
        self._s = np.maximum(value, 1e-9)

    def coefficients(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return slopes, float32 (rank, n_columns), and constants, float32 (n_columns,)."""
        mean = (self._w @ y) / self._w.sum()
        z = (y - mean) * np.sqrt(self._w)[:, None]
        projected = self._v.T @ (self._x.T @ z.astype(np.float32)).astype(np.float64)
        energy = (projected**2).sum(axis=1) / self._s
        total, n = float((z**2).sum()), len(y)
        best, least = LAMBDAS[-1], np.inf
        for penalty in LAMBDAS:
            h = self._s / (self._s + penalty)
            score = (total - ((2 * h - h**2) * energy).sum()) / max(1 - (h.sum() + 1) / n, 1e-3) ** 2
            if score < least:
                best, least = penalty, score
        slope = self._v @ (projected / (self._s + best)[:, None])
        return slope.astype(np.float32), (mean - self._mean @ slope).astype(np.float32)
