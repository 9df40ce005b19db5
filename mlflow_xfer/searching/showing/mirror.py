"""What MLflow shows of a search: a run for each trial, and a row for each candidate with its seeds collapsed.

Optuna's storage is the truth. Everything here can be made again from the study alone
(:meth:`Mirror.catch_up`): a trial's run is found by its number, a candidate's row by its key, so that nothing
is made twice. Names are ``t007 mnli+squad s1``; parameters are few, because they are the axes of MLflow's
compare views: the subset as text, and the settings that the space varies.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.conditions.comparison import ends, mean_interval
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.markdown import plain
from mlflow_xfer.reporting.columns import significant
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.storage.history import (
    BY_SEED,
    COST,
    DISCARDED,
    DUPLICATE_OF,
    ERROR,
    KEY,
    LEFT,
    PRUNED_AT,
    RETRIED_FROM,
    RUN_ID,
    SAVED,
    History,
    candidate_of,
    why_ended,
)
from mlflow_xfer.searching.trying.measures import ORACLE
from mlflow_xfer.searching.trying.trials import PROBE, SEED_DONE, Trial, TrialResult
from mlflow_xfer.tracking.drivers import DRIVER, this_driver

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store

ENDS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}
NUMBER, CANDIDATE = "xfer.trial", "xfer.candidate"


@dataclass
class Mirror:
    """Mirrors one study into the children of its parent run; an observer of :func:`loop.run_trials`.

    Args:
        parent: the run of kind ``search``.
        objectives: names, in the order of the study's directions.
        tags: what all trials share: ``xfer.target``, ``xfer.suite``, ``xfer.base_model`` …
    """

    store: Store
    study: optuna.Study
    parent: str
    space: Space
    objectives: Sequence[str]
    seeds: Sequence[int] = (0,)
    tags: Mapping[str, str] = field(default_factory=dict)
    _rows: dict[str, str] = field(default_factory=dict)  # candidate -> run of its row
    _running: dict[int, str] = field(default_factory=dict)  # trial that runs -> its run

    # -- what the loop tells ---------------------------------------------------------------------------------
    def started(self, trial: Trial) -> None:
        left = opened(self.store, trial.attrs.get(RUN_ID))
        trial.attrs[RUN_ID] = run_id = self._open(trial.number, trial.candidate, left=left)
        self._running[trial.number] = run_id

    def reported(self, trial: Trial, step: int, value: float, stage: str) -> None:
        name = {PROBE: f"probe/{self.objectives[0]}", SEED_DONE: f"seed/{self.objectives[0]}"}.get(
            stage, f"{stage}/dev"
        )
        self.store.metrics(self._running[trial.number], {name: value}, step)

    def ended(self, trial: Trial, state: str, outcome: TrialResult | None, error: str | None) -> None:
        run_id = trial.attrs.get(RUN_ID) or self._open(trial.number, trial.candidate)
        self._running.pop(trial.number, None)
        if outcome is not None:
            self._scores(run_id, outcome.values, outcome.cost, outcome.saved)
        self._close(run_id, TrialState[state], trial.attrs)
        if outcome is not None:
            self.row(trial.candidate)

    def duplicate(self, trial: Trial, known: int) -> None:
        run_id = self._open(trial.number, trial.candidate, {"xfer.duplicate_of": f"t{known:03d}"})
        self.store.finish(run_id, "FINISHED", patience=0)

    # -- trials ----------------------------------------------------------------------------------------------
    def _open(
        self,
        number: int,
        candidate: Candidate,
        more: Mapping[str, Any] | None = None,
        left: str | None = None,
    ) -> str:
        """Open the run of a trial; ``left``: that of the trial whose candidate was queued again."""
        seeds = f"s{self.seeds[0]}" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds"
        own = {
            NUMBER: number,
            CANDIDATE: candidate.key,
            "xfer.tasks": ",".join(candidate.tasks) or "none",
            **({"xfer.oracle": "true"} if ORACLE in self.objectives else {}),
        }
        name = f"t{number:03d} {candidate.label} {seeds}"
        renamed = {"mlflow.runName": name} if left else {}
        return self.store.start(
            "trial",
            name,
            tags={**self.tags, **own, DRIVER: this_driver(), **renamed, **(more or {})},
            params=params_of(candidate),
            parent=self.parent,
            run_id=left,
        )

    def _scores(
        self, run_id: str, values: Sequence[float], cost: Mapping[str, float], saved: Mapping[str, float]
    ) -> None:
        found = {f"objective/{name}": value for name, value in zip(self.objectives, values, strict=True)}
        found = (
            significant(found | {"selected/avg": values[0]})
            | {f"cost/{name}": value for name, value in cost.items()}
            | {f"saved/{name}": value for name, value in saved.items()}
        )
        self.store.metrics(run_id, found)

    def _close(self, run_id: str, state: TrialState, attrs: Mapping[str, Any]) -> None:
        tags = {}
        if PRUNED_AT in attrs:
            at = attrs[PRUNED_AT]
            tags[PRUNED_AT] = f"{at['step']} ({at['stage']})"
            self.store.metrics(run_id, {f"cost/{name}": value for name, value in attrs.get(COST, {}).items()})
        tags |= {name: attrs[name] for name in (ERROR, RETRIED_FROM) if name in attrs}
        tags |= (
            {"mlflow.note.content": plain(f"{why[0].upper()}{why[1:]}.")} if (why := why_ended(attrs)) else {}
        )
        self.store.tags(run_id, tags)
        self.store.finish(run_id, end_of(state, attrs), patience=0)

    # -- candidates ------------------------------------------------------------------------------------------
    def row(self, candidate: Candidate) -> None:
        """Write the row of a candidate: mean over seeds with interval,
        and the paired difference to the baseline.
        """
        taken = History.of(self.study).taken
        trial, baseline = taken.get(candidate.key), taken.get(self.space.neutral(()).key)
        if trial is not None and trial.state == TrialState.COMPLETE:
            self._row(candidate, trial, baseline)

    def _row(self, candidate: Candidate, trial: FrozenTrial, baseline: FrozenTrial | None) -> None:
        run_id = self._rows.get(candidate.key) or self._open_row(candidate, trial)
        theirs = (
            baseline.user_attrs.get(BY_SEED, [])
            if baseline is not None and baseline.number != trial.number
            else []
        )
        self.store.metrics(
            run_id,
            condition_metrics(self.objectives, trial.values, trial.user_attrs.get(BY_SEED, []), theirs),
        )
        self.store.finish(run_id, "FINISHED", patience=0)

    def _open_row(self, candidate: Candidate, trial: FrozenTrial) -> str:
        own = {
            CANDIDATE: candidate.key,
            "xfer.tasks": ",".join(candidate.tasks) or "none",
            "xfer.scored_on": self.objectives[0],
            "xfer.input_run_ids": trial.user_attrs.get(RUN_ID, ""),
        }
        if ORACLE in self.objectives:
            own["xfer.oracle"] = "true"
        seeds = f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"
        run_id = self.store.start(
            "condition",
            f"{candidate.label}: {seeds} ({self.objectives[0]})",
            tags={**self.tags, **own},
            params=params_of(candidate),
            parent=self.parent,
        )
        self._rows[candidate.key] = run_id
        return run_id

    @property
    def rows(self) -> Mapping[str, str]:
        """The runs of the candidates' rows known so far, by candidate."""
        return self._rows

    # -- from the study alone --------------------------------------------------------------------------------
    def catch_up(self) -> dict[int, str]:
        """Bring the mirror to what the study says; returns the run of each trial by number.

        Runs that are there are taken, missing ones are made, and what a dead process left open is closed.
        """
        children = self.store.children(self.parent)
        trials = {
            int(run.tags[NUMBER]): run for run in children if run.kind == "trial" and NUMBER in run.tags
        }
        self._rows = {
            run.tags[CANDIDATE]: run.run_id
            for run in children
            if run.kind == "condition" and CANDIDATE in run.tags
        }
        history = History.of(self.study)
        baseline = history.taken.get(self.space.neutral(()).key)
        found = {}
        for trial in history.trials:
            candidate = candidate_of(trial, self.space)
            if candidate is None or DISCARDED in trial.user_attrs or trial.state == TrialState.WAITING:
                continue
            if LEFT in trial.user_attrs and trial.number not in trials:
                continue  # the trial that retries it goes on, or will, in its run
            found[trial.number] = self._caught_up(trial, candidate, trials.get(trial.number))
            if (
                trial.state == TrialState.COMPLETE
                and DUPLICATE_OF not in trial.user_attrs
                and candidate.key not in self._rows
            ):
                self._row(candidate, trial, baseline)
        return found

    def _caught_up(self, trial: FrozenTrial, candidate: Candidate, run: RunView | None) -> str:
        if DUPLICATE_OF in trial.user_attrs:
            if run is None:
                run_id = self._open(
                    trial.number, candidate, {"xfer.duplicate_of": f"t{trial.user_attrs[DUPLICATE_OF]:03d}"}
                )
                self.store.finish(run_id, "FINISHED", patience=0)
            return run.run_id if run else run_id
        run_id = run.run_id if run else self._open(trial.number, candidate)
        if trial.state.is_finished() and (run is None or run.status != end_of(trial.state, trial.user_attrs)):
            attrs = trial.user_attrs
            if trial.state == TrialState.COMPLETE:
                self._scores(run_id, trial.values, attrs.get(COST, {}), attrs.get(SAVED, {}))
            if run is None:
                self.store.metrics(run_id, {})
                for step, value in trial.intermediate_values.items():
                    self.store.metrics(run_id, {f"probe/{self.objectives[0]}": value}, step)
            self._close(run_id, trial.state, attrs)
        return run_id


def opened(store: Store, run_id: str | None) -> str | None:
    """A run that can be opened again; None where there is none, or it was deleted."""
    try:
        return run_id if run_id and not store.get(run_id).deleted else None
    except XferError as error:
        if error.exit_code == TRY_AGAIN:  # an outage says nothing about the run
            raise
        return None


def end_of(state: TrialState, attrs: Mapping[str, Any]) -> str:
    """How the run of a trial ends."""
    return "KILLED" if LEFT in attrs else ENDS[state]


def params_of(candidate: Candidate) -> dict[str, Any]:
    """The axes of compare views: ``intermediate`` (as transfers spell it) and what varies besides."""
    return {"intermediate": ",".join(candidate.tasks) or "none", **dict(candidate.settings)}


def condition_metrics(
    objectives: Sequence[str],
    values: Sequence[float],
    by_seed: Sequence[Sequence[float]],
    baseline: Sequence[Sequence[float]],
) -> dict[str, float]:
    """Metrics of a candidate's row: each objective;
    of the first the interval over seeds and the paired difference to ``baseline``.
    """
    found = {f"objective/{name}": value for name, value in zip(objectives, values, strict=True)}
    found |= {"selected/avg": values[0], "n": max(len(by_seed), 1)}
    mine = [row[0] for row in by_seed]
    found |= ends("selected/avg", mean_interval(mine))
    if len(baseline) == len(mine) > 0:
        differences = [a - row[0] for a, row in zip(mine, baseline, strict=True)]
        found["selected/delta"] = statistics.fmean(differences)
        found |= ends("selected/delta", mean_interval(differences))
    return significant(found)


__all__ = ["KEY", "Mirror", "condition_metrics", "params_of"]
