"""Says what a leaderboard would refuse about a folder of predictions, all of it at once.

Scoring is lenient where XTREME's script is (a question without an answer silently scores 0); a
submission should not rely on that. The known test sizes apply to a submission of the real
benchmark; ``labels`` replaces them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring import reading
from mlflow_xfer.scoring.formats import ANSWERS, CHOICES, LABELS, PAIRS, RANKED, TAGS, format_of, path_of
from mlflow_xfer.scoring.retrieval import RANKS
from mlflow_xfer.scoring.suite import languages_of
from mlflow_xfer.tasks.task import Suite, Task

ROWS = {"xnli": 5010, "pawsx": 2000, "xquad": 1190, "xcopa": 500}  # per language, equal in all of them


@dataclass(frozen=True)
class Finding:
    """One fault: the file (or folder) and what is wrong. ``refused`` is False for
    what only looks like a mistake."""

    where: str
    what: str
    refused: bool = True

    def __str__(self) -> str:
        return f"{'refused' if self.refused else 'suspicious'}: {self.where}: {self.what}"


def validate(
    predictions: Path | str, suite: Suite, tasks: Mapping[str, Task], labels: Path | str | None = None
) -> list[Finding]:
    """All faults of a folder of predictions, in the suite's order; an empty list: it can be submitted.

    Args:
        tasks: the suite's tasks by name.
        labels: a folder of labels in the same shape, if there is one: then counts and ids are compared with
            it.
    """
    predictions, found = Path(predictions), []
    for name in suite.tasks:
        task, languages = tasks[name], languages_of(suite, name)
        if not (predictions / name).is_dir():
            found.append(Finding(f"{name}/", "the task is missing"))
            continue
        for language in languages:
            path = path_of(predictions, task, language)
            gold = path_of(labels, task, language) if labels is not None else None
            found += _file(path, gold if gold and gold.is_file() else None, task, language)
        expected = {path_of(predictions, task, language).name for language in languages}
        extra = sorted(p.name for p in (predictions / name).iterdir() if p.name not in expected)
        found += [Finding(f"{name}/{other}", "not a file of this task", refused=False) for other in extra]
    known = set(suite.tasks)
    others = (
        sorted(p.name for p in predictions.iterdir() if p.name not in known) if predictions.is_dir() else []
    )
    return found + [Finding(other, f"not a task of {suite.name}", refused=False) for other in others]


def _file(path: Path, gold: Path | None, task: Task, language: str) -> list[Finding]:
    where = f"{task.name}/{path.name}"
    if not path.is_file():
        return [Finding(where, "the file is missing")]
    check = _CHECKS[format_of(task)]
    try:
        return [Finding(where, what, refused) for what, refused in check(path, gold, task, language)]
    except XferError as error:
        return [Finding(where, error.what)]


def _count(n: int, gold: Sequence | None, task: Task, what: str) -> list[tuple[str, bool]]:
    wanted = len(gold) if gold is not None else ROWS.get(task.name)
    return [(f"{n} {what}, {wanted} are needed", True)] if wanted is not None and n != wanted else []


def _outside(values: Sequence[str], known: Sequence[str]) -> list[tuple[str, bool]]:
    wrong = sorted(set(values) - set(known)) if known else []
    if not wrong:
        return []
    return [
        (f"values outside the labels ({', '.join(known)}): {', '.join(map(repr, wrong[:5]))[:200]}", True)
    ]


def _labels(path: Path, gold: Path | None, task: Task, language: str) -> list[tuple[str, bool]]:
    values = reading.lines(path)
    found = _count(len(values), reading.lines(gold) if gold else None, task, "lines")
    if task.metric == "retrieval_accuracy":
        wrong = [value for value in values if not value.isascii() or not value.isdigit()]
        return found + ([(f"not a row number: {wrong[0]!r:.80}", True)] if wrong else [])
    if len(set(values)) == 1 and len(values) > 1:
        found.append((f"every prediction is {values[0]!r:.40}: a collapsed model?", False))
    return found + _outside(values, task.labels)


def _tags(path: Path, gold: Path | None, task: Task, language: str) -> list[tuple[str, bool]]:
    raw, sentences = reading.lines(path), reading.sentences(path)
    found = []
    if any(not a and not b for a, b in zip(raw, raw[1:], strict=False)) or (raw and not raw[0]):
        found.append(("a sentence without a word: two blank lines in a row, or one at the start", True))
    wrong = next((line for line in raw if "\t" in line or " " in line), None)
    if wrong is not None:
        return [*found, (f"one tag a line is needed, without the word: {wrong!r:.80}", True)]
    found += _outside([line for line in raw if line], task.labels)
    if gold:
        references = reading.sentences(gold)
        found += _count(len(sentences), references, task, "sentences")
        pairs = enumerate(zip(sentences, references, strict=False), 1)
        differ = [number for number, (mine, theirs) in pairs if len(mine) != len(theirs)]
        if differ and len(sentences) == len(references):
            found.append(
                (f"{len(differ)} sentences with the wrong number of tags, the first is {differ[0]}", True)
            )
    return found


def _pairs(path: Path, gold: Path | None, task: Task, language: str) -> list[tuple[str, bool]]:
    values = reading.lines(path)
    found = [("no pair was mined", False)] if not values else []
    for line in values:
        parts = line.split("\t")
        if len(parts) != 2 or not parts[0].startswith(f"{language}-") or not parts[1].startswith("en-"):
            found.append((f"'{language}-…<TAB>en-…' is needed: {line!r:.80}", True))
            break
    repeated = len(values) - len(set(values))
    return found + ([(f"{repeated} pairs occur twice", False)] if repeated else [])


def _ids(
    mine: Mapping, wanted: Sequence[str] | None, repeated: Sequence[str], what: str
) -> list[tuple[str, bool]]:
    found = (
        [(f"the id {repeated[0]!r:.80} and {len(repeated) - 1} more occur twice", True)] if repeated else []
    )
    if wanted is None:
        return found
    missing, extra = [key for key in wanted if key not in mine], set(mine) - set(wanted)
    if missing:
        found.append((f"{len(missing)} {what} without a prediction, such as {missing[0]!r:.80}", True))
    if extra:
        found.append((f"{len(extra)} predictions for unknown ids, such as {min(extra)!r:.80}", True))
    return found


def _answers(path: Path, gold: Path | None, task: Task, language: str) -> list[tuple[str, bool]]:
    mine, (_, repeated) = reading.answers(path), reading.mapping(path)
    questions = [key for key, _ in reading.questions(gold)] if gold else None
    found = _ids(mine, questions, repeated, "questions")
    if gold is None:
        found += _count(len(mine), None, task, "answers")
    empty = sum(not answer.strip() for answer in mine.values())
    return found + ([(f"{empty} of {len(mine)} answers are empty", False)] if empty * 10 > len(mine) else [])


def _choices(path: Path, gold: Path | None, task: Task, language: str) -> list[tuple[str, bool]]:
    values = reading.choices(path)
    return _count(len(values), reading.choices(gold) if gold else None, task, "rows") + (
        [(f"labels are 0 or 1: {sorted(set(values))[:5]}", True)] if set(values) - {0, 1} else []
    )


def _ranked(path: Path, gold: Path | None, task: Task, language: str) -> list[tuple[str, bool]]:
    mine, (_, repeated) = reading.ranked(path), reading.mapping(path)
    found = _ids(mine, list(reading.ranked(gold)) if gold else None, repeated, "queries")
    short = [key for key, ranks in mine.items() if len(ranks) < RANKS]
    twice = [key for key, ranks in mine.items() if len(set(map(str, ranks))) < len(ranks)]
    if short:
        found.append((f"{len(short)} queries with fewer than {RANKS} ids, such as {short[0]!r:.80}", False))
    return found + (
        [(f"{len(twice)} queries list an id twice, such as {twice[0]!r:.80}", True)] if twice else []
    )


_CHECKS = {LABELS: _labels, TAGS: _tags, PAIRS: _pairs, ANSWERS: _answers, CHOICES: _choices, RANKED: _ranked}


def best_of(dev: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Which run to submit for each task: the one with the best dev score (ties: the first run given).

    Args:
        dev: run to task to dev score; a task that a run lacks is not considered for it.
    """
    tasks = dict.fromkeys(task for scores in dev.values() for task in scores)
    return {
        task: max((run for run in dev if task in dev[run]), key=lambda run: dev[run][task]) for task in tasks
    }
