"""One trial: a candidate becomes a chain of phases, replicate by replicate, and their dev scores its value.

A trial says one after the other which phase it waits for; phases that exist are taken (one intermediate
checkpoint serves all targets and trials), and the evaluations on test splits are never run here. Along the
way it reports what can be compared between candidates at the same step: the value of short chains before the
whole one (``rungs.py``) and each dev score of a target while it is trained (stage ``probe``), and the value
of each further seed (stage ``seed``). The dev score of the intermediate tasks themselves is shown.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlflow_xfer.conditions.engines.engine import Order
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.chain import Transfer as Parameters
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases.make import Done, Spent
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Plan, Transfer, make_plan
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.storage.history import ALONE, COST, NAIVE, RUN_ID, RUNGS
from mlflow_xfer.searching.trying import measures
from mlflow_xfer.searching.trying.costs import COUNTERS, Expected, added, naive
from mlflow_xfer.searching.trying.rungs import rungs
from mlflow_xfer.searching.trying.trials import PROBE, SEED_DONE, Pruned, Trial, TrialResult

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

INTERMEDIATE, COLLAPSED = "intermediate", "collapsed"


Phases = Generator[Phase, None, None]
"""Says which phase is waited for, and goes on once it is done."""


@dataclass
class Objective:
    """What a candidate is worth, and how that is found out.

    Args:
        typed: the parameters of ``transfer`` that all trials share, as a user types them.
        objectives: names; the first is what probes and seeds report.
        prune: whether a collapsed intermediate task ends its trial.
        rungs: whether short chains are run and reported before the whole one.
    """

    store: Store
    typed: Mapping[str, Any]
    objectives: Sequence[str] = (measures.ENGLISH_DEV,)
    prune: bool = False
    rungs: bool = False

    @cached_property
    def references(self) -> References:
        return References(lambda: self.store, fetch=True)

    def params(self, candidate: Candidate, seeds: Sequence[int]) -> Parameters:
        """The parameters of the candidate's transfer."""
        return read(Parameters, {**self.typed, **candidate.overrides(), "seeds": tuple(seeds)})

    def plan(self, params: Parameters) -> Plan:
        """The phases of a candidate's transfer."""
        return make_plan("transfer", params, self.references, task_file_tasks(params), online=True)


@dataclass(eq=False)
class Running:
    """One trial while it runs.

    Args:
        runs: the run of each phase that is done, by spec hash; others add to it.
        spent: what the phases cost that were made for this trial.
        stopped: why it is to end, once what it waited for has ended.
    """

    objective: Objective
    trial: Trial
    runs: Mapping[str, Done]
    spent: list[Spent] = field(default_factory=list)
    stopped: Pruned | None = None
    done: list[float] = field(default_factory=list)  # score of each target trained so far, of all seeds
    _current: Phase | None = None
    _total: float = 0.0  # steps of the current training
    _percent: int = 0
    _lead: float = 0.0  # share of the trial that its rungs stand for
    climbed: dict[str, float] = field(default_factory=dict)  # what the rungs cost
    ensured: list[Phase] = field(default_factory=list)
    evaluated: list[Phase] = field(default_factory=list)  # what objectives need besides what trainings say

    def __post_init__(self) -> None:
        self.params = self.objective.params(self.trial.candidate, self.trial.seeds)
        self.plan = self.objective.plan(self.params)
        self.naive = dict.fromkeys(COUNTERS, 0.0)  # with an own chain for each target and seed
        self._metrics: dict[str, Mapping[str, float]] = {}

    def order(self, phase: Phase) -> Order:
        """How a phase of the trial is run."""
        params = self.params
        parent = None if phase.is_base else self.trial.attrs.get(RUN_ID)
        return Order(parent, params.reuse, self.plan.suite, params.runtime)

    def steps(self) -> Generator[Phase, None, TrialResult]:
        """The phases that the trial waits for, one after the other; returns what it found.

        Raises:
            Pruned: as ``trial.report`` does, and when that is thrown in.
        """
        try:
            return (yield from self._whole())
        except Pruned:
            expected = Expected(self.plan, self.ensured, self.metrics)
            self.trial.attrs |= {NAIVE: expected.cost(shared=False), ALONE: expected.cost(shared=True)}
            raise
        finally:  # of a pruned or failed trial too, the phase it was in included
            self.trial.attrs[COST] = self.cost()
            if self.climbed:
                self.trial.attrs[RUNGS] = self.climbed

    def _whole(self) -> Generator[Phase, None, TrialResult]:
        by_seed = []
        for n, transfer in enumerate(self.plan.transfers):
            by_seed.append((yield from self.replicate(n, transfer)))
        values = tuple(
            sum(row[i] for row in by_seed) / len(by_seed) for i in range(len(self.objective.objectives))
        )
        if not all(math.isfinite(value) for value in values):
            raise XferError(
                f"{self.trial.candidate.label}: an objective has no value: "
                f"{dict(zip(self.objective.objectives, values, strict=True))}"
            )
        cost = self.cost()
        return TrialResult(
            values, tuple(by_seed), cost, {name: self.naive[name] - cost[name] for name in COUNTERS}
        )

    def climb(self, transfer: Transfer) -> Phases:
        """Run short chains of the first replicate, each reported when it is done."""
        try:
            for percent, short in rungs(transfer):
                extra = self._extra(self.objective.objectives[:1], short)
                trained = [phase for phase in short.phases if phase.kind != "evaluate"]
                for phase in [*trained, *(phase for phases in extra.values() for phase in phases)]:
                    yield from self.ensure(phase)
                self.climbed, self._percent, self._lead = self.cost(), percent, percent / 100
                self._report(
                    percent, measures.value(self.objective.objectives[0], short, extra, self.metrics), PROBE
                )
        finally:
            self.climbed = self.cost()

    def replicate(self, n: int, transfer: Transfer) -> Generator[Phase, None, tuple[float, ...]]:
        """Train one replicate and return its value for each objective."""
        if self.objective.rungs and n == 0 and self.trial.candidate.tasks:
            yield from self.climb(transfer)
        for phase in transfer.before:
            yield from self.ensure(phase)
            if phase.kind == "intermediate":
                self._after_intermediate(n, phase)
        extra = self._extra(self.objective.objectives, transfer)
        trained = [phases[-2] for phases in transfer.targets.values() if len(phases) > 1]
        for place, phase in enumerate(trained):
            yield from self._train_target(n, place, len(trained), phase)
        for phase in (phase for phases in extra.values() for phase in phases):
            yield from self.ensure(phase)
        self.naive = added(self.naive, naive(transfer, self.metrics))
        values = tuple(
            measures.value(name, transfer, extra, self.metrics) for name in self.objective.objectives
        )
        self._report(n + 1, values[0], SEED_DONE)
        return values

    def _extra(self, objectives: Sequence[str], transfer: Transfer) -> dict[str, list[Phase]]:
        found = measures.extra_phases(objectives, transfer, self.params)
        self.evaluated += [phase for phases in found.values() for phase in phases]
        return found

    def ensure(self, phase: Phase) -> Phases:
        """Wait for a phase, after its inputs."""
        yield from self._after_inputs(phase)
        self.ensured.append(phase)
        self.trial.reached((len(self.ensured),))

    def _after_inputs(self, phase: Phase) -> Phases:
        for source in phase.inputs:
            if isinstance(source, Phase) and source.spec_hash not in self.runs:
                yield from self._after_inputs(source)
        yield phase

    def metrics(self, phase: Phase) -> Mapping[str, float]:
        """What the run of a phase that is done logged."""
        run_id = self.runs[phase.spec_hash].run_id
        if run_id not in self._metrics:
            self.objective.store.settle()
            self._metrics[run_id] = self.objective.store.get(run_id).metrics
        return self._metrics[run_id]

    def _after_intermediate(self, n: int, phase: Phase) -> None:
        score = measures.dev_score(phase, self.metrics(phase))
        if math.isfinite(score):
            self._report(n + 1, score, INTERMEDIATE)
        if self.objective.prune and len(phase.tasks) == 1:
            run = self.objective.store.get(self.runs[phase.spec_hash].run_id)
            if run.tags.get("xfer.collapsed") == "true":
                raise Pruned(self._percent, COLLAPSED)

    def _train_target(self, n: int, place: int, of: int, phase: Phase) -> Phases:
        self._current, self._total = phase, 0.0
        self._begun, self._share = n + place / of, 1 / of
        yield from self.ensure(phase)
        self._current = None
        self.done.append(measures.training_score(self.objective.objectives[0], phase, self.metrics(phase)))
        last = n + 1 == len(self.plan.transfers) and place + 1 == of
        if not last:  # a trial that is done is not pruned
            self._probe(1.0, self.done)

    def watch(self, phase: Phase, metrics: Mapping[str, float], step: int) -> None:
        """What the training of a phase that is waited for logs: a dev score is a probe."""
        self.trial.reached((len(self.ensured), step))
        if self._current is None or phase.spec_hash != self._current.spec_hash:
            return
        self._total = metrics.get("train/total_steps", self._total)
        score = measures.training_score(self.objective.objectives[0], phase, metrics, end="")
        if math.isfinite(score) and step < self._total:
            self._probe(step / self._total, [*self.done, score])

    def _probe(self, fraction: float, scores: Sequence[float]) -> None:
        """The running mean of the targets' scores,
        at the percentage of the targets' training that is done (beyond 100 with further seeds).
        """
        if self.objective.rungs and not self.trial.candidate.tasks:
            return  # the baseline has no short chains, so no step of it is comparable with the others'
        done = self._begun + self._share * fraction
        percent = round(100 * (self._lead + (1 - self._lead) * done if done < 1 else done))
        if self.objective.objectives[0] in measures.BY_TRAINING and percent > self._percent:
            self._percent = percent
            self._report(percent, sum(scores) / len(scores), PROBE)

    def _report(self, step: int, value: float, stage: str) -> None:
        self.trial.attrs[COST] = self.cost()
        self.trial.report(step, value, stage)

    # -- what it cost ----------------------------------------------------------------------------------------
    def cost(self) -> dict[str, float]:
        """What this trial trained itself."""
        return {name: sum(getattr(one, name) for one in self.spent) for name in COUNTERS}
