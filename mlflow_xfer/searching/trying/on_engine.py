"""Trials on an engine: several wait for their phases at once; one that several wait for is run once."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from types import TracebackType

from mlflow_xfer.conditions.crew import Crew
from mlflow_xfer.conditions.engines.engine import Failed, Finished, Held, Progress
from mlflow_xfer.conditions.submitted import Submission, Submitted
from mlflow_xfer.phases import kept
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.searching.trying.running_trial import Objective, Running
from mlflow_xfer.searching.trying.trials import Pruned, Trial, TrialResult


@dataclass
class OnEngine:
    """Runs trials, as many at once as there are workers. A context: at its end trainings that run save their
    state.

    Args:
        executor: what is done, and what it cost, is written down in it.
        crew: what phases are run on.
    """

    objective: Objective
    executor: Executor
    crew: Crew
    steps: dict[Running, Generator[Phase, None, TrialResult]] = field(default_factory=dict)
    over: deque[tuple[Trial, TrialResult | Exception]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.submitted = Submitted[Running](self.executor, self.crew, self._hear)

    @property
    def slots(self) -> int:
        return self.crew.workers or self.submitted.engine.slots

    @property
    def in_process(self) -> bool:
        return self.crew.in_process

    def begin(self, trial: Trial) -> None:
        try:
            running = Running(self.objective, trial, self.executor.done)
        except Exception as error:
            self.over.append((trial, error))
            return
        self.steps[running] = running.steps()
        self._go_on(running)

    def ended(self) -> tuple[Trial, TrialResult | Exception]:
        while not self.over:
            for one, event in self.submitted.ended():
                self._after(one, event)
                if self.over:
                    break
            assert self.over or self.submitted.by_hash, "a trial that is not over waits for a phase"
        return self.over.popleft()

    def __enter__(self) -> OnEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.submitted.__exit__(kind, error, trace)

    def _after(self, one: Submission[Running], event: Finished | Failed | Held) -> None:
        """Go on with the trials that waited for a phase."""
        assert not isinstance(event, Held), "a trial's phases are waited for"
        if one.payer in self.steps:
            one.payer.spent += event.spent
            if one.ending:
                self._throw(one.payer, one.payer.stopped or Pruned(0))
        for running in one.askers:
            if isinstance(event, Failed):
                self._throw(running, event.error)
            else:
                self._go_on(running)

    def _hear(self, one: Submission[Running], progress: Progress) -> None:
        for running in [running for running in one.askers if running.stopped is None]:
            try:
                running.watch(one.phase, progress.metrics, progress.step)
            except Pruned as pruned:
                running.stopped = pruned
                if not self.submitted.withdraw(running):
                    self._throw(running, pruned)

    def _go_on(self, running: Running) -> None:
        """Have a trial go on until it waits for a phase that does not exist, or is over."""
        steps = self.steps[running]
        try:
            phase = next(steps)
            while self.executor.known(phase, self._starts_something(phase, running)):
                phase = next(steps)
            order = replace(running.order(phase), keep=self.executor.keep)
            self.submitted.submit(phase, running, order)
        except StopIteration as end:
            self._end(running, end.value)
        except Exception as error:
            self._end(running, error)

    def _throw(self, running: Running, error: Exception) -> None:
        """End a trial by what keeps it from going on."""
        try:
            self.steps[running].throw(error)
        except Exception as found:
            self._end(running, found)

    def _end(self, running: Running, result: TrialResult | Exception) -> None:
        del self.steps[running]
        self.over.append((running.trial, result))
        wanted = {phase.spec_hash for other in self.steps for phase in other.ensured}
        for phase in running.ensured:
            over = phase.spec_hash in self.executor.done and phase.spec_hash not in wanted
            if over and not kept.kept(phase, self.executor.keep):
                self.executor.drop_weights(phase)

    def _starts_something(self, phase: Phase, running: Running) -> bool:
        """Whether the trial needs the weights of a phase: those of a target only to evaluate it."""
        return kept.kept(phase, self.executor.keep) or any(
            not self.executor.known(one) for one in kept.dependents(phase, running.evaluated)
        )
