"""Where the rows of a user's task come from: files or a data set of the hub, as an entry declares them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from glob import escape as glob_escape
from glob import glob
from itertools import permutations
from pathlib import Path
from typing import Any

from mlflow_xfer import languages
from mlflow_xfer.kinds import kind as kinds
from mlflow_xfer.lines import unpacking
from mlflow_xfer.tasks.declared import Declared
from mlflow_xfer.tasks.task import POOL, Files, Hub, Part, Source, Task
from mlflow_xfer.tasks.where import fits

SUFFIXES = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".conll": "conll",
    ".conllu": "conllu",
}

SHEETS = (".xlsx", ".xls", ".ods", ".numbers")
"""What spreadsheets end in."""

BY_LANGUAGE = ("tydiqa", "mewsli-mentions")
"""Formats that say of each row which language it is in."""


BY_POSITION = ("tsv", "csv", "conll", "conllu")
"""Formats whose rows all have their columns in one order."""


class Sources:
    """The sources of one entry, a task of ``kind``; what does not fit together goes to its problems."""

    def __init__(self, declared: Declared, kind: str):
        self.declared, self.entry, self.kind = declared, declared.entry, kind

    def made(self, base: Task | None, labels: tuple[str, ...], said: Any) -> dict[str, tuple[Source, ...]]:
        """The sources by provider; ``labels`` are the task's, ``said`` what the files say for them."""
        sources = dict(base.sources) if base else {}
        if self.entry.files:
            made = self._files(said)
            return {"file": (made,)} if made else {}
        if self.entry.hub:
            given: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in self.entry.hub.model_dump(exclude_unset=True).items()
            }
            if "offsets" in self.entry.model_fields_set:
                given["offsets"] = self.entry.offsets
            if "labels" in given and kinds.data(self.kind).labels == "order":
                given["labels"] = self.declared.order("hub", given["labels"])
            inherited = [s for s in sources.get("hub", ()) if isinstance(s, Hub)]
            if len(inherited) == 1:
                sources["hub"] = (replace(inherited[0], **given),)
            elif "path" not in given:
                self.declared.bad("hub", "has no path.", "path: <organisation>/<name>")
            else:
                sources["hub"] = (Hub(**{"labels": said or labels, **given}), *inherited)
            ordered = given.get("labels", ())
            if isinstance(ordered, tuple) and any(
                str(place) in ordered and name != str(place) for place, name in enumerate(ordered)
            ):
                self.declared.bad(
                    "hub",
                    "its labels are numbers, but not those of their places: is 1 the second, or the name?",
                    "Say which is which: labels: {0: first, 1: second}; without hub.labels 1 is 1.",
                )
            if "hub" in sources and "columns" in given:
                self._known_columns(given["columns"], "hub")
                self._without_positions(given["columns"], "hub")
        return sources

    def _files(self, said: Any) -> Files | None:
        entry = self.entry
        splits, used = {}, []
        if POOL in entry.files and not kinds.data(self.kind).pool:
            self.declared.bad("files", f"a {self.kind} task has no pool.", "Only retrieval has candidates.")
        for split, declared in entry.files.items():
            parts = self._parts(split, declared)
            splits[split] = parts
            used += [
                path
                for part in (parts.values() if isinstance(parts, Mapping) else (parts,))
                for path in part.paths
            ]
        if entry.validation_fraction and "validation" in splits:
            self.declared.bad(
                "validation_fraction",
                "is given beside a validation split.",
                "It cuts one from the training rows where there is none.",
            )
        elif entry.validation_fraction and "train" not in splits:
            self.declared.bad("validation_fraction", "is given, but there is no train split.")
        elif entry.validation_fraction:
            splits["validation"] = _each(splits["train"], share=(0.0, entry.validation_fraction))
            splits["train"] = _each(splits["train"], share=(entry.validation_fraction, 1.0))
        form = entry.format or self._format(used)
        columns = dict(entry.columns)
        header = self._header(form, columns)
        self._known_columns(columns, "columns")
        if form and form not in BY_POSITION:
            self._without_positions(columns, "columns")
        for name in columns if form == "conll" else ():
            if not isinstance(columns[name], int):
                self.declared.bad(
                    "columns", f"conll files have no names: {name} is a position (from 0, or from -1)."
                )
        where = dict(entry.where) | ({entry.language_column: "{language}"} if entry.language_column else {})
        by_row = any("{language}" in value for value in where.values())
        if entry.codes and not by_row and not any("{language}" in path for path in used):
            self.declared.bad(
                "codes",
                "nothing says a language: no {language} in a name, no language_column.",
                "What a single file is in: language: en",
            )
        spoken = {
            split: tuple(part) if isinstance(part, Mapping) else self._languages_of(part)
            for split, part in splits.items()
        }
        if by_row:
            self._check_apart(splits, spoken, where)
        elif form not in BY_LANGUAGE:
            self._check_shared(splits)
        read = {*entry.codes, *(code for codes in spoken.values() for code in codes)}
        if twice := sorted(code for code, n in Counter(map(self._called, read)).items() if n > 1):
            self.declared.bad("codes", f"{twice[0]} stands for several languages.")
        absent = {*(entry.languages or ())} - {code for codes in spoken.values() for code in codes}
        if absent:
            self.declared.bad(
                "languages",
                f"no file is in {', '.join(sorted(absent))}.",
                "languages: of files named with {language}, or in language_column. What a single file is in: "
                f"language: {sorted(absent)[0]}",
            )
        return Files(
            splits=splits,
            format=form or "tsv",
            header=header,
            columns=columns,
            labels=said,
            where=where,
            codes=dict(entry.codes),
            drop=tuple(entry.drop),
            offsets=entry.offsets,
            languages={split: spoken[split] for split, part in splits.items() if isinstance(part, Part)},
        )

    def _check_shared(self, splits: Mapping[str, Part | Mapping[str, Part]]) -> None:
        """Refuse languages that are scored on the same rows; to train on the same ones can be meant."""
        for split, parts in splits.items():
            for part, codes in _sharing(parts, ()):
                if len(codes) > 1 and split in ("validation", "test") and part.share == (0.0, 1.0):
                    self.declared.bad(
                        "files",
                        f"{split}: {', '.join(codes)} have the same rows, those of "
                        f"{', '.join(map(self._relative, part.paths))}.",
                        "Say which rows are of which language: language_column: its name; or where ids begin "
                        'with it, where: {id: "{language}*"}.',
                    )

    def _check_apart(
        self,
        splits: Mapping[str, Part | Mapping[str, Part]],
        spoken: Mapping[str, Sequence[str]],
        where: Mapping[str, str],
    ) -> None:
        """Refuse languages whose rows in the same files would be read as another's, too: by what begins with
        ``zh``, ``zh-HK-1`` is of both."""
        by_language = [value for value in where.values() if "{language}" in value]
        for split, parts in splits.items():
            for _, codes in _sharing(parts, spoken[split]):
                for code, other in permutations(codes, 2):
                    mine, theirs = self._called(code), self._called(other)
                    values = [
                        (value.replace("{language}", theirs).removesuffix("*"), value)
                        for value in by_language
                    ]
                    if mine != theirs and all(fits(said, value, mine) for said, value in values):
                        self.declared.bad(
                            "where",
                            f"what begins with {theirs!r} ({other}) begins with {mine!r} ({code}), too: "
                            "rows would be of both languages.",
                            "Choose rows by a column of languages (language_column), or give each language "
                            "files of its own.",
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
                name: str(self.declared.folder / declared[name])
                for name in ("ids", "exclude_ids")
                if name in declared
            }
            declared = declared.get("path", declared.get("paths"))
        paths = [declared] if isinstance(declared, str) else declared
        return Part(tuple(str(self.declared.folder / Path(path).expanduser()) for path in paths), **more)

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
            there = tuple(
                code
                for code in languages.known()
                if all(Path(self._named(path, code)).is_file() for path in part.paths)
            )
            self._check_names(part.paths, there)
            return there
        if entry.language_column and not {"language", "languages"} & entry.model_fields_set:
            self.declared.bad(
                "language_column",
                f"which of the languages in {entry.language_column} to read is not said.",
                "languages: [en, de, …]",
            )
        return (languages.get(entry.language).code,)

    def _named(self, path: str, code: str) -> str:
        """A path with what stands for a language in it."""
        return path.replace("{language}", self._called(code))

    def _called(self, code: str) -> str:
        """What stands for a language."""
        return self.entry.codes.get(code, code)

    def _check_names(self, paths: Sequence[str], there: Sequence[str]) -> None:
        """Refuse files that nobody would miss: named after a language otherwise than by its code, or some of
        those that a language has, but not all; and names that no file has."""
        seen = [(path, name) for path in paths for name in (names(path) if "{language}" in path else ())]
        left = [(*one, code) for one in seen if (code := languages.code_of(one[1])) and code not in there]
        for path, name, code in left:
            self._passed_over(path.replace("{language}", name), name, code, paths)
        if not there and not left:
            example = f", as {seen[0][1]!r} is none" if seen else ""
            self.declared.bad(
                "files",
                f"no file is named {', '.join(paths)} with the code of a language{example}.",
                "Paths in a task file are relative to its folder; mlflow-xfer languages lists the codes.",
            )

    def _passed_over(self, file: str, name: str, code: str, paths: Sequence[str]) -> None:
        """Say why a file that is named after a language, ``name``, would not be read."""
        needed = [path.replace("{language}", name) for path in paths]
        if code == name:
            missing = ", ".join(one for one in needed if not Path(one).is_file())
            self.declared.bad(
                "files",
                f"{file} is there, but not {missing}.",
                "A language needs every file of a list; languages: [en, …] says which are to be read.",
            )
            return
        self.declared.bad(
            "files",
            f"{file} is of {name}, and the code of that is {code}.",
            f"Rename it, or say what stands for it: codes: {{{code}: {name}}}",
        )

    def _relative(self, path: str) -> str:
        """A path as a task file may say it."""
        folder = self.declared.folder
        return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path

    def _format(self, used: list[str]) -> str | None:
        own = kinds.data(self.kind).format_of(
            {Path(path).suffix.lower() for path in used}, self.entry.columns
        )
        if own:
            return own
        formats = {SUFFIXES.get(Path(path).suffix.lower()) for path in used}
        if len(formats) != 1 or None in formats:
            self.declared.bad(
                "files",
                *next(
                    filter(None, map(_not_read, map(Path, used))),
                    (
                        "their format is not clear from the names.",
                        f"format: {', '.join(sorted(set(SUFFIXES.values())))}, squad, text",
                    ),
                ),
            )
            return None
        return formats.pop()

    def _header(self, form: str | None, columns: Mapping[str, Any]) -> bool:
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
            self.declared.bad(
                "header",
                f"{form} files without header need columns by position.",
                "columns: {text_a: 0, text_b: 1, label: 2}; or header: true",
            )
        return header

    def _known_columns(self, columns: Mapping[str, Any], field: str) -> None:
        known = {*kinds.data(self.kind).declared, "id"}
        for name in columns:
            if name not in known:
                self.declared.unknown(f"column of a {self.kind} task", name, known, field, name)

    def _without_positions(self, columns: Mapping[str, Any], field: str) -> None:
        """Refuse positions where rows have names, whose order may be another one in each row."""
        placed = [
            name
            for name, where in columns.items()
            if any(isinstance(one, int) for one in (where if isinstance(where, list | tuple) else (where,)))
        ]
        if placed:
            self.declared.bad(
                field,
                f"{', '.join(placed)}: given by position, but the rows have names, in any order.",
                f"columns: {{{placed[0]}: its name there}}; positions are for tsv, csv and conll.",
            )


def _not_read(path: Path) -> tuple[str, str] | None:
    """Of a file that no reader takes, what it is and how to convert it."""
    suffix = path.suffix.lower()
    if unpacking(path):
        return f"{path.name} is compressed.", unpacking(path)
    if suffix in SHEETS:
        return f"{path.name} is a spreadsheet.", f"Save it as csv in UTF-8: {path.stem}.csv"
    if suffix == ".arrow":
        read = f"datasets.Dataset.from_file({str(path.name)!r})"
        return f"{path.name} is in the format arrow.", f"In Python: {read}.to_parquet('{path.stem}.parquet')"
    if path.is_dir():
        read = f"datasets.load_from_disk({str(path.name)!r})"
        return (
            f"{path.name} is a folder.",
            "Give the names of the files in it. What datasets' save_to_disk wrote, in Python: "
            f"{read}.to_parquet('{path.name}.parquet'), of several splits each: {read}['train']….",
        )
    return None


def _sharing(parts: Part | Mapping[str, Part], spoken: Sequence[str]) -> Iterable[tuple[Part, Sequence[str]]]:
    """The parts of a split, each with the languages that are read from its files: those of a single part are
    ``spoken``, save where each has a file of its own."""
    if isinstance(parts, Part):
        return [] if any("{language}" in path for path in parts.paths) else [(parts, spoken)]
    shared: dict[Part, list[str]] = {}
    for code, part in parts.items():
        shared.setdefault(part, []).append(code)
    return shared.items()


def _each(parts: Part | dict[str, Part], **changed: Any) -> Part | dict[str, Part]:
    if isinstance(parts, Part):
        return replace(parts, **changed)
    return {code: replace(part, **changed) for code, part in parts.items()}


def names(path: str) -> Iterator[str]:
    """What stands for ``{language}`` in the names of files that are there."""
    before, *after = path.split("{language}")
    pattern = re.compile(re.escape(before) + "(?P<name>[^/]+)" + "(?P=name)".join(map(re.escape, after)))
    found: list[str] = []
    with suppress(ValueError):  # a NUL in the name of a folder
        found = sorted(glob(glob_escape(before) + "*" + "*".join(map(glob_escape, after))))
    for match in filter(None, map(pattern.fullmatch, filter(os.path.isfile, found))):
        yield match["name"]
