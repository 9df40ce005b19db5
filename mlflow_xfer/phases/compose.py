"""Composes phases: names become tasks, files become rows,
``auto`` becomes a value, and every fault is collected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from mlflow_xfer import languages
from mlflow_xfer.data import sources
from mlflow_xfer.data.sources import Rows
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.limits import check_length
from mlflow_xfer.models.merge import WITH_BASE, auto_weight
from mlflow_xfer.models.public import seen_by
from mlflow_xfer.models.trainable import NO_TEXT, SHAPE
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.settings import (
    BY_LANGUAGES,
    EvaluationSettings,
    MergeSettings,
    Mixing,
    TrainingSettings,
    meant,
)
from mlflow_xfer.phases import languages as of_languages
from mlflow_xfer.phases.base_seen import SEEN_TAG
from mlflow_xfer.phases.languages import LanguageRuns
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase, StartModel
from mlflow_xfer.phases.settings import CONTINUED, FROM_NOTHING, resolved
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks import mini as mini_suite
from mlflow_xfer.tasks.catalogue import SUITES, TASKS
from mlflow_xfer.tasks.seen import check_seen
from mlflow_xfer.tasks.task import POOL, Suite, Task

T = TypeVar("T")

SELECTION_SPLIT = "validation"
SHORTEST = 8
"""Tokens of a row below which nothing is encoded."""

MINI_BASE = "scratch:xlm-roberta:mini"
MIXED = tuple(name for name, one in parameters(Mixing).items() if "combine" in one.facts.when)
"""What concerns a phase that mixes several tasks, and no other."""


@dataclass
class Composer:
    """Composes the plan of one command; what is wrong is collected in ``problems``.

    Args:
        params: the parameters of the chain (:func:`mlflow_xfer.params.chain.as_transfer`).
        find_base: from (model, revision, tokenizer) to what a chain starts from; may look into the store.
        extra: tasks of the user's task file, by name.
        online: ask the hub for the commits of its data sets; otherwise what is not known stays unresolved.
    """

    params: Transfer
    find_base: Callable[[str, str | None, str], BaseModel | FinishedRun]
    extra: dict[str, Task] = field(default_factory=dict)
    online: bool = False
    problems: Problems = field(default_factory=Problems)
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def attempt(self, call: Callable[[], T], otherwise: T) -> T:
        """``call()``, or ``otherwise`` with its error among the problems."""
        try:
            return call()
        except XferError as error:
            self.problems.add(error)
            return otherwise

    def available(self, task: Task, split: str) -> tuple[str, ...]:
        return self.attempt(lambda: sources.available(task, split, self.params.data), ())

    # -- names -----------------------------------------------------------------------------------------------
    def task(self, name: str, use: str) -> Task | None:
        """The task called ``name``, if it may be used as ``use`` and the data folder knows it."""
        known = {*TASKS.names(), *self.extra}
        if name not in known:
            self.problems.add(unknown("task", name, known, "mlflow-xfer tasks"))
            return None
        task = self.extra.get(name) or TASKS.get(name)
        if use not in task.uses:
            self.problems.add(f"Task {name!r} cannot be used as {use}.", f"It can be: {', '.join(task.uses)}")
            return None
        provider = sources.provider_of(self.params.data)
        if name not in self.extra and provider not in task.sources:
            have = sorted({"folder": "data=<folder>"}.get(p, f"data={p}") for p in task.sources)
            self.problems.add(
                f"Task {name!r} has no data with data={self.params.data}.", f"It has: {', '.join(have)}"
            )
            return None
        return self.attempt(lambda: sources.with_labels(task, self.params.data), task)

    def suite(self) -> Suite:
        name = self.params.suite
        if name == "auto":
            name = "mini" if sources.provider_of(self.params.data) == "mini" else "xtreme"
        return SUITES.get(name)

    def target_names(self) -> list[str]:
        """Target tasks asked for; a suite's name stands for its tasks,
        ``auto`` for those of the suite with data.
        """
        asked = self.params.target
        if asked == "auto":
            provider = sources.provider_of(self.params.data)
            names = [n for n in self.suite().tasks if n in TASKS and provider in TASKS.get(n).sources]
            usable = [
                n
                for n in names
                if self.available(task := TASKS.get(n), "test")
                and (not task.trained or self.available(task, "train"))
            ]
            if not usable:
                self.problems.add(
                    f"No target of suite {self.suite().name!r} has test data with data={self.params.data}.",
                    "Name the targets: target=…",
                )
            return usable
        names = [
            n
            for name in asked
            for n in (self.with_data(SUITES.get(name)) if name in SUITES and name not in TASKS else (name,))
        ]
        if not names:
            self.problems.add("target=none leaves nothing to evaluate.", "Name a target task or a suite.")
        return list(dict.fromkeys(names))

    def with_data(self, suite: Suite) -> list[str]:
        """The suite's tasks that can be trained and scored with this data;
        the others are listed in ``missing``.
        """
        tasks = []
        for name in suite.tasks:
            task, have = TASKS.get(name), sources.provider_of(self.params.data) in TASKS.get(name).sources
            scored = have and (
                self.available(task, "test")
                or (kind.data(task.kind).tunes_on_dev(task) and self.available(task, SELECTION_SPLIT))
            )
            if scored and (not task.trained or self.params.train_on or self.available(task, "train")):
                tasks.append(name)
            else:
                self.missing[name] = suite.languages.get(name, task.languages)
        if not tasks:
            self.problems.add(
                f"No task of suite {suite.name!r} has training and test data with data={self.params.data}.",
                "Name the targets: target=…",
            )
        return tasks

    # -- rows ------------------------------------------------------------------------------------------------
    def located(self, task: Task, split: str, language: str, seed: int) -> Rows | None:
        def locate() -> Rows | None:
            rows = sources.locate(task, split, language, self.params.data, seed=seed)
            return sources.resolve(task, rows) if rows and self.online else rows

        return self.attempt(locate, None)

    def training_rows(self, task: Task, language: str, seed: int) -> list[Rows]:
        train = self.located(task, "train", language, seed)
        if train is None and not self.problems:
            where = ", ".join(self.available(task, "train")) or "none"
            self.problems.add(
                f"Task {task.name!r} has no training data in {language!r} with data={self.params.data}.",
                f"Languages with training data: {where}.{self.looked(task, 'train', language)}",
            )
        dev = self.located(task, SELECTION_SPLIT, language, seed)
        return [*(rows for rows in (train, dev) if rows), *self.pool_rows(task, seed)]

    def looked(self, task: Task, split: str, language: str) -> str:
        """Where a folder was looked into for rows that are not there."""
        rows = self.attempt(lambda: sources.looked_at(task, split, language, self.params.data), "")
        return f" Looked for: {rows}" if rows else ""

    def pool_rows(self, task: Task, seed: int) -> list[Rows]:
        """Candidates that are the same for all languages; a file that serves several languages once."""
        if not kind.data(task.kind).pool:
            return []
        located = [self.located(task, POOL, code, seed) for code in self.available(task, POOL)]
        return list({rows.identity: rows for rows in located if rows}.values())

    def dev_scored(self, task: Task, code: str, seed: int) -> Rows | None:
        """Rows of dev where mining has no test set:
        scored there, where its threshold is tuned, and marked so.
        """
        return (
            self.located(task, SELECTION_SPLIT, code, seed)
            if kind.data(task.kind).tunes_on_dev(task)
            else None
        )

    def test_rows(self, task: Task, seed: int) -> list[Rows]:
        """Test rows of the languages asked for; those without a file are listed in ``missing``."""
        suite = self.suite()
        wanted = (
            suite.languages.get(task.name, task.languages) if task.name in suite.tasks else task.languages
        )
        if self.params.languages != "auto":
            wanted = [code for code in wanted if code in {*self.params.languages, "en"}]
        located = {
            code: self.located(task, "test", code, seed) or self.dev_scored(task, code, seed)
            for code in wanted
        }
        absent = tuple(code for code, rows in located.items() if rows is None)
        if absent:
            self.missing[task.name] = absent
        rows = [r for r in located.values() if r]
        if not rows:
            self.problems.add(
                (
                    f"Task {task.name!r} has test data in none of the languages asked for "
                    f"({', '.join(wanted) or 'none'})."
                ),
                f"Languages with a test file: {', '.join(self.available(task, 'test')) or 'none'}."
                + (self.looked(task, "test", wanted[0]) if wanted else ""),
            )
        return rows

    def texts(self, text: str) -> list[Rows]:
        asked = self.params.text_languages
        texts = self.attempt(lambda: sources.load_texts(text, None if asked == "auto" else list(asked)), {})
        return [texts[code] for code in sorted(texts)]

    # -- adapters of languages -------------------------------------------------------------------------------
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

    # -- phases ----------------------------------------------------------------------------------------------
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

    def with_seen(self, base: BaseModel | FinishedRun) -> BaseModel | FinishedRun:
        """A base with what its makers trained it on: as said, else as the table of public models has it."""
        said = self.params.base_seen
        if said != "auto":
            check_seen(said, self.extra)
        if isinstance(base, BaseModel):
            return replace(base, seen=tuple(seen_by(base.reference) or () if said == "auto" else said))
        return base if said == "auto" else replace(base, marks={**base.marks, SEEN_TAG: ",".join(said)})

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
            rows = [
                row
                for task in group
                for row in self.training_rows(
                    task, "en" if "en" in task.train_languages else task.train_languages[0], seed
                )
            ]
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
            note = "+".join(filter(None, ("mlm" if params.mlm_share else "", "unseen" if excludes else "")))
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
        params = self.params
        if not task.trained or params.shots is not None:
            return ()
        trained = self.task(params.train_on, "intermediate") if params.train_on else task
        if trained is None:
            return ()
        if trained.kind != task.kind or not set(task.labels) <= set(trained.labels):
            self.problems.add(
                (
                    f"train_on={trained.name} ({trained.kind}, labels {', '.join(trained.labels) or 'none'}) "
                    f"cannot train {task.name!r} ({task.kind}, labels {', '.join(task.labels) or 'none'})."
                ),
                "Choose a task of the same kind whose labels include the target's.",
            )
            return ()
        if params.select_by == "english_dev" and task.name in trained.dev_of:
            self.problems.add(
                (
                    f"train_on={trained.name} would choose the checkpoint of {task.name!r} by its own test "
                    f"rows: they are {trained.name}'s dev set, or translations of it."
                ),
                f"Leave train_on out ({task.name} then selects on dev rows of its own), or select_by=last.",
            )
            return ()
        if params.target_shots and trained.name != task.name:
            self.problems.add(
                (
                    f"target_shots={params.target_shots} adds rows of {task.name!r} to its own training set, "
                    f"and train_on={trained.name} trains on another."
                ),
                "Leave out one of them; or train on the other task first (intermediate=…).",
            )
            return ()
        trained = self.adapted(trained)
        rows = self.training_rows(trained, params.source_language, seed)
        asked = params.training("target")
        settings = (
            self.fitting(self.adapting(resolved(asked, [task.recipe]), start), asked, start)
            | {"select_by": params.select_by}
            | self.control(start, seed)
        )
        if params.target_shots:
            rows += self.shots(task, seed)
            settings |= {"target_shots": params.target_shots}
        excludes, unseen = self.excluded(lambda: [task.name], seed)
        selection = self.selection(self.adapted(task), rows, seed) if params.select_by in BY_LANGUAGES else ()
        shots = f"{params.target_shots} shots" if params.target_shots else ""
        note = " ".join(
            filter(None, (shots, params.select_by if selection else "", "unseen" if excludes else ""))
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

    def selection(self, task: Task, rows: Sequence[Rows], seed: int) -> tuple[tuple[Task, Rows], ...]:
        """Dev rows of the evaluated languages but the source, by which ``label_free`` and ``oracle`` select;
        never test rows.

        ``rows`` are those of the training: a validation row that few-shot training took cannot select.
        """
        by, source = f"select_by={self.params.select_by}", self.params.source_language
        ways = kind.data(task.kind).selects_by
        if self.params.select_by not in ways:
            self.problems.add(
                f"{by} cannot judge answers of {task.name!r} ({task.kind}).",
                f"Use {', '.join(('english_dev', 'last', 'average', *ways))}.",
            )
            return ()
        codes = [row.language for row in self.test_rows(task, seed) if row.language != source]
        located = {code: self.located(task, SELECTION_SPLIT, code, seed) for code in codes}
        missing = [code for code, one in located.items() if one is None]
        if missing or not codes:
            what = (
                f"has no validation rows in {', '.join(missing)}"
                if missing
                else f"is evaluated in no language but {source!r}"
            )
            self.problems.add(
                f"{by}: task {task.name!r} {what}.",
                (
                    "Narrow the languages to those with validation rows (languages=…), or use english_dev, "
                    "last or average."
                ),
            )
        shots = sorted(
            {row.language for row in rows if row.split == SELECTION_SPLIT and row.language != source}
        )
        if shots:
            self.problems.add(
                (
                    f"{by}: target_shots of {task.name!r} are taken from the validation rows in "
                    f"{', '.join(shots)}, where there is no training split."
                ),
                "Use target_shots=0, or another select_by.",
            )
        return tuple((task, one) for one in located.values() if one)

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

    def shots(self, task: Task, seed: int) -> list[Rows]:
        """Labelled rows of the evaluated languages: their training split, else their validation split."""
        codes = [
            row.language for row in self.test_rows(task, seed) if row.language != self.params.source_language
        ]
        located = {
            code: self.located(task, "train", code, seed) or self.located(task, SELECTION_SPLIT, code, seed)
            for code in codes
        }
        for code in (code for code, rows in located.items() if rows is None):
            self.problems.add(
                f"target_shots: task {task.name!r} has no training or validation rows in {code!r}.",
                "Leave the language out with languages=…, or target_shots=0.",
            )
        return [rows for rows in located.values() if rows]

    def excluded(
        self, targets: Callable[[], Sequence[str]], seed: int, before_target: bool = False
    ) -> tuple[tuple[tuple[Task, Rows], ...], dict[str, Any]]:
        """With ``exclude_overlap``: the targets' test and dev rows, and ``before_target`` their training
        rows, whose like a phase must not train on; and the setting that says so.
        """
        if not self.params.exclude_overlap:
            return (), {}
        tasks = [task for name in targets() if (task := self.task(name, "target"))]
        rows = [(task, rows) for task in tasks for rows in self.test_rows(task, seed)]
        rows += [
            one
            for task in tasks
            for one in self.own_rows(task, [SELECTION_SPLIT, *(["train"] if before_target else [])], seed)
            if one not in rows
        ]
        return tuple(rows), {"exclude_overlap": True}

    def own_rows(self, task: Task, splits: Sequence[str], seed: int) -> list[tuple[Task, Rows]]:
        """The rows of ``splits`` that ``task`` is trained on or selected by. Those of the embedded suite are
        kept apart from all others by its generator.
        """
        trained = self.task(self.params.train_on, "intermediate") if self.params.train_on else task
        if trained is None or not task.trained:
            return []
        located = [self.located(trained, split, self.params.source_language, seed) for split in splits]
        return [(trained, rows) for rows in located if rows and rows.provider != "mini"]

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
                "pooling": "mean" if params.pooling == "auto" else params.pooling,
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

    def further_rows(self, task: Task, rows: Sequence[Rows], seed: int) -> list[Rows]:
        """What is read beside the scored ``rows``:
        dev for a threshold, candidates in other languages, a pool.
        """
        tested = [one.language for one in rows if one.split == "test"]
        further = kind.data(task.kind).further(task, [one.language for one in rows], tested)
        dev = {code: self.located(task, SELECTION_SPLIT, code, seed) for code in further.dev}
        for code in (code for code, found in dev.items() if found is None):
            self.problems.add(
                f"Task {task.name!r} has no validation split in {code!r}.",
                "The threshold of mining is tuned there; leave the language out with languages=….",
            )
        beside = [self.located(task, "test", code, seed) for code in further.others]
        pool = self.pool_rows(task, seed) if further.pool else []
        return [*(found for found in (*dev.values(), *beside) if found), *pool]

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
        if length < SHORTEST:
            self.problems.add(
                f"max_seq_length={length} leaves no room for a text.", f"Use at least {SHORTEST}."
            )
        if most is None or length <= most:
            return settings
        if "max_seq_length" in asked:
            self.attempt(lambda: check_length(length, most), None)
        return settings | {"max_seq_length": most}

    def control(self, start: StartModel, seed: int) -> dict[str, Any]:
        """``control=random`` replaces the weights that the chain starts from, after any pretrain phase."""
        if self.params.control == "none" or (isinstance(start, Phase) and start.kind != "pretrain"):
            return {}
        return {"control": self.params.control, "control_seed": seed}


def check_languages(params: Transfer, problems: Problems) -> None:
    """Unknown language codes of every parameter that names languages, all at once."""
    lists = [asked for asked in (params.languages, params.text_languages) if asked != "auto"]
    for code in [code for asked in lists for code in asked] + [params.source_language]:
        if code in ("false", "False"):
            problems.add(f"Language {code!r} is YAML's reading of an unquoted no.", "Quote it: 'no'.")
            continue
        try:
            languages.get(code)
        except XferError as error:
            problems.add(error)
