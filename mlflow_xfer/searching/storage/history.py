"""What Optuna's storage says has been tried:
which trials count, which candidates are taken, which values are known.

Only the storage speaks here, so a search that is continued sees exactly what the undisturbed one saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.space import Space

SPACE = (
    "xfer.space"  # study: canonical JSON of pool, ranges, objective, seeds: what makes a search this search
)
KEY, TASKS, SETTINGS = "xfer.key", "xfer.tasks", "xfer.settings"
BY_SEED, COST, SAVED = "xfer.by_seed", "xfer.cost", "xfer.saved"
RUNGS = "xfer.rungs"  # of the cost, what short chains took
NAIVE, ALONE = (
    "xfer.naive",
    "xfer.alone",
)  # of a pruned trial, what the whole would have cost: a chain for each target, or shared between them
DUPLICATE_OF, RETRIED_FROM, ERROR, RUN_ID, PRUNED_AT = (
    "xfer.duplicate_of",
    "xfer.retried_from",
    "xfer.error",
    "xfer.run_id",
    "xfer.pruned_at",
)
FORETELLING = 2  # finished trials from which the rise after a probe is read
LEFT = "xfer.left"  # its process died or was interrupted; the trial that retries it goes on in its run
# how far it is, where it runs in the process that asks; [deaths since then, how far it had been]
REACHED, DEATHS = "xfer.reached", "xfer.deaths"
DISCARDED = "xfer.discarded"  # asked for when nothing was left to do; counts as nothing


@dataclass(frozen=True)
class History:
    """Trials of a study, by number.

    Args:
        retries: the trials among which retries are looked for; None: ``trials``.
    """

    trials: Sequence[FrozenTrial]
    retries: Sequence[FrozenTrial] | None = None

    @classmethod
    def of(cls, study: optuna.Study) -> History:
        return cls(sorted(study.get_trials(deepcopy=False), key=lambda trial: trial.number))

    @cached_property
    def replaced(self) -> frozenset[int]:
        """Numbers of the trials that died, or failed in an earlier command, and were queued again."""
        return frozenset(
            t.user_attrs[RETRIED_FROM] for t in (self.retries or self.trials) if RETRIED_FROM in t.user_attrs
        )

    @cached_property
    def live(self) -> list[FrozenTrial]:
        """Trials that mean something: not replaced by a retry, not asked for in vain."""
        return [t for t in self.trials if t.number not in self.replaced and DISCARDED not in t.user_attrs]

    @cached_property
    def counted(self) -> list[FrozenTrial]:
        """Trials that the budget pays for: duplicates cost nothing."""
        return [t for t in self.live if DUPLICATE_OF not in t.user_attrs]

    @cached_property
    def taken(self) -> dict[str, FrozenTrial]:
        """The trial that runs or ran each candidate, by key."""
        trials: dict[str, FrozenTrial] = {}
        for trial in self.counted:
            if KEY in trial.user_attrs:
                trials.setdefault(trial.user_attrs[KEY], trial)
        return trials

    @cached_property
    def finished(self) -> list[FrozenTrial]:
        return [t for t in self.counted if t.state.is_finished()]

    def before(self, number: int) -> History:
        """What was asked for earlier than trial ``number``:
        several workers ask in the order of their numbers.
        """
        return History(
            [t for t in self.trials if t.number < number or t.state == TrialState.WAITING], self.trials
        )

    def duplicates_in_a_row(self) -> int:
        in_a_row = 0
        for trial in reversed(self.live):
            if trial.state == TrialState.WAITING:
                continue
            if DUPLICATE_OF not in trial.user_attrs:
                break
            in_a_row += 1
        return in_a_row


def candidate_of(trial: FrozenTrial, space: Space) -> Candidate | None:
    """The candidate of a stored trial; None if it was never given one."""
    if KEY not in trial.user_attrs:
        return None
    settings = tuple(
        (name, tuple(v) if isinstance(v, list) else v) for name, v in trial.user_attrs.get(SETTINGS, [])
    )
    return Candidate(tuple(trial.user_attrs.get(TASKS, ())), settings, space.ordered)


@dataclass(frozen=True)
class Finished:
    """A trial that has scores.

    Args:
        values: one per objective, mean over its seeds.
        by_seed: [seed][objective]; a pruned trial has the seeds that it finished.
        foretold: its value was not reached but foretold, from the last probe before it was pruned.
        cost, saved: what it newly spent, and what reuse saved it: ``optimizer_steps``, ``tokens``,
            ``seconds``.
    """

    candidate: Candidate
    values: tuple[float, ...]
    by_seed: tuple[tuple[float, ...], ...] = ()
    pruned: bool = False
    number: int = -1
    cost: Mapping[str, float] = field(default_factory=dict)
    saved: Mapping[str, float] = field(default_factory=dict)
    foretold: bool = False


def finished_trials(trials: History | optuna.Study, space: Space) -> list[Finished]:
    """The trials with scores: complete ones, pruned ones that finished a seed,
    and pruned ones whose probes foretell one; duplicates are not listed again.
    """
    history = trials if isinstance(trials, History) else History.of(trials)
    finished, rises = [], _rises(history)
    for trial in history.finished:
        by_seed = tuple(tuple(map(float, row)) for row in trial.user_attrs.get(BY_SEED, []))
        if trial.state == TrialState.COMPLETE:
            by_seed = by_seed or (tuple(trial.values),)
        elif trial.state != TrialState.PRUNED:
            continue
        foretold = trial.state == TrialState.PRUNED and not by_seed
        if foretold:
            by_seed = tuple(
                (trial.intermediate_values[step] + rises[step],)
                for step in sorted(trial.intermediate_values)[-1:]
                if step in rises
            )
        candidate = candidate_of(trial, space)
        if candidate is not None and by_seed:
            values = tuple(sum(column) / len(by_seed) for column in zip(*by_seed, strict=True))
            finished.append(
                Finished(
                    candidate,
                    values,
                    by_seed,
                    trial.state == TrialState.PRUNED,
                    trial.number,
                    trial.user_attrs.get(COST, {}),
                    trial.user_attrs.get(SAVED, {}),
                    foretold,
                )
            )
    return finished


def _rises(history: History) -> dict[int, float]:
    """By step of a probe, how far the value of the trials that came to their end lies above it in the mean;
    steps that few of them share are left out.

    Those trials were let through because their probes were high, some of them by luck, so what is foretold of
    the others is rather too low.
    """
    complete = [
        t for t in history.finished if t.state == TrialState.COMPLETE and t.values and len(t.values) == 1
    ]
    gaps: dict[int, list[float]] = {}
    for trial in complete:
        for step, value in trial.intermediate_values.items():
            gaps.setdefault(step, []).append(trial.values[0] - value)
    return {
        step: sum(differences) / len(differences)
        for step, differences in gaps.items()
        if len(differences) >= FORETELLING
    }


def described(candidate: Candidate) -> dict[str, Any]:
    """The trial attributes that name a candidate."""
    return {
        KEY: candidate.key,
        TASKS: list(candidate.tasks),
        SETTINGS: [list(pair) for pair in candidate.settings],
    }


def why_ended(attrs: Mapping[str, Any]) -> str:
    """In words, why a trial with these attributes has no score of its own."""
    if ERROR in attrs:
        return f"failed: {str(attrs[ERROR]).splitlines()[0]}"
    if PRUNED_AT not in attrs:
        return ""
    at = attrs[PRUNED_AT]
    if at["stage"] == "seed":
        return f"stopped after {at['step']} seeds: further ones would not have made it the best"
    return f"stopped after {at['step']} % of its training: its probe was among the low ones at that step"


def requeue(
    study: optuna.Study, space: Space, trial: FrozenTrial, error: str, deaths: Sequence[Any] = ()
) -> None:
    """Queue the candidate of an unfinished trial again,
    marked ``xfer.retried_from``, and fail the trial itself, marked ``xfer.left``.

    In this order, so that a kill in between loses nothing; doing it twice queues once.
    """
    trials = study.get_trials(deepcopy=False)
    candidate = candidate_of(trial, space)
    queued = trial.system_attrs.get("fixed_params")  # of a user's wish that nobody has looked at yet
    if (candidate or queued) and not any(t.user_attrs.get(RETRIED_FROM) == trial.number for t in trials):
        params, attrs = (space.params(candidate), described(candidate)) if candidate else (queued or {}, {})
        carried = {RUN_ID: trial.user_attrs.get(RUN_ID), DEATHS: deaths or trial.user_attrs.get(DEATHS)}
        attrs |= {name: value for name, value in carried.items() if value} | {RETRIED_FROM: trial.number}
        study.enqueue_trial(params, user_attrs=attrs)
    if not trial.state.is_finished():
        study._storage.set_trial_user_attr(trial._trial_id, LEFT, True)
        study._storage.set_trial_user_attr(trial._trial_id, ERROR, error)
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
