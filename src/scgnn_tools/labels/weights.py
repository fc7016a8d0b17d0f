"""How much the cells of a class count: small classes have a say."""

import numpy as np


def class_weights(labels: np.ndarray, n_classes: int, balance: float) -> np.ndarray:
    """Return the weight of each class, n ** -balance, of mean 1 over the cells; float32 (n_classes,)."""
    weight = np.maximum(np.bincount(labels, minlength=n_classes), 1.0) ** -balance
    return (weight / weight[labels].mean()).astype(np.float32)
