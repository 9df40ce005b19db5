"""The files of an XTREME submission, ``<folder>/<task>/test-<language>.<extension>``: reading and writing.

The labels lie in a second folder of the same shape. Formats (``evaluate.py`` of google-research/xtreme): one
label a line; one tag a line with blank lines between sentences; one pair of ids a line (BUCC); for QA a JSON
object from question id to answer, with SQuAD's format as labels; for Mewsli-X and LAReQA a JSON object from
query to ranked ids; for XCOPA a JSON object with ``label`` a line. Each kind of task says which is its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow_xfer.data.labels import named
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.scoring import prediction_files
from mlflow_xfer.scoring.accuracy import plain
from mlflow_xfer.scoring.prediction_files import Unscored
from mlflow_xfer.scoring.problems import Problem, counted, outside, unknown_ids
from mlflow_xfer.tasks.task import Task

# A real test split of this size never has one label only; stripped ones (a placeholder in every row) do.
CONSTANT_FROM = 100

Warn = Callable[[str], object]


class Format:
    """How one sort of task is filed: one value a line, unless a kind says otherwise."""

    extension = "tsv"

    def predictions(self, path: Path) -> Any:
        """What a file of predictions holds."""
        return prediction_files.labels(path)

    def labels(self, path: Path) -> Any:
        """What a file of labels holds."""
        return prediction_files.labels(path)

    def placeholders(self, labels: Any) -> list | None:
        """The values that are all the same in a file whose labels were stripped; None: there are none
        such."""
        return list(labels)

    def aligned(
        self, task: Task, predictions: Any, labels: Any, files: tuple[Path, Path], warn: Warn
    ) -> tuple[Sequence, Sequence]:
        """The contents of both ``files`` as sequences for a metric; ``warn`` as for :func:`read`."""
        equally_long(predictions, labels, files)
        return predictions, labels

    def text(self, values: Sequence, ids: Sequence[str] | None, path: Path) -> str:
        """What the file at ``path`` holds for ``values``; ``ids`` are those of the examples."""
        return "".join(cell(plain(value), path) + "\n" for value in values)

    def problems(self, path: Path, gold: Path | None, task: Task, language: str) -> list[Problem]:
        """What a leaderboard refuses, and what looks like a mistake, about a file of predictions."""
        values = self.predictions(path)
        problems = counted(len(values), self.labels(gold) if gold else None, task, "lines")
        if len(set(values)) == 1 and len(values) > 1:
            problems.append((f"every prediction is {values[0]!r:.40}: a collapsed model?", False))
        return problems + outside(values, task.labels)


class Labels(Format):
    """One label a line; 1, 1.0 and a declared label ``1`` are one."""

    def aligned(
        self, task: Task, predictions: Any, labels: Any, files: tuple[Path, Path], warn: Warn
    ) -> tuple[Sequence, Sequence]:
        mine, gold = (list(map(named(task.labels), side)) for side in (predictions, labels))
        first, *rest = gold
        if rest and not self.declared(task, first) and all(self.declared(task, one) for one in rest):
            raise XferError(
                f"{files[1]}:1 is {first!r:.40}, which is no label of {task.name} as all other lines are. "
                "Is it a header?",
                "Remove that line, also from the predictions if they have it.",
            )
        return super().aligned(task, mine, gold, files, warn)

    def declared(self, task: Task, label: str) -> bool:
        """Whether the task may have this label."""
        return not task.labels or label in task.labels


class Keyed(Format):
    """A JSON object from the ids of examples to values."""

    extension = "json"

    def placeholders(self, labels: Any) -> None:
        return None

    def text(self, values: Sequence, ids: Sequence[str] | None, path: Path) -> str:
        # A question without an answer is left out: the empty answer is right where the gold one is an
        # article.
        pairs = zip(keys(ids, values, path), map(self.filed, values), strict=True)
        return document({key: value for key, value in pairs if value is not None}, indent=1)

    def tell(self, path: Path, mine: Mapping, wanted: Sequence[str], what: str, warn: Warn) -> None:
        """Warn of ids that a file of predictions has twice, and of those that no ``what`` has."""
        _, repeated = prediction_files.mapping(path)
        if repeated:
            twice = f"{path}: {repeated[0]!r:.80} has several answers"
            warn(f"{twice}; as in XTREME's script the last one is scored.")
        unknown = unknown_ids(mine, wanted)
        if unknown:
            warn(
                f"{path}: {len(unknown):,} of {len(mine):,} predictions have ids that no {what} has, such as "
                f"{unknown[0]!r:.80}; they are passed over."
            )

    def filed(self, value: Any) -> Any:
        """A prediction as it stands in the file; None: it is left out."""
        return value


def format_of(task: Task) -> Format:
    """The file format of a task, which its kind says."""
    return kind.scoring(task.kind).file_format(task)


def path_of(folder: Path | str, task: Task, language: str) -> Path:
    """``<folder>/<task>/test-<language>.<extension>``.

    Raises:
        XferError: for a task or language name that is not one path component.
    """
    for what, name in (("task", task.name), ("language", language)):
        if not re.fullmatch(r"[\w-][\w.-]*", name):
            raise XferError(
                f"{name!r} cannot be a {what}'s file name.", "Letters, digits, '_', '-' and '.' only."
            )
    return Path(folder) / task.name / f"test-{language}.{format_of(task).extension}"


def read(
    predictions: Path, labels: Path, task: Task, warn: Warn = lambda message: None
) -> tuple[Sequence, Sequence]:
    """Predictions and references of one language, as ``score`` takes them.

    Args:
        warn: called with a line where a score is what XTREME prints but hardly what was meant.

    Raises:
        Unscored: if the label file holds no labels.
        XferError: if a file is missing, damaged, or the two do not fit together; the message names the files.
    """
    filed = format_of(task)
    gold = filed.labels(labels)
    if not gold:
        raise Unscored(f"{labels} is empty.", "The test labels are needed here.")
    _check_stripped(filed.placeholders(gold), labels)
    return filed.aligned(task, filed.predictions(predictions), gold, (predictions, labels), warn)


def _check_stripped(values: list | None, labels: Path) -> None:
    if values is None:
        return
    if not any(value != "" for value in values):
        raise Unscored(
            f"{labels}: all labels are blank.", "The test labels were stripped; use the original file."
        )
    if "" in values:
        raise XferError(
            f"{labels}:{values.index('') + 1} is blank, {values.count('')} labels are.",
            "Each line needs its label; use the original file.",
        )
    if len(values) >= CONSTANT_FROM and len(set(values)) == 1:
        raise Unscored(
            f"{labels}: all {len(values)} labels are {values[0]!r:.40}.",
            "That is a placeholder, not a test set; use the original file.",
        )


def equally_long(predictions: Sequence, labels: Sequence, files: tuple[Path, Path]) -> None:
    """Raises :class:`XferError` unless there is one prediction for each label."""
    if len(predictions) != len(labels):
        raise XferError(
            f"{files[0]} has {len(predictions)} examples, {files[1]} has {len(labels)}.",
            "Give one prediction per label, in the labels' order.",
        )


def write_predictions(
    folder: Path | str, task: Task, language: str, predictions: Sequence, ids: Sequence[str] | None = None
) -> Path:
    """Write one language's predictions as ``evaluate.py`` reads them; returns the file.

    Args:
        ids: of the questions or queries, where the format is keyed by them.

    Raises:
        XferError: for values that the format cannot hold (line breaks in a label, blank tags, repeated ids).
    """
    path = path_of(folder, task, language)
    content = format_of(task).text(predictions, ids, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


def cell(value: object, path: Path) -> str:
    """A value as a cell of a line of ``path``."""
    text = str(value)
    if not text or text != text.strip() or re.search(r"[\t\r\n\0\ud800-\udfff]", text):
        raise XferError(
            f"{text!r:.80} cannot stand in {path}.",
            "Labels are not blank and hold no tab, line break or NUL.",
        )
    return text


def keys(ids: Sequence[str] | None, values: Sequence, path: Path) -> list[str]:
    """The ids of ``values``, each of them once."""
    if ids is None or len(ids) != len(values):
        raise XferError(f"{path}: {len(values)} values need as many ids.", "Pass the ids of the test rows.")
    named = [str(key) for key in ids]
    seen: set[str] = set()
    for key in named:
        if key in seen:
            raise XferError(f"{path}: the id {key!r} occurs twice.", "The format holds one value per id.")
        seen.add(key)
    return named


def document(content: object, **options: Any) -> str:
    """JSON as text, readable where it can be encoded."""
    text = json.dumps(content, ensure_ascii=False, **options)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, cut from the middle of a character
        text = json.dumps(content, **options)
    return text + "\n"
