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
from mlflow_xfer.tasks.entry import Entry, problems_of
from mlflow_xfer.tasks.task import POOL, Files, Hub, Part, Source, Task
from mlflow_xfer.tasks.yaml_source import Located, load

MAX_LABEL_FILE = 16 * 2**20
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
SUFFIXES = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".conll": "conll",
    ".conllu": "conllu",
}


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


class _Builder:
    """One task from its checked entry; what does not fit together goes to ``problems``."""

    def __init__(self, name: str, entry: Entry, content: Located, problems: Problems):
        self.name, self.entry, self.content, self.problems = name, entry, content, problems
        self.folder = content.path.parent

    def bad(self, field: str, what: str, hint: str = "") -> None:
        self.problems.add(
            f"{self.content.at('tasks', self.name, *filter(None, [field]))}: task {self.name!r}: {what}", hint
        )

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
        sources = self._sources(kind, base, labels, said)
        if len(self.problems.found) > before:
            return None
        return self._assembled(kind, base, labels, sources)

    def _base(self) -> Task | None:
        if self.entry.extends is None:
            return None
        if self.entry.extends not in TASKS:
            self.problems.add(
                XferError(
                    f"{self.content.at('tasks', self.name, 'extends')}: "
                    f"{unknown('task', self.entry.extends, TASKS.names(), TASKS.see)}"
                )
            )
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
            return (), tuple(declared or ()) if kinds.data(kind).labels else {}
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
        if isinstance(declared, Mapping):
            return tuple(dict.fromkeys(declared.values())), dict(declared)
        if len(set(declared)) < len(declared):
            self.bad("labels", "names a label twice.")
        if len(set(declared)) < 2:
            self.bad("labels", "needs at least two labels.")
        return tuple(declared), {}

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

    # -- sources ---------------------------------------------------------------------------------------------
    def _sources(
        self, kind: str, base: Task | None, labels: tuple[str, ...], said: Any
    ) -> dict[str, tuple[Source, ...]]:
        sources = dict(base.sources) if base else {}
        if self.entry.files:
            made = self._files(kind, said)
            return {"file": (made,)} if made else {}
        if self.entry.hub:
            given: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in self.entry.hub.model_dump(exclude_unset=True).items()
            }
            if "offsets" in self.entry.model_fields_set:
                given["offsets"] = self.entry.offsets
            inherited = [s for s in sources.get("hub", ()) if isinstance(s, Hub)]
            if len(inherited) == 1:
                sources["hub"] = (replace(inherited[0], **given),)
            elif "path" not in given:
                self.bad("hub", "has no path.", "path: <organisation>/<name>")
            else:
                sources["hub"] = (Hub(**{"labels": said or labels, **given}), *inherited)
            ordered = given.get("labels", ())
            if isinstance(ordered, tuple) and any(
                str(place) in ordered and name != str(place) for place, name in enumerate(ordered)
            ):
                self.bad(
                    "hub",
                    "its labels are numbers, but not those of their places: is 1 the second, or the name?",
                    "Say which is which: labels: {0: first, 1: second}; without hub.labels 1 is 1.",
                )
            if "hub" in sources and "columns" in given:
                self._known_columns(kind, given["columns"], "hub")
        return sources

    def _files(self, kind: str, said: Any) -> Files | None:
        entry = self.entry
        splits, used = {}, []
        if POOL in entry.files and not kinds.data(kind).pool:
            self.bad("files", f"a {kind} task has no pool.", "Only retrieval has candidates.")
        for split, declared in entry.files.items():
            parts = self._parts(split, declared)
            splits[split] = parts
            used += [
                path
                for part in (parts.values() if isinstance(parts, Mapping) else (parts,))
                for path in part.paths
            ]
        if entry.validation_fraction and "validation" in splits:
            self.bad(
                "validation_fraction",
                "is given beside a validation split.",
                "It cuts one from the training rows where there is none.",
            )
        elif entry.validation_fraction and "train" not in splits:
            self.bad("validation_fraction", "is given, but there is no train split.")
        elif entry.validation_fraction:
            splits["validation"] = _each(splits["train"], share=(0.0, entry.validation_fraction))
            splits["train"] = _each(splits["train"], share=(entry.validation_fraction, 1.0))
        form = entry.format or self._format(kind, used)
        columns = dict(entry.columns)
        header = self._header(kind, form, columns)
        self._known_columns(kind, columns, "columns")
        for name in columns if form == "conll" else ():
            if not isinstance(columns[name], int):
                self.bad("columns", f"conll files have no names: {name} is a position (from 0, or from -1).")
        where = dict(entry.where) | ({entry.language_column: "{language}"} if entry.language_column else {})
        return Files(
            splits=splits,
            format=form or "tsv",
            header=header,
            columns=columns,
            labels=said,
            where=where,
            drop=tuple(entry.drop),
            offsets=entry.offsets,
            languages={
                split: self._languages_of(part) for split, part in splits.items() if isinstance(part, Part)
            },
        )

    def _parts(self, split: str, declared: Any) -> Part | dict[str, Part]:
        """The part of a split, or one per language; paths become absolute."""
        if isinstance(declared, dict) and not {"path", "paths"} & set(declared):
            return {languages.get(code).code: self._part(part) for code, part in declared.items()}
        return self._part(declared)

    def _part(self, declared: Any) -> Part:
        more: dict[str, Any] = {}
        if isinstance(declared, dict):
            more = {
                name: str(self.folder / declared[name]) for name in ("ids", "exclude_ids") if name in declared
            }
            declared = declared.get("path", declared.get("paths"))
        paths = [declared] if isinstance(declared, str) else declared
        return Part(tuple(str(self.folder / Path(path).expanduser()) for path in paths), **more)

    def _languages_of(self, part: Part) -> tuple[str, ...]:
        """Languages of a split that does not name them:
        those asked for, else those whose file is there, else one.
        """
        entry = self.entry
        own = tuple(languages.get(code).code for code in entry.languages or ())
        by_name = any("{language}" in path for path in part.paths)
        if own and (by_name or entry.language_column):
            return own
        if by_name:
            return tuple(
                code
                for code in languages.known()
                if all(Path(path.replace("{language}", code)).is_file() for path in part.paths)
            )
        return (languages.get(entry.language).code,)

    def _format(self, kind: str, used: list[str]) -> str | None:
        own = kinds.data(kind).format_of({Path(path).suffix for path in used}, self.entry.columns)
        if own:
            return own
        formats = {SUFFIXES.get(Path(path).suffix) for path in used}
        if len(formats) != 1 or None in formats:
            self.bad(
                "files",
                "their format is not clear from the names.",
                f"format: {', '.join(sorted(set(SUFFIXES.values())))}, squad, text",
            )
            return None
        return formats.pop()

    def _header(self, kind: str, form: str | None, columns: Mapping[str, Any]) -> bool:
        """Whether tables begin with names: as declared, else where columns are given by name."""
        if form not in ("tsv", "csv"):
            return False
        named = [
            c
            for c in columns.values()
            if isinstance(c, str) or (isinstance(c, tuple) and any(isinstance(p, str) for p in c))
        ]
        header = self.entry.header if self.entry.header is not None else bool(named) or not columns
        if not header and (named or not columns):
            self.bad(
                "header",
                f"{form} files without header need columns by position.",
                "columns: {text_a: 0, text_b: 1, label: 2}; or header: true",
            )
        return header

    def _known_columns(self, kind: str, columns: Mapping[str, Any], field: str) -> None:
        known = {*kinds.data(kind).declared, "id"}
        for name in columns:
            if name not in known:
                self.problems.add(
                    XferError(
                        f"{self.content.at('tasks', self.name, field, name)}: "
                        f"{unknown(f'column of a {kind} task', name, known)}"
                    )
                )

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


def _each(parts: Part | dict[str, Part], **changed: Any) -> Part | dict[str, Part]:
    if isinstance(parts, Part):
        return replace(parts, **changed)
    return {code: replace(part, **changed) for code, part in parts.items()}


def fields() -> Iterator[tuple[str, str]]:
    """Every field of an entry with its meaning, for the documentation."""
    for name, field in Entry.model_fields.items():
        yield name, field.description or ""
