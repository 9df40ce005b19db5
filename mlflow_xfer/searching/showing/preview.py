"""What a search would run: the phases of its first candidates,
each once, what exists, and what all of it would cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from mlflow_xfer import notebooks
from mlflow_xfer.params.chain import as_transfer
from mlflow_xfer.phases.estimate import Cost, said, total
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.past import Past
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Plan, unique
from mlflow_xfer.searching.command import Command, plan_of
from mlflow_xfer.searching.proposing.methods import BY_PROBE
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.trying.measures import extra_phases
from mlflow_xfer.searching.trying.rungs import rungs
from mlflow_xfer.tasks.task import Task

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

PLANNED = 24  # candidates that are planned phase by phase; what more trials cost follows from their mean


@dataclass(frozen=True)
class SearchPreview:
    """A search before it runs.

    Attributes:
        candidates: the first ones, with their phases (no evaluation on test splits).
        existing: spec hash -> run of phases that are taken instead of run.
        trials: how many the budget allows; None = until the time is up.
        confirmation: what running the best again on fresh seeds costs at most.
    """

    command: Command
    candidates: Mapping[Candidate, Sequence[Phase]]
    existing: Mapping[str, str]
    past: Past
    trials: int | None
    confirmation: Cost
    store: str = ""

    def __repr__(self) -> str:
        exist = sum(phase.spec_hash in self.existing for phase in self.phases)
        return (
            f"<SearchPreview of {self.command.study_name}: {len(self.candidates)} candidates, "
            f"{len(self.phases)} phases, {exist} exist>"
        )

    @property
    def phases(self) -> list[Phase]:
        return unique(phase for phases in self.candidates.values() for phase in phases)

    def cost(self, phases: Sequence[Phase]) -> Cost:
        return total([phase for phase in phases if phase.spec_hash not in self.existing], self.past)

    @property
    def search_cost(self) -> Cost:
        """Of all trials: the planned ones, and as many more as the budget allows at the mean of those with
        intermediate tasks.
        """
        more = max((self.trials or 0) - len(self.candidates), 0)
        dear = [phases for candidate, phases in self.candidates.items() if len(candidate.tasks) > 1] or [
            phases for candidate, phases in self.candidates.items() if candidate.tasks
        ]
        known = [phase for phases in dear for phase in phases]
        return self.cost(self.phases) + (
            total(known, self.past).times(more / len(dear)) if more and dear else Cost()
        )

    def _repr_html_(self) -> str:
        lines = self.text().splitlines()
        return notebooks.table(
            ("candidate",), [[line] for line in lines[: len(self.candidates)]], lines[len(self.candidates) :]
        )

    def text(self) -> str:
        """One line for each candidate with its new phases, then totals."""
        lines, seen = [], set(self.existing)
        for candidate, phases in self.candidates.items():
            new = [phase for phase in phases if phase.spec_hash not in seen]
            kinds = ", ".join(
                f"{n} {kind}"
                for kind in ("pretrain", "intermediate", "target", "evaluate")
                if (n := sum(phase.kind == kind for phase in new))
            )
            lines.append(
                f"{candidate.label:<40} {len(phases):>3} phases: "
                f"{f'{kinds} to run' if new else 'nothing to run'}"
                f"{f', {len(phases) - len(new)} shared or reused' if len(phases) > len(new) else ''}"
            )
            seen |= {phase.spec_hash for phase in new}
        count = self.command.space.count()
        of = f"{count:,} candidates" if count is not None else "a continuous space"
        run = sum(phase.spec_hash not in self.existing for phase in self.phases)
        lines += [
            (
                f"search {self.command.study_name}: {self.trials or 'any number of'} trials of {of}; the "
                f"first {len(self.candidates)} need {len(self.phases)} different phases: {run} to run, "
                f"{len(self.phases) - run} reused ({self.store})"
            ),
            (
                "search: "
                f"{said(self.search_cost, self.past)}"
                f"{'' if self.command.params.pruner == 'none' else ', if no trial is pruned'}"
            ),
        ]
        if self.command.params.confirm_top:
            lines.append(f"confirmation, besides: {said(self.confirmation, self.past)}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        phases = [
            {
                "label": phase.label,
                "kind": phase.kind,
                "spec_hash": phase.spec_hash,
                "run_id": self.existing.get(phase.spec_hash),
            }
            for phase in self.phases
        ]
        candidates = [
            {"candidate": candidate.key, "phases": [phase.spec_hash for phase in mine]}
            for candidate, mine in self.candidates.items()
        ]
        return {
            "verb": "search",
            "study_name": self.command.study_name,
            "trials": self.trials,
            "candidates": candidates,
            "phases": phases,
            "cost": vars(self.search_cost),
            "confirmation": vars(self.confirmation),
        }


def preview(
    command: Command,
    store: Store,
    shown: str,
    references: Any,
    extra: Mapping[str, Task],
    past: Past,
) -> SearchPreview:
    """Plan the first candidates of a search. Trains nothing, needs no torch."""
    params, space = command.params, command.space
    executor = Executor(store, params.reuse)
    count = space.count()
    trials = (
        count
        if params.n_trials is None
        else params.n_trials
        if count is None
        else min(params.n_trials, count)
    )
    chosen = first_candidates(command, min(PLANNED, trials or PLANNED))
    plans = {
        candidate: plan_of(command.transfer(candidate, params.seeds), references, extra)
        for candidate in chosen
    }
    candidates = {candidate: _searched(command, plan) for candidate, plan in plans.items()}
    phases = unique(phase for mine in candidates.values() for phase in mine)
    existing = (
        {}
        if params.reuse == "never"
        else {p.spec_hash: run for p in phases if p.resolved and (run := _finished(store, executor, p))}
    )
    # Fresh seeds need all but the base again, for the dearest candidates and the baseline.
    per_seed = {
        candidate: total([p for p in plan.phases if p.kind != "pretrain"], past).times(1 / len(params.seeds))
        for candidate, plan in plans.items()
    }
    dearest = sorted((c for c in per_seed if c.tasks), key=lambda c: -per_seed[c].tokens)[
        : params.confirm_top
    ]
    confirmation = (
        Cost()
        if not dearest
        else _sum([per_seed[c] for c in (*dearest, *(c for c in per_seed if not c.tasks))]).times(
            params.confirm_seeds
        )
    )
    return SearchPreview(command, candidates, existing, past, trials, confirmation, shown)


def _finished(store: Store, executor: Executor, phase: Phase) -> str | None:
    """The oldest finished run of ``phase``; its artifacts are not looked at."""
    wanted = {"xfer.kind": "phase", "xfer.spec_hash": phase.spec_hash}
    if executor.reuse == "same-code":
        wanted["xfer.code_hash"] = executor.code(phase)
    found = store.search(wanted, status="FINISHED", limit=1)
    return found[0].run_id if found else None


def first_candidates(command: Command, n: int) -> list[Candidate]:
    """The baseline, the single tasks, then what a search might draw: a sample that is the same every time."""
    space, rng = command.space, np.random.default_rng(0)
    found = {candidate.key: candidate for candidate in command.first}
    count = space.count()
    if count is not None and count <= n:
        found |= {candidate.key: candidate for candidate in space.candidates()}
    for candidate in islice((space.draw(rng) for _ in range(20 * n)), 20 * n):
        if len(found) >= n:
            break
        found.setdefault(candidate.key, candidate)
    return list(found.values())[:n]


def _searched(command: Command, plan: Plan) -> list[Phase]:
    """The phases of a trial that is not pruned:
    all but the evaluations on test, those on validation splits that objectives need, and short chains.
    """
    short = [chain for _, chain in rungs(plan.transfers[0])] if command.params.pruner in BY_PROBE else []
    chain = as_transfer(command.params)
    extra = [
        phase
        for transfer in (*short, *plan.transfers)
        for phases in extra_phases(command.params.objective, transfer, chain).values()
        for phase in phases
    ]
    return [
        *(
            phase
            for phase in unique(phase for transfer in (*short, *plan.transfers) for phase in transfer.phases)
            if phase.kind != "evaluate"
        ),
        *extra,
    ]


def _sum(costs: Sequence[Cost]) -> Cost:
    return sum(costs[1:], start=costs[0])
