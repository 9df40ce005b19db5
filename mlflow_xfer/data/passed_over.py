"""Files of a folder that are not read though they are of a language that is asked for: nobody would miss
them."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from mlflow_xfer import languages
from mlflow_xfer.data.sources import in_folder, is_file
from mlflow_xfer.tasks.declared_sources import names
from mlflow_xfer.tasks.task import Task, name_in


def misnamed(task: Task, split: str, absent: Collection[str], data: str) -> dict[str, str]:
    """By language of ``absent``, a file that is named after another name of it, as ``test-zh-CN.tsv`` is of
    zh."""
    listed = cache(lambda pattern: list(names(pattern)))
    found: dict[str, str] = {}
    for code in absent:
        for source, files in in_folder(task, split, code, data):
            for pattern in (pattern for pattern in files if "{language}" in pattern):
                called = [name for name in listed(pattern) if languages.code_of(name) == code]
                if called and name_in(source, code) not in called:
                    found[code] = pattern.replace("{language}", called[0])
    return found


def halves(task: Task, split: str, absent: Collection[str], data: str) -> dict[str, list[str]]:
    """By file that is not there, those of the languages ``absent`` that are read beside it alone, as
    ``fr-en.fr`` is beside ``fr-en.en``."""
    found: dict[str, list[str]] = {}
    for code in absent:
        for _, files in in_folder(task, split, code, data):
            own = [str(file) for name, file in files.items() if "{language}" in name and is_file(file)]
            for file in files.values() if own else ():
                if not is_file(file):
                    found.setdefault(str(file), []).extend(own)
    return found
