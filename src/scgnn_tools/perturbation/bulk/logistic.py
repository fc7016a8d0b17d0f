"""A logistic regression on standardised columns that also stands for one class alone."""

import numpy as np

from scgnn_tools._random import RNG, generator

MOST_ROWS = 200_000


class Logistic:
    """Probability of a yes, from columns."""

    def fit(self, x: np.ndarray, y: np.ndarray, *, rng: RNG = 0) -> "Logistic":
        """Learn; of more than 200,000 rows a random sample."""
        from sklearn.linear_model import LogisticRegression

        if len(x) > MOST_ROWS:
            some = generator(rng).choice(len(x), MOST_ROWS, replace=False)
            x, y = x[some], y[some]
        self._model, self._rate = None, float((y.sum() + 0.5) / (len(y) + 1))
        self._mean = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
        self._width = np.maximum(x.std(axis=0), 1e-9) if len(x) else np.ones(x.shape[1])
        if 2 < y.sum() < len(y) - 2:
            self._model = LogisticRegression(C=1.0, max_iter=500).fit((x - self._mean) / self._width, y)
        return self

    @property
    def weights(self) -> np.ndarray:
        """Of the standardised columns; zeros where all that is known is a rate."""
        return np.zeros(len(self._mean)) if self._model is None else self._model.coef_[0]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the probabilities, (n,)."""
        if self._model is None:
            return np.full(len(x), self._rate)
        return self._model.predict_proba((x - self._mean) / self._width)[:, 1]


def logit(p: np.ndarray) -> np.ndarray:
    """Return log-odds, kept finite."""
    q = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(q / (1 - q))
