"""From finished trials to an answer: denoised estimates, the best few, who wins the confirmation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.ranges import Range
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.storage.history import Finished
from mlflow_xfer.stats import subsets
from mlflow_xfer.stats.subsets import Evidence, Posterior

TOP = 100.0  # of the scale: a model of sums can promise more, which is worth no further task
FLOOR = 0.5  # points of noise at least, also where all trials tie: one example of 200
LISTED = 5_000  # candidates of a space that are all predicted
RESOLVED = (
    0.5  # share of the prior variance that the scores must resolve before an effect counts as identified
)


@dataclass(frozen=True)
class Choice:
    """A candidate as the search sees it.

    Args:
        estimate, low, high: denoised score with its interval, in points; 0-100 objectives.
        n: seeds that it was scored on; 0 = never run, or pruned: predicted from its tasks and, where there is
            one, its last probe.
        score: mean of its own scores; NaN if it has none.
        cost: of running it from nothing (spent + saved), as its trial counted it; NaN if unknown. Unit:
            tokens.
    """

    candidate: Candidate
    estimate: float
    low: float
    high: float
    n: int
    score: float
    cost: float = math.nan


@dataclass(frozen=True)
class Scores:
    """Trials, one row per candidate, as the model reads them."""

    space: Space
    candidates: tuple[Candidate, ...]
    by_seed: tuple[tuple[tuple[float, ...], ...], ...]  # [candidate][seed][objective]

    @classmethod
    def of(cls, trials: Sequence[Finished], space: Space | None = None) -> Scores:
        pool = sorted({task for trial in trials for task in trial.candidate.tasks})
        rows: dict[str, tuple[Candidate, list]] = {}
        for trial in trials:
            rows.setdefault(trial.candidate.key, (trial.candidate, []))[1].extend(
                trial.by_seed or (trial.values,)
            )
        space = space or Space(
            tuple(pool), combine="sequential" if any(t.candidate.ordered for t in trials) else "joint"
        )
        return cls(space, tuple(c for c, _ in rows.values()), tuple(tuple(s) for _, s in rows.values()))

    def posterior(self, objective: int = 0, rounds: int = subsets.ROUNDS) -> Posterior:
        tasks, settings = encode(self.candidates, self.space)
        scores = [[row[objective] for row in rows] for rows in self.by_seed]
        return subsets.fit(Evidence.of(tasks, scores, settings), rounds, FLOOR)


def encode(candidates: Sequence[Candidate], space: Space) -> tuple[np.ndarray, np.ndarray]:
    """``([candidates, tasks] 0/1, [candidates, columns])``:
    settings on their scale from -1 to 1, and squared; positions, if order matters.
    """
    tasks = np.array([[name in c.tasks for name in space.pool] for c in candidates], float).reshape(
        len(candidates), len(space.pool)
    )
    columns = [column for r in space.ranges if not r.fixed for column in _setting(r, candidates)]
    if space.ordered:
        places = [
            {name: i / max(len(c.tasks) - 1, 1) - 0.5 for i, name in enumerate(c.tasks)} for c in candidates
        ]
        columns += [np.array([place.get(name, 0.0) for place in places]) for name in space.pool]
    return tasks, np.column_stack(columns) if columns else np.empty((len(candidates), 0))


def _setting(r: Range, candidates: Sequence[Candidate]) -> list[np.ndarray]:
    values = [dict(c.settings).get(r.name, _Absent) for c in candidates]
    if r.choices:
        return [np.array([float(v == choice) for v in values]) for choice in r.choices[1:]]
    low, high = (math.log(v) if r.log else v for v in r.bounds)
    scaled = np.array(
        [
            0.0 if v is _Absent else 2 * ((math.log(v) if r.log else v) - low) / (high - low) - 1
            for v in values
        ]
    )
    return [
        scaled,
        np.array([0.0 if v is _Absent else x * x - 1 / 3 for v, x in zip(values, scaled, strict=True)]),
    ]


class _Absent:
    """In place of a setting that does not exist for a candidate."""


def choose(
    trials: Sequence[Finished],
    k: int,
    *,
    space: Space | None = None,
    objective: int = 0,
    unseen: bool = False,
    level: float = 0.95,
    tied: float | None = None,
) -> list[Choice]:
    """The ``k`` candidates with the best denoised estimates, best first;
    never the baseline, which is compared with them anyway.

    Of those at the top of the scale, which a saturated dev set cannot tell apart, the ones with the fewest
    tasks.

    Args:
        space: of the search; needed for settings and for ``unseen``.
        objective: index of the objective, if there are several.
        unseen: also candidates that were never run (in a space that can be listed): confirmation runs them
            afresh like the others.
        tied: beside each that is chosen, also the smallest of its subsets that was run and whose estimate, or
            whose own score, is at most so far below; None: no further ones.
    """
    if not any(trial.candidate.tasks for trial in trials):
        return []
    scores = Scores.of(trials, space)
    posterior = scores.posterior(objective)
    found = _estimated(trials, scores, posterior, objective, level)
    if unseen and space is not None and (space.count() or math.inf) <= LISTED:
        found += _predicted(scores, posterior, level)
    found = [choice for choice in found if choice.candidate.tasks]
    found.sort(
        key=lambda choice: (-min(choice.estimate, TOP), len(choice.candidate.tasks), choice.candidate.key)
    )
    chosen = found[:k]
    if tied is None:
        return chosen
    for one in found[:k]:
        smaller = [
            other
            for other in found
            if other.n and set(other.candidate.tasks) < set(one.candidate.tasks) and _gap(one, other) <= tied
        ]
        least = min(smaller, key=lambda choice: len(choice.candidate.tasks), default=one)
        if least not in chosen:
            chosen.append(least)
    return chosen


def _gap(one: Choice, smaller: Choice) -> float:
    """How far a smaller set is below another one, in points: in estimates or in scores, whichever is less.

    A dev set that both have right tells nothing of the tasks that the smaller one lacks, though the estimates
    of sums differ.
    """
    known = one.score if one.n else min(one.estimate, TOP)
    return min(min(one.estimate, TOP) - min(smaller.estimate, TOP), known - smaller.score)


def baseline(trials: Sequence[Finished], *, space: Space | None = None, objective: int = 0) -> Choice | None:
    """The candidate without intermediate tasks;
    of several (open settings of the target) the one with the best estimate.
    """
    found = [
        choice for choice in estimates(trials, space=space, objective=objective) if not choice.candidate.tasks
    ]
    return max(found, key=lambda choice: choice.estimate, default=None)


def estimates(
    trials: Sequence[Finished], *, space: Space | None = None, objective: int = 0, level: float = 0.95
) -> list[Choice]:
    """Every candidate that was run, with its denoised score, in the order of the trials."""
    if not trials:
        return []
    scores = Scores.of(trials, space)
    return _estimated(trials, scores, scores.posterior(objective), objective, level)


def _estimated(
    trials: Sequence[Finished], scores: Scores, posterior: Posterior, objective: int, level: float
) -> list[Choice]:
    mean, sd = posterior.estimate()
    half, costs = posterior.half_width(sd, level), full_costs(trials)
    own: dict[str, list[float]] = {}
    for trial in trials:
        if not trial.foretold:
            own.setdefault(trial.candidate.key, []).extend(
                row[objective] for row in trial.by_seed or (trial.values,)
            )
    return [
        Choice(
            c,
            float(mean[i]),
            float(mean[i] - half[i]),
            float(mean[i] + half[i]),
            len(seen := own.get(c.key, [])),
            float(np.mean(seen)) if seen else math.nan,
            costs.get(c.key, math.nan),
        )
        for i, c in enumerate(scores.candidates)
    ]


def _predicted(scores: Scores, posterior: Posterior, level: float) -> list[Choice]:
    run = {c.key for c in scores.candidates}
    others = [c for c in scores.space.candidates() if c.key not in run]
    if not others:
        return []
    mean, sd = posterior.predict(*encode(others, scores.space))
    half = posterior.half_width(sd, level)
    return [
        Choice(c, float(m), float(m - h), float(m + h), 0, math.nan)
        for c, m, h in zip(others, mean, half, strict=True)
    ]


def full_costs(trials: Sequence[Finished], what: str = "tokens") -> dict[str, float]:
    """What each candidate costs from nothing: newly spent and saved by reuse, by key."""
    return {
        t.candidate.key: float(t.cost.get(what, 0.0)) + float(t.saved.get(what, 0.0))
        for t in trials
        if not t.pruned and (what in t.cost or what in t.saved)
    }


def winner(
    choices: Sequence[Choice], confirmed: Mapping[str, Sequence[float]], margin: float = 0.0
) -> Choice:
    """Which of the confirmed candidates to name.

    Both kinds of evidence count, weighed by their precision: the fresh seeds alone would pick the luckiest of
    ``k`` again, and the interval of that one would be too high.

    Args:
        margin: smallest difference that matters: of those less than this below the best, the one with the
            fewest tasks is named.
        confirmed: scores on fresh seeds of the objective that selects (not of the test set), by candidate
            key.
    """
    groups = [np.asarray(confirmed[c.candidate.key], float) for c in choices]
    df = sum(len(g) - 1 for g in groups)
    noise = sum(float(((g - g.mean()) ** 2).sum()) for g in groups) / df if df else math.nan

    def combined(choice: Choice, fresh: np.ndarray) -> float:
        prior = max((choice.high - choice.low) / 4, 1e-6) ** 2
        if not df or not noise:
            return float(fresh.mean())
        weight, estimate = prior / (prior + noise / len(fresh)), min(choice.estimate, TOP)
        return estimate + weight * (float(fresh.mean()) - estimate)

    worth = [combined(choice, group) for choice, group in zip(choices, groups, strict=True)]
    near = [i for i, value in enumerate(worth) if value >= max(worth) - margin]
    return choices[min(near, key=lambda i: (len(choices[i].candidate.tasks) if margin else 0, -worth[i]))]
