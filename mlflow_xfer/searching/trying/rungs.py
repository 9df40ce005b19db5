"""Short chains before a trial's whole one: what a pruner decides on while the trial has cost little.

Most of a trial's price is its intermediate training, so a look while targets train comes too late. A rung is
the same chain at a share of the steps, its value the objective's, at the step that says which percentage of
the trial it is. Its trainings have whole learning rate schedules (a checkpoint from the middle of a long
schedule is no model of a short one) at a rate raised with the square root of what the steps are lowered by,
and are phases like any other: resumed, and taken by whoever wants the same.

On mini, at a third of the steps, the mean dev score of three targets is within 5 points of the whole chain's
and orders seven subsets as that does; at a ninth some tasks show already and others not yet; without the
raised rate a quarter of the steps showed half of what it should.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from mlflow_xfer.phases.estimate import steps_of
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import Transfer

# in fewer steps most tasks do not show yet; how many trials go on from each is the pruner's
# `reduction_factor`
SHARES = (1 / 9, 1 / 3)
# steps that the training of a target keeps: in fewer a fresh head learns nothing that could be compared
FEWEST = 16
WORTH = 0.6  # of the whole chain's steps: a rung that is dearer tells nothing in time


def rungs(transfer: Transfer) -> Iterator[tuple[int, Transfer]]:
    """``(percentage of the trial, its short chain)``, shortest first;
    none where intermediate tasks are not trained for it alone.

    That is the baseline, merges (whose trainings all subsets share), and tasks whose number of rows is not
    known before they are read.
    """
    training = [phase for phase in transfer.phases if phase.kind in ("intermediate", "target")]
    whole = sum(steps_of(phase) for phase in training if phase.procedure != "merge")
    if (
        not any(phase.kind == "intermediate" for phase in training)
        or any(phase.procedure == "merge" for phase in training)
        or math.isnan(whole)
    ):
        return
    for share in SHARES:
        short = shortened(transfer, share)
        if (
            sum(steps_of(phase) for phase in short.phases if phase.kind in ("intermediate", "target"))
            <= WORTH * whole
        ):
            yield round(100 * share), short


def shortened(transfer: Transfer, share: float) -> Transfer:
    """The transfer with ``share`` of the steps in every training;
    what comes before its intermediate tasks stays.
    """
    known: dict[str, Phase] = {}

    def short(phase: Phase) -> Phase:
        if phase.spec_hash not in known:
            inputs = tuple(short(source) if isinstance(source, Phase) else source for source in phase.inputs)
            shorter = replace(phase, inputs=inputs)
            if phase.kind in ("intermediate", "target"):
                whole = int(steps_of(phase))
                steps = max(math.ceil(share * whole), min(FEWEST, whole) if phase.kind == "target" else 1)
                rate = phase.training.learning_rate * (whole / steps) ** 0.5
                note = " ".join(filter(None, (phase.note, f"rung {round(100 * share)} %")))
                shorter = replace(
                    shorter,
                    settings=phase.training.model_copy(update={"max_steps": steps, "learning_rate": rate}),
                    note=note,
                )
            known[phase.spec_hash] = shorter if phase.kind != "pretrain" else phase
        return known[phase.spec_hash]

    targets = {name: tuple(short(phase) for phase in phases) for name, phases in transfer.targets.items()}
    return replace(transfer, before=tuple(short(phase) for phase in transfer.before), targets=targets)
