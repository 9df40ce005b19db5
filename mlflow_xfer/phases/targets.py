"""Composes what follows the intermediate tasks: the training on a target, and its evaluation."""

from __future__ import annotations

from typing import Any

from mlflow_xfer.kinds import kind
from mlflow_xfer.params.settings import BY_LANGUAGES, EvaluationSettings, TrainingSettings
from mlflow_xfer.phases.fitted import Fitted
from mlflow_xfer.phases.phase import BaseModel, Phase, StartModel
from mlflow_xfer.phases.settings import resolved
from mlflow_xfer.tasks.task import Task

POOLED = {"auto": "mean"}
"""How texts that nothing was trained on become vectors, where nobody says."""


class Targets(Fitted):
    """Composes the target phases of one command."""

    def target(self, name: str, start: StartModel, seed: int) -> tuple[Phase, ...]:
        """The fine-tune of a target (none for tasks scored straight from the backbone) and its evaluation."""
        task = self.task(name, "target")
        if task is None:
            return ()
        return (
            *(tuned := self.tune(task, start, seed)),
            self.evaluation(task, tuned[-1] if tuned else start, seed),
        )

    def tune(self, task: Task, start: StartModel, seed: int) -> tuple[Phase, ...]:
        """The training on ``task``; none where it is scored as it is, or was found at fault."""
        params = self.params
        if not task.trained or params.shots is not None:
            return ()
        trained = self.trained_for(task)
        if trained is None:
            return ()
        trained = self.adapted(trained)
        rows = self.training_rows(trained, params.source_language, seed)
        asked = params.training("target")
        settings = (
            self.fitting(self.adapting(resolved(asked, [task.recipe]), start), asked, start)
            | {"select_by": params.select_by}
            | self.control(start, seed)
        )
        shots = self.shots(task, seed) if params.target_shots else []
        if shots:  # none where it is evaluated in its training language alone
            rows += shots
            settings |= {"target_shots": params.target_shots}
        excludes, unseen = self.excluded(lambda: [task.name], seed)
        selection = self.selection(self.adapted(task), rows, seed) if params.select_by in BY_LANGUAGES else ()
        few = f"{params.target_shots} shots" if shots else ""
        note = " ".join(
            filter(None, (few, params.select_by if selection else "", "unseen" if excludes else ""))
        )
        return (
            Phase(
                "target",
                TrainingSettings.of(settings | unseen),
                seed,
                (trained,),
                tuple(rows),
                (start, *self.under(start)),
                excludes,
                selection,
                note=note,
                target=task.name,
                train_on=params.train_on or "",
            ),
        )

    def trained_for(self, task: Task) -> Task | None:
        """The task whose rows train ``task``: itself, or the one that ``train_on`` names."""
        params = self.params
        trained = self.task(params.train_on, "intermediate") if params.train_on else task
        if trained is None:
            return None
        alike = kind.answered_alike(trained.kind, task.kind)
        if not alike or not set(task.labels) <= set(trained.labels):
            self.problems.add(
                (
                    f"train_on={trained.name} ({trained.kind}, labels {', '.join(trained.labels) or 'none'}) "
                    f"cannot train {task.name!r} ({task.kind}, labels {', '.join(task.labels) or 'none'})."
                ),
                "Choose a task of the same kind whose labels include the target's.",
            )
            return None
        if params.select_by == "english_dev" and task.name in trained.dev_of:
            self.problems.add(
                (
                    f"train_on={trained.name} would choose the checkpoint of {task.name!r} by its own test "
                    f"rows: they are {trained.name}'s dev set, or translations of it."
                ),
                f"Leave train_on out ({task.name} then selects on dev rows of its own), or select_by=last.",
            )
            return None
        if params.target_shots and trained.name != task.name:
            self.problems.add(
                (
                    f"target_shots={params.target_shots} adds rows of {task.name!r} to its own training set, "
                    f"and train_on={trained.name} trains on another."
                ),
                "Leave out one of them; or train on the other task first (intermediate=…).",
            )
            return None
        return trained

    def evaluation(self, task: Task, start: StartModel, seed: int) -> Phase:
        params = self.params
        asked = params.training("target")
        length = {"max_seq_length": asked.get("max_seq_length", task.recipe.max_seq_length)}
        settings: dict[str, Any] = self.fitting(length, asked, start) | {
            "max_eval_examples": params.max_eval_examples
        }
        if not task.trained:
            settings |= {
                "layer": params.layer,
                "pooling": POOLED.get(params.pooling, params.pooling),
            }
        settings |= self.control(start, seed)
        rows = self.test_rows(task, seed)
        task = self.adapted(task)
        more = self.further_rows(task, rows, seed)
        if any(one.split == "test" for one in more):  # else all test rows are scored
            settings |= {"scored": tuple(one.language for one in rows)}
        swapped = self.swapped(task, rows)
        if swapped:
            settings |= {"adapted": tuple(swapped)}
        oracle = isinstance(start, Phase) and start.selects_by == "oracle"
        prompted = params.shots if task.trained else None
        drawn = isinstance(start, BaseModel) and start.identity.startswith("scratch:")
        if prompted is not None:
            settings |= {"shots": prompted}
        if prompted:
            more += self.training_rows(task, params.source_language, seed)[:1]
        marks = {"oracle": oracle, "swapped": swapped, f"prompted {prompted}-shot": prompted is not None}
        note = " ".join(mark for mark, there in marks.items() if there)
        return Phase(
            "evaluate",
            EvaluationSettings.of(settings),
            seed if drawn or prompted else None,
            (task,),
            (*rows, *more),
            (start, *swapped.values()),
            note=note,
            missing=self.missing.get(task.name, ()),
            replicate=seed,
        )
