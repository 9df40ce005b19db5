"""Settings and tasks as the parameters, and the model that a phase starts from, have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from mlflow_xfer.data.sources import Rows
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.limits import SHORTEST, check_size
from mlflow_xfer.models.public import seen_by
from mlflow_xfer.models.trainable import SHAPE
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.settings import (
    TrainingSettings,
)
from mlflow_xfer.phases import languages as of_languages
from mlflow_xfer.phases.base_seen import SEEN_TAG
from mlflow_xfer.phases.languages import LanguageRuns
from mlflow_xfer.phases.located import Located
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase, StartModel
from mlflow_xfer.tasks.seen import check_seen
from mlflow_xfer.tasks.task import Task


class Fitted(Located):
    """Fits what phases are told to what they start from."""

    @cached_property
    def language_runs(self) -> LanguageRuns:
        params = self.params
        if params.adapter and (params.control != "none" or params.combine == "merge"):
            self.problems.add(
                f"adapter={','.join(params.adapter)} belongs to the weights that it was trained on, which "
                "control=random and combine=merge change.",
                "Leave one of them out.",
            )
        return of_languages.asked(params.adapter, params.source_language, self.find_base, self.problems)

    def under(self, start: StartModel) -> tuple[FinishedRun, ...]:
        """The adapter of a language that a training from ``start`` puts into its weights."""
        run = self.language_runs.under
        return (run,) if run and not of_languages.has_language(start) else ()

    def swapped(self, task: Task, rows: Sequence[Rows]) -> Mapping[str, FinishedRun]:
        """By language, the adapters that an evaluation of ``rows`` swaps in."""
        runs = self.language_runs.swapped
        if not runs:
            return {}
        if kind.data(task.kind).pool:
            self.problems.add(
                f"adapter: {task.name!r} ({task.kind}) compares texts of several languages at once.",
                "Only languages that are predicted each by itself can have adapters of their own.",
            )
        scored = dict.fromkeys(row.language for row in rows)
        lacking = [code for code in scored if code not in runs and code != self.params.source_language]
        if lacking:
            self.problems.add(
                f"adapter: task {task.name!r} is evaluated in {', '.join(lacking)}, for which there is none.",
                f"Name one ({lacking[0]}=lang:RUN), or leave the language out with languages=….",
            )
        return {code: runs[code] for code in scored if code in runs}

    def adapted(self, task: Task) -> Task:
        """``task`` as the parameters have it trained and scored. Of options that are any text the task's own
        holds where none is given; a task that is not trained has no others.
        """
        options = {
            name: getattr(self.params, name)
            for name in kind.KINDS.get(task.kind).options
            if name in Transfer.model_fields
        }
        declared = kind.KINDS.get(task.kind).options
        free = {name for name in options if declared[name] == kind.ANY}
        given = {name: value for name, value in options.items() if (value if name in free else task.trained)}
        if self.params.shots is not None and task.trained:
            if "template" not in declared:
                able = [one.name for one in kind.KINDS if "template" in one.options]
                self.problems.add(
                    f"shots={self.params.shots}: {task.name!r} ({task.kind}) cannot be prompted.",
                    f"Kinds that can: {', '.join(able)}. shots=none trains the target.",
                )
                return task
            own = task.option("template") or task.template
            given = {"template": own} | given | {"choice_scoring": "likelihood"}
        return task.with_options(**given)

    def adapting(self, settings: dict[str, Any], start: StartModel) -> dict[str, Any]:
        """``settings`` for the adapter that ``start`` leaves: in a chain the first one is fresh, and one of
        another shape cannot be gone on with."""
        if settings.get("start_adapter") != "continue" or not isinstance(start, Phase):
            return settings
        before = start.settings
        way = settings["trainable"]
        if not isinstance(before, TrainingSettings) or before.trainable != way:
            return settings | {"start_adapter": "merge"}
        differ = [
            f"{name} {getattr(before, name)} and {settings[name]}"
            for name in SHAPE[way]
            if getattr(before, name) != settings[name]
        ]
        if differ:
            self.problems.add(
                f"start_adapter=continue: the phases of the chain have {', '.join(differ)}.",
                "Give one value for both, or use start_adapter=merge.",
            )
        return settings

    def fitting(
        self, settings: dict[str, Any], asked: Mapping[str, Any], start: StartModel
    ) -> dict[str, Any]:
        """``settings`` for a model that reads rows of a limited length: a length that nobody asked for is cut
        to it, one that was is refused."""
        root = start.root() if isinstance(start, Phase) else start
        length, most = settings["max_seq_length"], root.longest
        trained = (
            TrainingSettings.of(settings) if "trainable" in settings else getattr(start, "settings", None)
        )
        if most is not None and isinstance(trained, TrainingSettings):
            most -= trained.prompted
        fits = most is None or length <= most
        if "max_seq_length" in asked or min(length, length if most is None else most) < SHORTEST:
            self.attempt(lambda: check_size(length, most), None)
        return settings if fits else settings | {"max_seq_length": most}

    def control(self, start: StartModel, seed: int) -> dict[str, Any]:
        """``control=random`` replaces the weights that the chain starts from, after any pretrain phase."""
        if self.params.control == "none" or (isinstance(start, Phase) and start.kind != "pretrain"):
            return {}
        return {"control": self.params.control, "control_seed": seed}

    def with_seen(self, base: BaseModel | FinishedRun) -> BaseModel | FinishedRun:
        """A base with what its makers trained it on: as said, else as the table of public models has it."""
        said = self.params.base_seen
        if said != "auto":
            check_seen(said, self.extra)
        if isinstance(base, BaseModel):
            return replace(base, seen=tuple(seen_by(base.reference) or () if said == "auto" else said))
        return base if said == "auto" else replace(base, marks={**base.marks, SEEN_TAG: ",".join(said)})
