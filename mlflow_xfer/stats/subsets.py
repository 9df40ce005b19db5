"""What scores of subsets say about all subsets: a Bayesian linear model over tasks with pairwise terms.

    score(S, seed) = mu + sum of main effects in S + sum of pair effects in S + rest(S) + noise(seed)

Tasks are coded 0/1 from the empty set (a pair that helps "only together" is one term), effects have scales
that tasks share (main effects, pair effects, a company effect per task: what each further task in the mixture
does to it) and heavy tails (most pairs do nothing, one may do much), ``rest`` is what a subset scores beyond
the terms. The shared scales, relative to the noise, are averaged over a grid by their evidence (empirical
Bayes without a single best scale, which with 20 noisy trials is often zero); the noise has its conjugate
prior, so estimates are Student t and nothing depends on the unit of the score.

An estimate of an evaluated subset therefore shrinks its own score towards what its tasks do elsewhere: the
best of 40 noisy scores is points too high, the best estimate is not. Pure numpy; n trials and p terms cost
n^3 + n^2 p for each point of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy import special

from mlflow_xfer.stats.subset_terms import design

MAIN = (0.3, 0.8, 2.0)  # scale of main effects, relative to the noise of one seed
PAIR = (0.1, 0.4, 1.0, 2.0)  # of pair effects
COMPANY = (0.0, 0.3)  # of what one more task in the mixture does to a task's effect, and to any subset
REST = (0.1, 0.5)  # of what a subset scores beyond the terms
LARGE = ((6.0, 20.0), (6.0,), (), (2.0,))  # and these, where several seeds say how small the noise is
FLAT = 100.0  # of the mean: hardly any prior
NEGLIGIBLE = 0.005  # grid points of less weight are left out
BATCH = 4_000_000  # numbers in the matrices that are factorised together
DF = 2.0  # degrees of freedom of effects: most are near zero, a few are large
ROUNDS = 4
REPLICATED = 4  # candidates with several seeds that say how large the noise is
MANY = 300  # candidates; with more of them the grid is weighed on a random part


@dataclass(frozen=True)
class Evidence:
    """Scores of candidates.

    Args:
        tasks: [candidates, tasks] 0/1.
        mean: [candidates] over seeds.
        seeds: [candidates] how many.
        settings: [candidates, settings] numbers of about unit spread, as many columns as the model of the
            settings has (may be none).
        within: sum of squares of seeds around their candidate's mean.
    """

    tasks: np.ndarray
    mean: np.ndarray
    seeds: np.ndarray
    settings: np.ndarray
    within: float = 0.0

    @classmethod
    def of(
        cls, tasks: np.ndarray, scores: Sequence[Sequence[float]], settings: np.ndarray | None = None
    ) -> Evidence:
        """From the scores by seed of each candidate."""
        groups = [np.asarray(group, float) for group in scores]
        within = sum(float(((g - g.mean()) ** 2).sum()) for g in groups)
        settings = np.empty((len(groups), 0)) if settings is None else settings
        return cls(
            np.asarray(tasks, float),
            np.array([g.mean() for g in groups]),
            np.array([len(g) for g in groups]),
            settings,
            within,
        )


def _variances(tasks: int, settings: int, main: float, pair: float, company: float) -> np.ndarray:
    """[columns] prior variances, relative to the noise."""
    blocks = (
        (1, FLAT),
        (tasks, main),
        (tasks * (tasks - 1) // 2, pair),
        (tasks + 1, company),
        (settings, main),
    )
    return np.concatenate([np.full(size, scale**2) for size, scale in blocks])


@dataclass(frozen=True)
class _Point:
    """The posterior at one point of the grid."""

    weight: float
    scales: tuple[float, ...]  # main, pair, company, rest
    prior: np.ndarray  # [columns] variances, relative to the noise
    rest: float  # variance of the rest, relative to the noise
    white: np.ndarray  # inverse of the Cholesky factor of the scores' covariance, relative to the noise
    solved: np.ndarray  # covariance^-1 (scores - centre)


@dataclass(frozen=True)
class Posterior:
    """What is known after the evidence; all effects and scores in points."""

    evidence: Evidence
    phi: np.ndarray
    points: tuple[_Point, ...]
    shape: float
    rates: tuple[float, ...]
    centre: float

    @property
    def df(self) -> float:
        return 2 * self.shape

    @cached_property
    def noise(self) -> float:
        """Standard deviation of one seed."""
        return float(
            np.sqrt(
                sum(p.weight * rate / self.shape for p, rate in zip(self.points, self.rates, strict=True))
            )
        )

    def combine(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``(mean, sd, resolved)`` of linear combinations of the columns:
        ``resolved`` is the share of the prior variance that the scores took away.

        Args:
            directions: [combinations, columns].
        """
        moments = []
        for point, rate in zip(self.points, self.rates, strict=True):
            cross = (directions * point.prior) @ self.phi.T
            half = point.white @ cross.T
            before = (directions**2 * point.prior).sum(1)
            taken = (half**2).sum(0)
            moments.append(
                (
                    cross @ point.solved,
                    (before - taken) * rate / self.shape,
                    taken / np.where(before > 0, before, 1.0),
                )
            )
        return self._mixed(moments)

    def predict(self, tasks: np.ndarray, settings: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """``(mean, sd)`` of the scores of any candidates, what a subset scores beyond the terms aside."""
        phi = design(tasks, _no_settings(tasks) if settings is None else settings)
        mean, sd, _ = self.combine(phi)
        return self.centre + mean, sd

    def estimate(self) -> tuple[np.ndarray, np.ndarray]:
        """``(mean, sd)`` of the scores of the candidates that the evidence holds, their own rest included."""
        moments = []
        for point, rate in zip(self.points, self.rates, strict=True):
            cross = (self.phi * point.prior) @ self.phi.T + point.rest * np.eye(len(self.phi))
            half = point.white @ cross
            variance = (np.diag(cross) - (half**2).sum(0)) * rate / self.shape
            moments.append((cross @ point.solved, variance, variance))
        mean, sd, _ = self._mixed(moments)
        return self.centre + mean, sd

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Column weights [columns] drawn from the posterior (Matheron's rule:
        a draw from the prior, corrected by the evidence).
        """
        i = rng.choice(len(self.points), p=[p.weight for p in self.points])
        point = self.points[i]
        sigma = np.sqrt(self.rates[i] / rng.gamma(self.shape))
        free = sigma * np.sqrt(point.prior) * rng.standard_normal(len(point.prior))
        noise = sigma * np.sqrt(point.rest + 1 / self.evidence.seeds) * rng.standard_normal(len(self.phi))
        residual = self.evidence.mean - self.centre - self.phi @ free - noise
        return free + point.prior * (self.phi.T @ (point.white.T @ (point.white @ residual)))

    def _mixed(
        self, moments: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weights = np.array([p.weight for p in self.points])
        means, variances, shares = (np.array(parts) for parts in zip(*moments, strict=True))
        mean = weights @ means
        return mean, np.sqrt(np.maximum(weights @ (variances + (means - mean) ** 2), 0)), weights @ shares

    def half_width(self, sd: np.ndarray, level: float = 0.95) -> np.ndarray:
        return sd * float(special.stdtrit(max(self.df, 1.0), 0.5 + level / 2))


def _no_settings(tasks: np.ndarray) -> np.ndarray:
    return np.empty((len(tasks), 0))


def fit(evidence: Evidence, rounds: int = ROUNDS, floor: float = 1e-5) -> Posterior:
    """The posterior given the scores; at least one candidate.

    Args:
        rounds: of adapting each effect's own scale; 0: all effects of a kind share theirs (normal priors, 4
            times faster).
        floor: the least that the noise of one seed is guessed to be before the scores, in their unit: scores
            that all tie say nothing of it.
    """
    grid = _grid(replicates=bool((evidence.seeds > 1).sum() >= REPLICATED))
    if len(evidence.mean) > MANY:
        part = np.random.default_rng(0).permutation(len(evidence.mean))[:MANY]
        sample = Evidence(
            evidence.tasks[part],
            evidence.mean[part],
            evidence.seeds[part],
            evidence.settings[part],
            evidence.within,
        )
        best = sorted(_fit(sample, grid, rounds, floor).points, key=lambda point: -point.weight)[:3]
        grid = np.array([point.scales for point in best])
    return _fit(evidence, grid, rounds, floor)


def _grid(replicates: bool) -> np.ndarray:
    """[points, 4] main, pair, company, rest.
    Without replicates large effects and no noise look like small effects and noise: not offered then.
    """
    scales = (MAIN, PAIR, COMPANY, REST)
    if replicates:
        scales = tuple((*usual, *large) for usual, large in zip(scales, LARGE, strict=True))
    return np.array(list(product(*scales)))


def _fit(evidence: Evidence, grid: np.ndarray, rounds: int, floor: float) -> Posterior:
    """The posterior averaged over ``grid`` [points, 4]: main, pair, company, rest."""
    phi = design(evidence.tasks, evidence.settings)
    n, sizes = len(phi), (evidence.tasks.shape[1], evidence.settings.shape[1])
    centre = float(np.average(evidence.mean, weights=evidence.seeds))
    y = evidence.mean - centre
    replicates = int(evidence.seeds.sum()) - n
    guess = float(evidence.within / replicates) if replicates else float(np.var(y)) / 2
    shape = 0.5 + (n - 1 + replicates) / 2  # one observation's prior weight on the guess
    spread = evidence.within + max(guess, floor**2)
    log, fits = np.empty(len(grid)), {}
    for at in _batches(len(grid), n):
        log[at], *parts = _solve(phi, y, evidence.seeds, sizes, grid[at], shape, spread, rounds)
        best = log[: at.stop].max()
        fits |= {
            i: tuple(part[i - at.start] for part in parts)
            for i in range(at.start, at.stop)
            if log[i] > best + np.log(NEGLIGIBLE)
        }
    weights = np.exp(log - log.max())
    kept = np.flatnonzero(weights > NEGLIGIBLE)
    weights /= weights[kept].sum()
    points = []
    for i in kept:
        rate, prior, white = fits[i]
        points.append(
            _Point(float(weights[i]), tuple(grid[i]), prior, grid[i, 3] ** 2, white, white.T @ (white @ y))
        )
    return Posterior(evidence, phi, tuple(points), shape, tuple(fits[i][0] for i in kept), centre)


def _batches(points: int, n: int) -> list[slice]:
    size = max(BATCH // n**2, 1)
    return [slice(i, min(i + size, points)) for i in range(0, points, size)]


def _solve(
    phi: np.ndarray,
    y: np.ndarray,
    seeds: np.ndarray,
    sizes: tuple[int, int],
    grid: np.ndarray,
    shape: float,
    spread: float,
    rounds: int,
) -> tuple[np.ndarray, ...]:
    """``(log evidence [points], rates [points], prior variances [points,
    columns], whitening matrices [points, n, n])``.

    Each main and pair effect is Student t: normal with a precision of its own, Gamma(DF / 2, DF / 2) times
    the shared one. Mean-field variational Bayes over those precisions (Tipping & Lawrence 2005), whose lower
    bound stands in for the log evidence.
    """
    base = np.array([_variances(*sizes, *scales[:3]) for scales in grid])
    own = np.zeros(base.shape[1], bool)
    own[1 : 1 + sizes[0] + sizes[0] * (sizes[0] - 1) // 2] = rounds > 0
    noise = grid[:, 3, None, None] ** 2 * np.eye(len(phi)) + np.diag(1 / seeds)
    precision = np.ones_like(base)
    for left in range(rounds, -1, -1):
        prior = base / precision
        white = np.linalg.inv(np.linalg.cholesky((phi * prior[:, None, :]) @ phi.T + noise))
        scaled = white @ y
        rates = ((scaled**2).sum(1) + spread) / 2
        if left:
            design_ = white @ phi
            mean = prior * (scaled[:, None, :] @ design_)[:, 0]
            variance = np.maximum(prior - prior**2 * (design_**2).sum(1), 0)
            squares = mean**2 * (shape / rates)[:, None] + variance
            precision = np.where(own, (DF + 1) / (DF + squares / np.maximum(base, 1e-12)), 1.0)
    log = np.log(np.diagonal(white, axis1=1, axis2=2)).sum(1) - shape * np.log(rates)
    if rounds:
        log += np.where(own, _bound(precision), 0.0).sum(1)
    return log, rates, prior, white


def _bound(precision: np.ndarray) -> np.ndarray:
    """What the precisions add to the lower bound:
    minus their divergence from the prior, and E log - log E.
    """
    a, prior = (DF + 1) / 2, DF / 2
    b = a / precision
    expected_log = special.digamma(a) - np.log(b)
    divergence = (
        (a - prior) * expected_log
        - (b - prior) * precision
        + a * np.log(b)
        - special.gammaln(a)
        - prior * np.log(prior)
        + special.gammaln(prior)
    )
    return 0.5 * (expected_log - np.log(precision)) - divergence
