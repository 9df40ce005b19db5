"""Scores of confirmed candidates as tidy frames: on test, and of what the search maximised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_xfer.conditions.condition import Condition
from mlflow_xfer.params.chain import Transfer as Parameters
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases import record
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Transfer
from mlflow_xfer.searching.command import Command
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.trying import measures

if TYPE_CHECKING:
    import pandas as pd

    from mlflow_xfer.tracking.store import Store


@dataclass
class Arm:
    """One candidate on the fresh seeds."""

    candidate: Candidate
    typed: dict[str, Any]
    condition: Condition


def test_frame(store: Store, arms: Sequence[Arm]) -> pd.DataFrame:
    """Test scores by condition, task, language and seed."""
    import pandas as pd

    rows = []
    for arm in arms:
        for transfer, run_id in zip(arm.condition.plan.transfers, arm.condition.transfers, strict=True):
            scores = [
                {"task": row["task"], "language": row["language"], "score": row["score"]}
                for row in record.read_table(store, run_id)
            ]
            rows += [
                {
                    "condition": arm.candidate.label,
                    "base_seed": transfer.base_seed,
                    "seed": transfer.seed,
                    **row,
                }
                for row in scores
            ]
    return pd.DataFrame(rows)


def dev_frame(command: Command, executor: Executor, arms: Sequence[Arm]) -> pd.DataFrame:
    """What the search maximised, of the same seeds:
    English dev scores by target, or the first objective's value.
    """
    import pandas as pd

    rows = []
    for arm in arms:
        for transfer, run_id in zip(arm.condition.plan.transfers, arm.condition.transfers, strict=True):
            found = (
                _english_dev(executor.store, transfer, run_id)
                if command.params.objective[0] == measures.ENGLISH_DEV
                else [_objective(command, executor, arm, transfer, run_id)]
            )
            rows += [
                {
                    "condition": arm.candidate.label,
                    "base_seed": transfer.base_seed,
                    "seed": transfer.seed,
                    **row,
                }
                for row in found
            ]
    return pd.DataFrame(rows)


def _english_dev(store: Store, transfer: Transfer, run_id: str) -> list[dict[str, Any]]:
    metrics = _metrics(store, run_id)
    trained = {target: phases[-2] for target, phases in transfer.targets.items() if len(phases) > 1}
    return [
        {
            "task": target,
            "language": command_language(phase),
            "score": measures.dev_score(phase, metrics[phase.spec_hash]),
        }
        for target, phase in trained.items()
    ]


def evaluated(command: Command, arm: Arm, transfer: Transfer) -> dict[str, list[Phase]]:
    """What the first objective has evaluated of a replicate besides what the replicate evaluates itself."""
    return measures.extra_phases(command.params.objective[:1], transfer, read(Parameters, arm.typed))


def _objective(
    command: Command, executor: Executor, arm: Arm, transfer: Transfer, run_id: str
) -> dict[str, Any]:
    """The first objective's value of a replicate;
    what it reads besides is evaluated for it (on validation splits).
    """
    name, extra = command.params.objective[0], evaluated(command, arm, transfer)
    made = {
        phase.spec_hash: executor.ensure(phase, parent=run_id).run_id
        for phases in extra.values()
        for phase in phases
    }
    executor.store.settle()
    metrics = _metrics(executor.store, run_id) | {
        spec_hash: executor.store.get(run).metrics for spec_hash, run in made.items()
    }
    return {
        "task": name,
        "language": command.params.source_language,
        "score": measures.value(name, transfer, extra, lambda phase: metrics[phase.spec_hash]),
    }


def _metrics(store: Store, transfer: str) -> dict[str, Mapping[str, float]]:
    """By spec hash, what the phases of a transfer's run logged."""
    return {
        run.tags.get("xfer.spec_hash", ""): run.metrics
        for made in store.get(transfer).inputs
        for run in [store.get(made)]
    }


def command_language(phase: Phase) -> str:
    """The language whose dev rows select the checkpoint."""
    return next(rows.language for rows in phase.rows if rows.split == measures.DEV)
