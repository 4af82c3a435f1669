"""Multinomial logistic regression with a calibrated temperature, and the distance beyond which it does not know.

In NumPy and SciPy alone, so that a recogniser trains without PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

COMPONENTS = 16
"""Dimensions in which distances to what was shown are measured."""
FARTHEST = 1.5
"""Times the distance of the farthest of the samples (their 99th percentile)."""


@dataclass(frozen=True, eq=False)
class Linear:
    """A trained classifier of k classes on f features."""

    mean: Float[np.ndarray, " f"]
    scale: Float[np.ndarray, " f"]
    weights: Float[np.ndarray, "f k"]
    bias: Float[np.ndarray, " k"]
    temperature: float
    basis: Float[np.ndarray, "f c"]
    """Principal directions of all samples, over their spread within a class."""
    centres: Float[np.ndarray, "k c"]
    radius: Float[np.ndarray, " k"]
    """Beyond which a sample is none of that class."""

    def probabilities(self, features: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n k"]:
        return softmax(self._logits(features) / self.temperature, axis=-1)

    def known(self, features: Float[np.ndarray, "n f"]) -> Bool[np.ndarray, " n"]:
        """Whether anything like it was shown in training."""
        spot = ((features - self.mean) / self.scale) @ self.basis
        distance = np.linalg.norm(spot[:, None] - self.centres, axis=-1)
        return (distance <= self.radius).any(1)

    def _logits(self, features: np.ndarray) -> np.ndarray:
        return ((features - self.mean) / self.scale) @ self.weights + self.bias


def fit(features: Float[np.ndarray, "n f"], labels: Int[np.ndarray, " n"], classes: int, ridge: float = 1.0) -> Linear:
    """Weights by L-BFGS on cross-entropy, classes counting alike, plus ridge / (2 n) of their squares."""
    mean, scale = features.mean(0), np.maximum(features.std(0), 1e-3 * (features.std() + 1e-9))
    x = (features - mean) / scale
    n, f = x.shape
    share = 1.0 / (np.bincount(labels, minlength=classes)[labels] * classes)  # all together 1
    one = np.eye(classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = flat[:-classes].reshape(f, classes), flat[-classes:]
        log = log_softmax(x @ w + b, axis=-1)
        gap = share[:, None] * (np.exp(log) - one)
        value = -(share * log[np.arange(n), labels]).sum() + 0.5 * ridge / n * (w**2).sum()
        return float(value), np.concatenate([(x.T @ gap + ridge / n * w).ravel(), gap.sum(0)])

    found = minimize(loss, np.zeros(f * classes + classes), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    weights, bias = found[:-classes].reshape(f, classes), found[-classes:]
    basis, centres, radius = _shown(x, labels, classes)
    return Linear(mean, scale, weights, bias, 1.0, basis, centres, radius)


def _shown(x: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    _, _, directions = np.linalg.svd(x - x.mean(0), full_matrices=False)
    basis = directions[:COMPONENTS].T
    spot = x @ basis
    centres = np.stack([spot[labels == k].mean(0) for k in range(classes)])
    spread = np.maximum(np.sqrt(((spot - centres[labels]) ** 2).mean(0)), 1e-6)
    basis, spot, centres = basis / spread, spot / spread, centres / spread
    distance = np.linalg.norm(spot - centres[labels], axis=1)
    radius = np.array([FARTHEST * np.quantile(distance[labels == k], 0.99) for k in range(classes)])
    return basis, centres, np.maximum(radius, 1e-3)


def temperature(logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]) -> float:
    """The one under which held-out logits are likeliest (Guo et al. 2017, section 4.2), 0.2 to 20."""
    rows = np.arange(len(labels))

    def cost(log: float) -> float:
        return -float(log_softmax(logits / np.exp(log), axis=-1)[rows, labels].mean())

    found = minimize_scalar(cost, bounds=(np.log(0.2), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))
