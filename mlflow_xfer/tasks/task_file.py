"""Tasks of a user: a YAML file with the fields of a :class:`Task`.

::

    tasks:
      sick:
        kind: classification
        labels: {ENTAILMENT: entailment, NEUTRAL: neutral, CONTRADICTION: contradiction}   # in the file: name
        format: tsv
        columns: {text_a: sentence_A, text_b: sentence_B, label: entailment_judgment}
        files:
          train: SICK_train.txt            # relative to the folder of this YAML file
          test: {en: SICK_test.txt, de: SICK_test_de.txt}

All problems of a file are reported at once, with their lines. Nothing is read but the YAML file (and a file
of labels).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow_xfer import languages
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.kinds import kind as kinds
from mlflow_xfer.lines import names_in, ordinary
from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.declared import Declared
from mlflow_xfer.tasks.declared_sources import Sources
from mlflow_xfer.tasks.entry import Entry, problems_of
from mlflow_xfer.tasks.task import Files, Source, Task
from mlflow_xfer.tasks.yaml_source import load

MAX_LABEL_FILE = 16 * 2**20
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def load_task_file(path: str | Path) -> tuple[Task, ...]:
    """The tasks that a file declares.

    Raises:
        XferError: everything that is wrong with the file, each with its line.
    """
    path = Path(path).expanduser().absolute()
    content = load(path)
    problems = Problems()
    if (
        not isinstance(content.value, dict)
        or set(content.value) != {"tasks"}
        or not isinstance(content.value["tasks"], dict)
    ):
        problems.add(
            f"{path}: has no tasks.", "The file is like:\ntasks:\n  name:\n    kind: classification\n    …"
        )
        problems.raise_if_any()
    tasks = []
    for name, declared in content.value["tasks"].items():
        here = content.at("tasks", name)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            problems.add(
                f"{here}: {name!r} is no name for a task.",
                "Small letters, digits and . _ - are accepted, a letter or digit first.",
            )
        elif name in TASKS:
            problems.add(
                f"{here}: task {name!r} exists already, in the catalogue.",
                f"Choose another name; with 'extends: {name}' the rest of the entry is taken over.",
            )
        else:
            before = len(problems.found)
            for problem in problems_of(declared, content, ("tasks", name)):
                problems.add(problem)
            if len(problems.found) == before:
                made = _Builder(name, Entry.model_validate(declared), content, problems).task()
                tasks += [made] if made else []
    known = [*TASKS.names(), *map(str, content.value["tasks"])]
    for task in tasks:
        for field in ("overlaps", "dev_of"):
            for named in (named for named in getattr(task, field) if named not in known):
                wrong = unknown("task", named, known, TASKS.see)
                problems.add(
                    f"{content.at('tasks', task.name, field)}: task {task.name!r}, {field}: {wrong.what}",
                    wrong.hint,
                )
    problems.raise_if_any()
    return tuple(tasks)


class _Builder(Declared):
    """One task from its checked entry."""

    def task(self) -> Task | None:
        entry, before = self.entry, len(self.problems.found)
        base = self._base()
        kind = entry.kind or (base.kind if base else None)
        if kind is None:
            self.bad("", "has no kind.", f"kind: {', '.join(kinds.KINDS.names())}")
            return None
        if not (entry.files or entry.hub or base):
            self.bad("", "has no data.", "Give files: or hub:")
        labels, said = self._labels(kind, base)
        sources = Sources(self, kind).made(base, labels, said)
        if len(self.problems.found) > before:
            return None
        return self._assembled(kind, base, labels, sources)

    def _base(self) -> Task | None:
        if self.entry.extends is None:
            return None
        if self.entry.extends not in TASKS:
            self.unknown("task", self.entry.extends, TASKS.names(), "extends", see=TASKS.see)
            return None
        return TASKS.get(self.entry.extends)

    # -- labels ----------------------------------------------------------------------------------------------
    def _labels(self, kind: str, base: Task | None) -> tuple[tuple[str, ...], Any]:
        """The task's label names, and what the files say for them (for multiple choice:
        in the order of the choices).
        """
        declared = self.entry.labels
        if isinstance(declared, str):
            declared = self._label_file(declared)
        if kinds.data(kind).labels != "names":
            return (), self.order("labels", declared or ()) if kinds.data(kind).labels else {}
        if declared is None:
            if base is None:
                self.bad(
                    "",
                    "has no labels.",
                    (
                        "labels: [first, second], or {in the file: name}, or the name of a file with one "
                        "label per line"
                    ),
                )
            return (base.labels if base else ()), {}
        said = dict(declared) if isinstance(declared, Mapping) else {}
        names = list(said.values() or declared)
        if not said and len(set(names)) < len(names):
            self.bad("labels", "names a label twice.")
        if len(set(names)) < 2:
            self.bad("labels", "needs at least two labels.")
        return tuple(dict.fromkeys(names)), said

    def _label_file(self, name: str) -> tuple[str, ...]:
        try:
            path = self.folder / Path(name).expanduser()
            ordinary(path, MAX_LABEL_FILE)
            return names_in(path)
        except OSError as error:
            self.bad(
                "labels",
                f"the file of labels cannot be read: {path} ({error.strerror or error}).",
                "Paths in a task file are relative to its folder.",
            )
        except XferError as error:
            self.bad("labels", f"the file of labels cannot be read: {error.what}", error.hint)
        return ("?", "??")

    # -- the whole -------------------------------------------------------------------------------------------
    def _assembled(self, kind: str, base: Task | None, labels: tuple[str, ...], sources: dict) -> Task | None:
        entry = self.entry
        metrics = kinds.KINDS.get(kind).metrics or ("",)
        metric = entry.metric or (
            base.metric
            if base and base.kind == kind
            else kinds.data(kind).default_metric(labels, entry.columns, tuple(entry.files))
        )
        if metric not in metrics and (base is None or metric != base.metric):
            self.bad(
                "metric", f"metric {metric!r} does not score {kind} tasks.", f"Accepted: {', '.join(metrics)}"
            )
        tested, trained = self._languages(sources, "test"), self._languages(sources, "train")
        if base and not entry.files:
            tested, trained = base.languages, base.train_languages
        spoken = kinds.KINDS.get(kind).spoken.get(metric)
        if spoken and (others := [code for code in tested if code not in spoken]):
            self.bad(
                "metric" if entry.metric else "extends",
                f"metric {metric!r} is not defined for {', '.join(others)}, but for {', '.join(spoken)}.",
                f"For any language: metric: {metrics[0]}",
            )
        if not (tested or trained):
            self.bad(
                "files",
                "has neither a train nor a test split." if self.entry.files else "needs languages.",
                "languages: [en, …]" if entry.hub else "",
            )
        own = entry.model_dump(
            include={
                "domain",
                "skills",
                "overlaps",
                "family",
                "dev_of",
                "description",
                "licence",
                "citation",
                "version",
                "trained",
            },
            exclude_unset=True,
        )
        own.setdefault("family", "" if base is None or entry.files or entry.hub else base.family or base.name)
        if kinds.data(kind).untrained and not trained and base is None:
            own.setdefault("trained", False)
        fields = {
            "name": self.name,
            "kind": kind,
            "metric": metric,
            "labels": labels,
            "sources": sources,
            "languages": tested or trained,
            "train_languages": trained,
            "options": self._options(kind, base, labels),
            "uses": tuple(
                entry.uses or [use for use, there in (("intermediate", trained), ("target", tested)) if there]
            ),
        }
        if entry.recipe:
            own_recipe = entry.recipe.model_dump(exclude_unset=True)
            fields["recipe"] = (base.recipe if base else Recipe()).model_copy(update=own_recipe)
        fields |= {name: tuple(value) if isinstance(value, list) else value for name, value in own.items()}
        return replace(base, **fields) if base else Task(**fields)

    def _options(self, kind: str, base: Task | None, labels: tuple[str, ...]) -> dict[str, Any]:
        """The options of the kind: those of the entry that is taken over, and the entry's own."""
        declared = kinds.KINDS.get(kind).options
        options = dict(base.options) if base and base.kind == kind else {}
        for name in self.entry.model_fields_set & {option for one in kinds.KINDS for option in one.options}:
            if name not in declared:
                self.bad(
                    name, f"{name} is no option of {kind} tasks.", f"Options: {', '.join(declared) or 'none'}"
                )
            elif declared[name] != kinds.ANY and getattr(self.entry, name) not in declared[name]:
                self.bad(
                    name,
                    f"{name} is {getattr(self.entry, name)!r}.",
                    f"Accepted: {', '.join(map(str, declared[name]))}",
                )
            else:
                options[name] = getattr(self.entry, name)
        same = base is not None and base.kind == kind and base.labels == labels
        if not same and not set(declared) <= self.entry.model_fields_set:
            try:
                options = {**options, **kinds.data(kind).options_of(labels)}
            except XferError as error:
                self.bad("labels", error.what, error.hint)
        return options

    def _languages(self, sources: Mapping[str, tuple[Source, ...]], split: str) -> tuple[str, ...]:
        codes: dict[str, None] = {}
        for source in (one for one in sources.get("file", ()) if isinstance(one, Files)):
            parts = source.splits.get(split)
            if parts is not None:
                codes |= dict.fromkeys(parts if isinstance(parts, Mapping) else source.languages[split])
        if not codes and "hub" in sources and split in sources["hub"][0].splits:
            codes = dict.fromkeys(
                languages.get(code).code for code in self.entry.languages or [self.entry.language]
            )
        return tuple(codes)


def fields() -> Iterator[tuple[str, str]]:
    """Every field of an entry with its meaning, for the documentation."""
    for name, field in Entry.model_fields.items():
        yield name, field.description or ""
