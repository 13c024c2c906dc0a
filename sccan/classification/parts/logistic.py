"""Multinomial logistic regression on few vectors, solved in the space that they span.

Letters: S pictures, N classes, C channels.
"""

from __future__ import annotations

import warnings

import numpy as np

from sccan.errors import needs

ROUNDS = 1000


def logistic_weights(vectors: np.ndarray, labels: np.ndarray, n_class: int, *, strength: float) -> np.ndarray:
    """Weights and, in the last column, biases of the regression with a quadratic penalty, float64 [N, C + 1].

    The penalty knows no direction, so the solution lies in the span of the vectors: with fewer pictures than channels
    the problem is solved in as many dimensions as there are pictures, with the same result. Pictures of a class weigh
    the less the more there are, so that classes count alike.

    Args:
        vectors: [S, C].
        labels: 0 .. N - 1, each at least once, [S].
        n_class: N, at least 2.
        strength: inverse of the penalty's weight (scikit-learn's C).
    """
    with needs("logistic regression", "scientific"):
        from sklearn.linear_model import LogisticRegression  # takes seconds

    exact = vectors.astype(np.float64)
    basis = np.linalg.qr(exact.T)[0] if len(exact) < exact.shape[1] else np.eye(exact.shape[1])  # [C, D]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes")  # one example of each is no regression
        found = LogisticRegression(C=strength, max_iter=ROUNDS, class_weight="balanced").fit(exact @ basis, labels)
    weights, biases = found.coef_ @ basis.T, found.intercept_
    if n_class == 2:  # one row, of the second class against the first
        weights, biases = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-biases / 2, biases / 2])
    return np.column_stack([weights, biases])
