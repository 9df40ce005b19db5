"""What the pieces of ``real_models.py`` cost, and what is registered: ``real_models_plan.md``.

Tokens are counted (rows of each phase times the mean length of a sample, encoded as the phase does), hours
follow from the measured rates. A phase that an earlier piece makes is not counted again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from real_models_answers import SEARCHED
from real_models_data import Folder
from real_models_run import Lab
from real_models_shapes import CORES, SHARED, SIDE_BY_SIDE, Condition, Piece, Stage
from real_models_stages import pieces

from mlflow_xfer import markdown
from mlflow_xfer.data import sources
from mlflow_xfer.data.encode import encode
from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.phases.estimate import steps_of
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.stats import power
from mlflow_xfer.studies import tables
from mlflow_xfer.studies.foresight import foresee
from mlflow_xfer.tasks.task import Task

TRAINING, PREDICTING = 840.0, 1500.0
"""Tokens a second of one core that has bfloat16, with the encoder of 118 million parameters."""
SAMPLE = 100
LIMIT = 40
"""Minutes that a piece may take."""
SD = 3.0
"""Standard deviation of a difference between seeds that the detectable effect supposes, in points."""


class Counter:
    """Tokens that phases read."""

    def __init__(self, model: str):
        self.tokenizer = load_tokenizer(model)
        self.known: dict[tuple[str, str, int], tuple[int, float]] = {}

    def counted(self, task: Task, located: sources.Rows, length: int) -> tuple[int, float]:
        """How many rows, and how many tokens one of them has on average."""
        key = (task.name, located.identity, length)
        if key not in self.known:
            rows = sources.read(task, located)
            sample = rows.select(range(0, len(rows), max(1, len(rows) // SAMPLE)))
            encoded = encode(sample, task, self.tokenizer, length, cached=False)
            self.known[key] = len(rows), float(encoded.lengths.sum()) / len(sample)
        return self.known[key]

    def of(self, phase: Phase) -> tuple[float, float]:
        """Tokens that a phase trains on, and those that it predicts."""
        if phase.procedure == "merge":
            return 0.0, 0.0
        if phase.kind == "evaluate":
            task, most = phase.tasks[0], phase.evaluation.max_eval_examples or math.inf
            read = [self.counted(task, rows, phase.evaluation.max_seq_length) for rows in phase.rows]
            return 0.0, sum(min(rows, most) * length for rows, length in read)
        settings, steps = phase.training, steps_of(phase)
        by_split = {
            rows.split: self.counted(task, rows, settings.max_seq_length)
            for task in phase.tasks
            for rows in phase.rows
            if rows.task == task.name
        }
        looks = 1 if settings.select_by == "last" else settings.evaluations
        if not settings.max_steps:
            looks = min(looks, math.ceil(settings.num_train_epochs))
        dev = by_split.get("validation", (0, 0.0))
        predicted = min(dev[0], settings.max_dev_examples or dev[0]) * dev[1] * looks
        return steps * settings.train_batch_size * by_split["train"][1], predicted


@dataclass(frozen=True)
class Cost:
    """What a piece costs, in tokens and in minutes of two idle cores."""

    trained: float = 0.0
    predicted: float = 0.0

    @property
    def minutes(self) -> float:
        seconds = self.trained / TRAINING + self.predicted / PREDICTING
        return seconds / 60 / (CORES * SIDE_BY_SIDE)


def costs(lab: Lab, stages: tuple[Stage, ...]) -> Iterator[tuple[Piece, Cost]]:
    counter, seen = Counter(lab.model), set()
    for piece in pieces(stages):
        trained = predicted = 0.0
        for condition, target in piece.cells():
            for phase in lab.phases(piece.stage, condition, target, piece.seed):
                if phase.spec_hash not in seen:
                    seen.add(phase.spec_hash)
                    new = counter.of(phase)
                    trained, predicted = trained + new[0], predicted + new[1]
        yield piece, Cost(trained, predicted)


def write_plan(lab: Lab, file: Path, stages: tuple[Stage, ...]) -> str:
    """Write the plan, and return it."""
    found = list(costs(lab, stages))
    fixed = [*registered(stages), *studied(lab.folder, stages)]
    text = "\n".join([HEAD, _pieces(found), "", _by_stage(found), "", *fixed, "", *_design(stages)])
    file.write_text(text + "\n", "utf-8")
    return text


HEAD = f"""# Plan of real_models.py

Written by `python benchmarks/real_models.py plan` before the first run. Minutes: of two idle cores, from
{TRAINING:g} tokens a second and core in training (in bfloat16, [training.md](training.md)) and {PREDICTING:g}
in prediction, of which one process makes {SIDE_BY_SIDE:.0%} on two cores. What an earlier piece has made in
the same home is not counted again. A piece is run with `python benchmarks/real_models.py run PIECE`.
"""


def _pieces(found: list[tuple[Piece, Cost]]) -> str:
    rows = [
        (
            n,
            piece.name,
            len(piece.cells()) or "answers",
            f"{cost.trained / 1e3:,.0f}",
            f"{cost.predicted / 1e3:,.0f}",
            f"{cost.minutes:.0f}" if piece.cells() else "about 10",
        )
        for n, (piece, cost) in enumerate(found, 1)
    ]
    head = ("", "piece", "cells", "thousand tokens trained", "predicted", "minutes")
    return markdown.table(head, rows, right=(0, 2, 3, 4, 5))


def _by_stage(found: list[tuple[Piece, Cost]]) -> str:
    rows = []
    for stage in dict.fromkeys(piece.stage.name for piece, _ in found):
        mine = [(piece, cost) for piece, cost in found if piece.stage.name == stage]
        hours = sum(cost.minutes for _, cost in mine) / 60
        rows.append((stage, mine[0][0].stage.question, len(mine[0][0].stage.seeds), f"{hours:.1f}"))
    total = sum(cost.minutes for _, cost in found) / 60
    return markdown.table(
        ("stage", "question", "seeds", "hours"), [*rows, ("", "together", "", f"{total:.1f}")], right=(2, 3)
    )


def registered(stages: tuple[Stage, ...]) -> list[str]:
    """What is fixed before the first run, with the hash that the report holds the stage to."""
    lines = ["## Registered", ""]
    for stage in stages:
        if not stage.registered:
            continue
        n = len(stage.seeds)
        smallest = power.plan(SD, n, stage.margin)["minimum_detectable"]
        lines += [
            f"Stage {stage.name}, declared {stage.hash}: {stage.question}",
            "",
            *(
                f"- {one.condition} → {one.target} against {one.against}: expected {one.expected}"
                for one in stage.registered
            ),
            "",
            f"Paired t intervals over {n} seeds, means over these languages; Holm over the "
            f"{len(stage.registered)} contrasts; margin {stage.margin:g} point. With a standard deviation of "
            f"{SD:g} points between seeds {n} of them find a difference of {smallest:.1f} points in 8 of 10 "
            "cases. The gain shows if both contrasts of it do. A stage whose declaration is changed is "
            "reported as exploratory.",
        ]
    return lines


def studied(folder: Folder, stages: tuple[Stage, ...]) -> Iterator[str]:
    """What is fixed of the stages that answer a study, and what they will be able to find."""
    for stage in stages:
        if not stage.study:
            continue
        spoken = {target.name: folder.languages(target) for target in stage.targets}
        asked = stage.studied
        yield ""
        yield f"Stage {stage.name}, declared {stage.hash}: {stage.question}"
        yield ""
        yield from (f"- {said}" for said in foresee(asked, len(stage.seeds), spoken))
        yield ""
        yield (
            f"These are the primary contrasts (the {tables.fixed(asked)}), with Holm over the "
            f"{len(asked.primary)}, looked at once, over {len(stage.seeds)} seeds; power at Holm's strictest "
            "level, simulated."
        )


def _named(condition: Condition) -> str:
    """Its name, and the rows behind it where that is another."""
    rows = "+".join(condition.intermediate)
    return condition.name if rows in ("", condition.name) else f"{condition.name} ({rows})"


def _design(stages: tuple[Stage, ...]) -> Iterator[str]:
    yield "## Conditions and settings"
    yield ""
    yield "All stages: " + ", ".join(f"{name} {value}" for name, value in SHARED.items()) + "."
    yield ""
    for stage in stages:
        own = "".join(f"; {name} {value}" for name, value in stage.settings.items())
        names = ", ".join(map(_named, stage.conditions[:6])) + (" …" if len(stage.conditions) > 6 else "")
        goals = ", ".join(
            f"{one.name} ({one.tested} rows of {one.languages or 'all'} languages)" for one in stage.targets
        )
        yield f"- {stage.name}: {{{names}}} → {goals}{own}"
    if any(stage.pool for stage in stages):
        yield f"- searches: {SEARCHED} trials, English dev, merged weights"
