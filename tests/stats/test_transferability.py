"""LogME and H-score against their definitions written out, and what is published of their behaviour."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import optimize

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.transferability import cosine, fits, h_score, logme, probe


def clouds(n: int, width: int, classes: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return rng.standard_normal((n, width)) + apart * rng.standard_normal((classes, width))[labels], labels


def log_evidence(features: np.ndarray, y: np.ndarray, alpha: float, beta: float) -> float:
    """log N(y | 0, I / beta + F F' / alpha) per row, from the dense n x n covariance."""
    n = len(y)
    covariance = np.eye(n) / beta + features @ features.T / alpha
    return (
        float(
            -(
                np.linalg.slogdet(covariance)[1]
                + y @ np.linalg.solve(covariance, y)
                + n * math.log(2 * math.pi)
            )
            / 2
        )
        / n
    )


@pytest.mark.parametrize(("n", "width"), [(40, 6), (12, 30), (20, 20), (21, 20)])
def test_logme_is_the_greatest_evidence(n, width):
    features, labels = clouds(n, width, 3, 0.7, seed=n)
    found = fits(features, labels)
    for c, fit in enumerate(found):
        y = (labels == c).astype(float)
        assert fit.evidence == pytest.approx(log_evidence(features, y, fit.alpha, fit.beta), abs=1e-8)
        starts = [(0, 1), (5, 3)]
        brute = min(
            optimize.minimize(
                lambda x, y=y: -log_evidence(features, y, *np.exp(np.clip(x, -25, 25))),
                start,
                method="Nelder-Mead",
                options={"xatol": 1e-6, "fatol": 1e-10},
            ).fun
            for start in starts
        )
        assert fit.evidence == pytest.approx(-brute, abs=2e-5)
    assert logme(features, labels) == pytest.approx(np.mean([fit.evidence for fit in found]))


def test_the_published_iteration_stands_still_there():
    features, labels = clouds(60, 8, 2, 0.5)
    y = (labels == 1).astype(float)
    fit = fits(features, labels)[1]
    s = np.linalg.eigvalsh(features.T @ features)
    m = fit.beta * np.linalg.solve(fit.alpha * np.eye(8) + fit.beta * features.T @ features, features.T @ y)
    gamma = (fit.beta * s / (fit.alpha + fit.beta * s)).sum()
    assert fit.weights == pytest.approx(m, abs=1e-8)
    assert gamma / (m @ m) == pytest.approx(fit.alpha, rel=2e-3)
    assert (60 - gamma) / ((features @ m - y) ** 2).sum() == pytest.approx(fit.beta, rel=2e-3)


def test_invariances_and_order():
    features, labels = clouds(200, 20, 3, 0.6)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0]
    for score in (logme, h_score):
        plain = score(features, labels)
        assert score(1e3 * features @ turn, labels) == pytest.approx(
            plain, abs=1e-6
        )  # rotation and scale say nothing
        assert score(features, np.array(["b", "c", "a"])[labels]) == pytest.approx(
            plain
        )  # nor do the classes' names
        assert score(np.hstack([features, np.zeros((200, 5))]), labels) == pytest.approx(plain, rel=0.05)
        strengths = [score(*clouds(200, 20, 3, apart)) for apart in (0.0, 0.3, 0.6, 1.2)]
        assert strengths == sorted(strengths)
        assert score(features, np.random.default_rng(2).permutation(labels)) < plain


@pytest.mark.parametrize(("n", "width"), [(50, 8), (15, 40)])
def test_h_score_and_its_shrinkage_by_definition(n, width):
    features, labels = clouds(n, width, 3, 0.8)
    centred = features - features.mean(axis=0)
    plain = centred.T @ centred / n
    mean = np.trace(plain) / width
    distance = ((plain - mean * np.eye(width)) ** 2).sum()
    noise = sum(((np.outer(x, x) - plain) ** 2).sum() for x in centred) / n**2
    share = min(noise, distance) / distance
    assert 0 < share < 1
    means = np.stack([centred[labels == label].mean(axis=0) for label in labels])
    by_hand = np.trace(
        np.linalg.inv((1 - share) * plain + share * mean * np.eye(width))
        @ ((1 - share) * means.T @ means / n)
    )
    assert h_score(features, labels) == pytest.approx(by_hand)


def test_h_score_of_features_that_are_the_classes():
    labels = np.repeat(np.arange(3), 100)
    assert (
        1.9
        < h_score(np.eye(3)[labels] + 1e-3 * np.random.default_rng(0).standard_normal((300, 3)), labels)
        <= 2.0
    )  # classes - 1


def test_chance_does_not_grow_with_the_width():
    """What shrinkage is for: without it, 320 random features of 400 rows foretell any labels."""
    features, labels = clouds(400, 320, 2, 0.0)
    means = np.stack([features[labels == label].mean(axis=0) for label in (0, 1)])
    assert (
        np.trace(np.linalg.inv(np.cov(features.T)) @ np.cov(means[labels].T)) > 0.7
        and h_score(features, labels) < 0.02
    )
    narrow, wide = (
        np.mean([logme(*clouds(400, width, 2, 0.0, seed)) for seed in range(5)]) for width in (40, 320)
    )
    assert wide == pytest.approx(narrow, abs=0.02)


def test_a_perfect_fit_and_useless_features_stay_finite():
    labels = np.arange(30) % 2
    perfect, none = logme(np.eye(2)[labels], labels), logme(np.zeros((30, 4)), labels)
    assert math.isfinite(perfect) and perfect > 10
    assert none == pytest.approx(
        -(math.log(2 * math.pi * 0.5) + 1) / 2
    )  # N(y | 0, 1 / beta) with beta = n / y'y
    assert h_score(np.zeros((30, 4)), labels) == 0.0


def test_a_probe_reads_the_classes():
    features, labels = clouds(400, 10, 3, 1.5)
    assert ((features @ probe(features, labels)).argmax(1) == labels).mean() > 0.9


def test_cosine():
    assert cosine([1, 0], [1, 1]) == pytest.approx(math.sqrt(0.5))
    assert cosine([2, 4], [1, 2]) == pytest.approx(1) and cosine([0, 0], [1, 2]) == 0


@pytest.mark.parametrize("score", [logme, h_score])
def test_what_tells_nothing_is_refused(score):
    features = np.ones((4, 2))
    with pytest.raises(XferError, match="Labels of 1 class tell nothing apart"):
        score(features, np.zeros(4))
    with pytest.raises(XferError, match="do not belong together"):
        score(features, np.zeros(5))
    with pytest.raises(XferError, match="not finite"):
        score(features * np.nan, np.arange(4))


@pytest.mark.parametrize("score", [logme, h_score])
def test_a_thousand_texts_take_less_than_a_second(score):
    features, labels = clouds(1000, 768, 5, 0.2)
    began = time.process_time()
    score(features, labels)
    assert time.process_time() - began < 1.0
