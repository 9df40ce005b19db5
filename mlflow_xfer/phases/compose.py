"""Composes phases: names become tasks, files become rows,
``auto`` becomes a value, and every fault is collected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow_xfer import languages
from mlflow_xfer.data import sources
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.models.merge import WITH_BASE, auto_weight
from mlflow_xfer.models.trainable import NO_TEXT
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.settings import (
    MergeSettings,
    Mixing,
    TrainingSettings,
    meant,
)
from mlflow_xfer.phases.phase import BaseModel, Phase, StartModel
from mlflow_xfer.phases.settings import CONTINUED, FROM_NOTHING, resolved
from mlflow_xfer.phases.targets import Targets
from mlflow_xfer.tasks import mini as mini_suite
from mlflow_xfer.tasks.task import Task

MINI_BASE = "scratch:xlm-roberta:mini"
MIXED = tuple(name for name, one in parameters(Mixing).items() if "combine" in one.facts.when)
"""What concerns a phase that mixes several tasks, and no other."""


class Composer(Targets):
    """Composes the plan of one command."""

    def start(self, base_seed: int) -> StartModel:
        """What the chain starts from: for ``model=mini`` the embedded base, a phase of its own."""
        if self.params.model == "mini":
            return self.pretrain(
                BaseModel(MINI_BASE, f"{MINI_BASE}:auto"),
                {},
                "mini",
                base_seed,
                mini=True,
            )
        return self.attempt(
            lambda: self.with_seen(
                self.find_base(self.params.model, self.params.revision, self.params.tokenizer)
            ),
            BaseModel(self.params.model, "unresolved:"),
        )

    def pretrain(
        self, start: StartModel, asked: Mapping[str, Any], text: str, seed: int, mini: bool = False
    ) -> Phase:
        scratch = isinstance(start, BaseModel) and start.identity.startswith("scratch:")
        if text == "mini" and scratch:
            recipe = mini_suite.PRETRAIN
        else:
            recipe = FROM_NOTHING if scratch else CONTINUED
        rows = (
            [found for _, found in sorted(sources.load_texts("mini", None).items())]
            if mini
            else self.texts(text)
        )
        alpha = 0.3 if mini else self.params.alpha
        settings = self.fitting(self.adapting(resolved(asked, [recipe]), start), asked, start)
        if settings.get("trainable") == "prompt":
            self.problems.add(NO_TEXT, "Give it to the other phases: --target.trainable prompt")
        settings.pop("attention", None)  # what learns to write reads what was written
        settings |= {"alpha": alpha} | ({"dropout": 0.0} if scratch else {})
        if self.params.text_words and not mini:
            settings |= {"text_words": self.params.text_words}
        if recipe is mini_suite.PRETRAIN:
            settings |= {"mlm_probability": mini_suite.MLM_PROBABILITY}
        return Phase(
            "pretrain",
            TrainingSettings.of(settings),
            seed,
            (),
            tuple(rows),
            (start,),
            note="base" if mini else "",
            is_base=mini,
        )

    def intermediates(self, start: StartModel, seed: int) -> list[Phase]:
        """One phase for the whole set (order-free); with ``combine=sequential`` one after the other; with
        ``combine=merge`` one for each task, as it would be alone, and the merge of several."""
        params = self.params
        chosen = [self.task(name, "intermediate") for name in dict.fromkeys(params.intermediate)]
        tasks = [task for task in chosen if task]
        if len(tasks) < len(chosen) or not tasks:
            return []
        if params.combine != "sequential":
            tasks.sort(key=lambda task: task.name)
        groups = [tasks] if params.combine == "joint" else [[task] for task in tasks]
        phases: list[Phase] = []
        for group in groups:
            rows = [row for task in group for row in self.intermediate_rows(task, seed)]
            before = phases[-1] if phases and params.combine == "sequential" else start
            asked = params.training("intermediate")
            settings = (
                self.fitting(
                    self.adapting(resolved(asked, [task.recipe for task in group]), before), asked, before
                )
                | {"select_by": "last"}
                | self.control(before, seed)
            )
            if len(group) > 1:
                settings |= {name: getattr(params, name) for name in MIXED}
            if params.mlm_share and settings.get("attention") == "bidirectional":
                self.problems.add(
                    f"mlm_share={params.mlm_share} with attention=bidirectional: a decoder would read "
                    "what it is to write.",
                    "Leave one of them out.",
                )
            if params.mlm_share:
                settings |= {"mlm_share": params.mlm_share, "alpha": params.alpha}
                rows += self.texts(self.mlm_text())
            excludes, unseen = self.excluded(self.target_names, seed, before_target=True)
            spoken = "" if params.intermediate_language == "auto" else params.intermediate_language
            note = "+".join(
                filter(None, (spoken, "mlm" if params.mlm_share else "", "unseen" if excludes else ""))
            )
            phases.append(
                Phase(
                    "intermediate",
                    TrainingSettings.of(settings | unseen),
                    seed,
                    tuple(group),
                    tuple(rows),
                    (before, *self.under(before)),
                    excludes,
                    note=note,
                )
            )
        return (
            [*phases, self.merge(start, phases, seed)]
            if params.combine == "merge" and len(phases) > 1
            else phases
        )

    def intermediate_rows(self, task: Task, seed: int) -> list[Rows]:
        """Rows of an intermediate task: of the language that it is trained in; of further ones training rows
        alone."""
        asked = self.params.intermediate_language
        own = "en" if "en" in task.train_languages else task.train_languages[0]
        first, *others = [own] if asked == "auto" else dict.fromkeys(asked.split(","))
        rows = self.training_rows(task, first, seed)
        return rows + [
            row for code in others for row in self.training_rows(task, code, seed) if row.split == "train"
        ]

    def merge(self, start: StartModel, models: list[Phase], seed: int) -> Phase:
        """The merge of ``models``, all trained from ``start``; no row is read and no step made."""
        params = self.params
        if isinstance(start, BaseModel) and start.identity.startswith("scratch:") and not start.path:
            self.problems.add(
                (
                    f"combine=merge: model={params.model} with tokenizer=auto trains another tokenizer on "
                    f"each task's texts."
                ),
                "Give a tokenizer, or pre-train first: text=mini or a folder of <language>.txt.",
            )
        with_base = params.merge_method in WITH_BASE
        settings: dict[str, Any] = {"combine": "merge", "merge_method": params.merge_method}
        if with_base:
            weight = (
                auto_weight(params.merge_method, len(models))
                if params.merge_weight == "auto"
                else params.merge_weight
            )
            settings |= {"merge_weight": weight} | self.control(start, seed)
        if meant("merge_density", {"combine": "merge", "merge_method": params.merge_method}):
            settings |= {"merge_density": params.merge_density}
        tasks = tuple(task for phase in models for task in phase.tasks)
        note = " ".join(filter(None, (models[0].note, "merge", params.merge_method)))
        return Phase(
            "intermediate",
            MergeSettings.of(settings),
            seed,
            tasks,
            (),
            (*([start] if with_base else []), *models),
            note=note,
        )

    def mlm_text(self) -> str:
        if self.params.text:
            return self.params.text
        if sources.provider_of(self.params.data) != "mini":
            self.problems.add(
                f"mlm_share={self.params.mlm_share} needs raw text.",
                "Give text=<folder of <language>.txt>, or mlm_share=0.",
            )
        return "mini"


def check_languages(params: Transfer, problems: Problems) -> None:
    """Unknown language codes of every parameter that names languages, all at once."""
    lists = [asked for asked in (params.languages, params.text_languages) if asked != "auto"]
    spoken = params.intermediate_language
    alone = [params.source_language, *(spoken.split(",") if spoken != "auto" else ())]
    for code in [code for asked in lists for code in asked] + alone:
        if code in ("false", "False"):
            problems.add(f"Language {code!r} is YAML's reading of an unquoted no.", "Quote it: 'no'.")
            continue
        try:
            languages.get(code)
        except XferError as error:
            problems.add(error)
