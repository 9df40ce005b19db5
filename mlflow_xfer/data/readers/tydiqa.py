"""TyDiQA's gold passages."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Places, squad
from mlflow_xfer.tasks.qa import TYDIQA_NAMES
from mlflow_xfer.tasks.task import Files


def read(paths: tuple[Path, ...], source: Files, language: str) -> Places:
    """SQuAD's format without the questions of other languages: a widely used downloader writes those of all
    nine into every language's file, and only the id says which is which (``english-…``,
    ``English-…`` or ``en-…``). XTREME's shortened ids say nothing."""
    others = {said for code, name in TYDIQA_NAMES.items() if code != language for said in (code, name)}
    for path, number, row in squad.read(paths, source, language):
        if row["id"].partition("-")[0].casefold() not in others:
            yield path, number, row
