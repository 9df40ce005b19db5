"""How well frozen features foretell a task, without training anything: LogME, H-score, cosine.

Pure numpy. Both scores need only the singular values of the features and where the labels lie among their
left singular vectors, so a thousand examples cost milliseconds once they are embedded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlflow_xfer.errors import XferError

RATIOS = np.log(1e-12), np.log(1e6)
"""Where the best ratio of prior to noise precision is looked for,
relative to the largest eigenvalue of F'F.
"""

GRID, ZOOMS, ZOOM = 61, 5, 15


@dataclass(frozen=True)
class Fit:
    """Bayesian ridge regression at the hyperparameters of greatest evidence.

    Attributes:
        evidence: log evidence per row (nats).
        alpha, beta: precision of the prior on weights and of the noise.
        weights: posterior mean [D].
    """

    evidence: float
    alpha: float
    beta: float
    weights: np.ndarray


def logme(features: np.ndarray, labels: np.ndarray) -> float:
    """LogME (You et al. 2021, 2102.11005):
    log evidence per row of linear models for the labels, mean over classes.

    Args:
        features: [n, D]; used as they are, without centring and without an intercept, as published.
        labels: [n] class of each row, of any type; one regression for each class, against the rest.

    Raises:
        XferError: fewer than two classes or rows, values that are not finite, or lengths that differ.
    """
    return float(np.mean([fit.evidence for fit in fits(features, labels)]))


def fits(features: np.ndarray, labels: np.ndarray) -> list[Fit]:
    """The regression of each class against the rest, in the order of ``np.unique(labels)``.
    Raises as :func:`logme`.
    """
    features, onehot = _checked(features, labels)
    n = len(features)
    sizes, places, outside, right = _decomposed(features, onehot)
    return [_fit(sizes, places[:, c], outside[c], right, n) for c in range(onehot.shape[1])]


def probe(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weights [D, classes] that read the classes out of the features: the posterior means of :func:`fits`."""
    return np.stack([fit.weights for fit in fits(features, labels)], axis=1)


def _fit(sizes: np.ndarray, place: np.ndarray, outside: float, right: np.ndarray, n: int) -> Fit:
    """Maximises the evidence over alpha and beta.

    For a given ratio t = alpha / beta the best beta is ``n / q(t)`` with ``q = |Fm - y|^2 + t m'm``, which
    leaves one dimension. It is searched on a grid and then closer: the published fixed-point iteration ends
    at the same points, but stops after 11 rounds and can stop at a lower one of several.
    """
    squares, energy = sizes**2, place**2
    largest = squares.max(initial=0.0)
    floor = np.finfo(float).eps * (outside + energy.sum())  # a perfect fit has no greatest evidence

    def profile(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log evidence and the best beta, at each ln(t)."""
        t = np.exp(logs)[:, None]
        q = np.maximum(outside + (t / (squares + t)) @ energy, floor)
        return n / 2 * (np.log(n / q) - math.log(2 * math.pi) - 1) - np.log1p(squares / t).sum(
            axis=1
        ) / 2, n / q

    low, high = (bound + math.log(largest) for bound in RATIOS) if largest > 0 else RATIOS
    logs = np.linspace(low, high, GRID)
    for _ in range(ZOOMS):
        best, step = logs[np.argmax(profile(logs)[0])], logs[1] - logs[0]
        logs = np.linspace(best - step, best + step, ZOOM)
    values, betas = profile(logs)
    at = int(np.argmax(values))
    t, beta = math.exp(logs[at]), float(betas[at])
    return Fit(float(values[at]) / n, t * beta, beta, right.T @ (sizes / (squares + t) * place))


def h_score(features: np.ndarray, labels: np.ndarray) -> float:
    """H-score ``tr(cov(F)^-1 cov(E[F|y]))`` (Bao et al.
    2019) with the covariance shrunk by Ledoit and Wolf (2004).

    The covariance between classes counts ``1 - shrinkage`` times, as Ibrahim et al. (2021) have it: without
    shrinkage the score grows with D whatever the labels are. Between 0 and classes - 1. Raises as
    :func:`logme`.
    """
    features, onehot = _checked(features, labels)
    centred = features - features.mean(axis=0)
    n = len(centred)
    sizes, places, _, _ = _decomposed(centred, onehot)
    spread = sizes**2 / n  # eigenvalues of the covariance
    share, mean = _shrinkage(spread, (centred**2).sum(axis=1), features.shape[1], n)
    shrunk = (1 - share) * spread + share * mean
    # The class means lie in the span of the rows: along singular vector i, S_i (U'Y)_ic / n_c.
    between = spread * (places**2 / onehot.sum(axis=0)).sum(axis=1)
    return float((1 - share) * (between / shrunk).sum())


def _shrinkage(spread: np.ndarray, lengths: np.ndarray, width: int, n: int) -> tuple[float, float]:
    """(share of the identity, its scale) from the covariance's eigenvalues and the rows' squared lengths."""
    mean, power = spread.sum() / width, (spread**2).sum()
    distance = power / width - mean**2
    noise = ((lengths**2).sum() / n - power) / (width * n)
    return (float(min(max(noise, 0.0), distance) / distance) if distance > 0 else 0.0), float(mean)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two vectors; 0 where one of them has no length."""
    a, b = (np.asarray(x, float).ravel() for x in (a, b))
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / length) if length > 0 else 0.0


def _checked(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 features [n, D] and one column of 0 and 1 for each class [n, classes]."""
    features, labels = np.asarray(features, float), np.asarray(labels)
    if features.ndim != 2 or labels.ndim != 1 or len(features) != len(labels):
        raise XferError(
            f"Features {features.shape} and labels {labels.shape} do not belong together.",
            "Expected [n, D] and [n].",
        )
    if not np.isfinite(features).all():
        raise XferError("Features hold values that are not finite.", "Is the model's training diverged?")
    classes, index = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise XferError(
            f"Labels of {len(classes)} class{'es' * (len(classes) != 1)} tell nothing apart.",
            "Give rows of at least two classes.",
        )
    return features, np.eye(len(classes))[index]


def _decomposed(
    features: np.ndarray, onehot: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Singular values S [r] of F = U S V', U'Y [r, classes],
    squared length of Y outside U [classes], V' [r, D].

    From the smaller of F'F and FF', several times faster than a singular value decomposition. It blurs
    singular values below 1e-8 of the largest, which are left out: features come in single precision and hold
    nothing there.
    """
    n, width = features.shape
    squares, vectors = np.linalg.eigh(features.T @ features if n > width else features @ features.T)
    kept = squares > np.finfo(float).eps * max(n, width) * max(squares.max(initial=0.0), 0.0)
    sizes, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    if n > width:
        right = vectors.T
        places = (right @ (features.T @ onehot)) / sizes[:, None]
    else:
        places = vectors.T @ onehot
        right = (vectors.T @ features) / sizes[:, None]
    return sizes, places, np.maximum(onehot.sum(axis=0) - (places**2).sum(axis=0), 0.0), right
