"""The files of an XTREME submission, ``<folder>/<task>/test-<language>.<extension>``: reading and writing.

The labels lie in a second folder of the same shape. Formats (``evaluate.py`` of google-research/xtreme): one
label a line; one tag a line with blank lines between sentences; one pair of ids a line (BUCC); for QA a JSON
object from question id to answer, with SQuAD's format as labels; for Mewsli-X and LAReQA a JSON object from
query to ranked ids; for XCOPA a JSON object with ``label`` a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring import reading
from mlflow_xfer.scoring.accuracy import plain
from mlflow_xfer.scoring.qa import gold_texts
from mlflow_xfer.scoring.reading import Unscored
from mlflow_xfer.tasks.task import Task, TaskKind

# A real test split of this size never has one label only; stripped ones (a placeholder in every row) do.
CONSTANT_FROM = 100
ONE_GOLD = {"mewslix"}  # XTREME-R judges Mewsli-X by the first gold id alone


@dataclass(frozen=True)
class Format:
    """How one sort of task is filed. ``align`` turns both files' contents into equally
    long sequences for a metric."""

    extension: str
    predictions: Callable[[Path], object]
    labels: Callable[[Path], object]
    align: Callable[[object, object], tuple[Sequence, Sequence]]
    what: str


def _side_by_side(predictions: Sequence, labels: Sequence) -> tuple[Sequence, Sequence]:
    return predictions, labels


def _sentence_by_sentence(predictions: list, labels: list) -> tuple[list, list]:
    """XTREME compares the sentences of both files as they stand, those without words too. It refuses files of
    unequal number; double blank lines in one of them (PAN-X has some) are passed over here."""
    if len(predictions) == len(labels) and list(map(len, predictions)) != list(map(len, labels)):
        return predictions, labels
    return [p for p in predictions if p], [gold for gold in labels if gold]


def _by_question(predictions: Mapping[str, str], labels: list) -> tuple[list, list]:
    return [predictions.get(key) for key, _ in labels], [golds for _, golds in labels]


def _by_query(predictions: Mapping[str, list], labels: Mapping[str, list]) -> tuple[list, list]:
    golds = [[g.strip() if isinstance(g, str) else g for g in gold] for gold in labels.values()]
    return [predictions.get(key, []) for key in labels], golds


LABELS = Format("tsv", reading.lines, reading.lines, _side_by_side, "one label a line")
TAGS = Format(
    "tsv", reading.tagged, reading.tagged, _sentence_by_sentence, "one tag a line, blank between sentences"
)
PAIRS = Format("tsv", reading.lines, reading.lines, _side_by_side, "two tab-separated sentence ids a line")
ANSWERS = Format("json", reading.answers, reading.questions, _by_question, '{"question id": "answer"}')
CHOICES = Format("jsonl", reading.choices, reading.choices, _side_by_side, '{"label": 0} a line')
RANKED = Format("json", reading.ranked, reading.ranked, _by_query, '{"query id": [20 ids, best first]}')

_BY_METRIC = {"squad": ANSWERS, "squad_v2": ANSWERS, "mlqa": ANSWERS, "map_at_20": RANKED, "bucc_f1": PAIRS}
_BY_KIND = {TaskKind.TAGGING: TAGS, TaskKind.MULTIPLE_CHOICE: CHOICES}


def format_of(task: Task) -> Format:
    """The file format of a task, by its metric, else by its kind."""
    return _BY_METRIC.get(task.metric) or _BY_KIND.get(task.kind, LABELS)


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
    predictions: Path, labels: Path, task: Task, warn: Callable[[str], object] = lambda message: None
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
    _check_constant(gold, labels, filed)
    given = filed.predictions(predictions)
    predicted, references = filed.align(given, gold)
    if task.name in ONE_GOLD:
        references = [golds[:1] for golds in references]
    if filed is not PAIRS and len(predicted) != len(references):
        raise XferError(
            f"{predictions} has {len(predicted)} examples, {labels} has {len(references)}.",
            "Give one prediction per label, in the labels' order.",
        )
    if filed is TAGS:
        return _word_by_word(
            predicted, references, len(given) == len(gold), f"{predictions}", f"{labels}", warn
        )
    return predicted, references


def _word_by_word(
    predicted: list, references: list, alike: bool, where: str, labels: str, warn: Callable[[str], object]
) -> tuple[list, list]:
    """Sentences with as many tags as words. Others are refused, but where XTREME scores them
    (``alike``: as many sentences in both files) as one sentence, since it compares places in the
    file and not within sentences."""
    differ = next(
        (
            n
            for n, (tags, golds) in enumerate(zip(predicted, references, strict=True), 1)
            if len(tags) != len(golds)
        ),
        0,
    )
    if not differ:
        return predicted, references
    fault = (
        f"{where}: sentence {differ} has {len(predicted[differ - 1])} tags, "
        f"in {labels} it has {len(references[differ - 1])}."
    )
    if not alike:
        raise XferError(fault, "Give one tag per word, and a blank line after each sentence only.")
    warn(
        f"{fault} As in XTREME's script all that follows is compared with the wrong words; "
        "a leaderboard would refuse it."
    )
    flat = [[tag for sentence in side for tag in (*sentence, "O")] for side in (predicted, references)]
    longest = max(map(len, flat))
    return tuple([side + ["O"] * (longest - len(side))] for side in flat)


def _check_constant(gold: object, labels: Path, filed: Format) -> None:
    if filed in (LABELS, CHOICES):
        values = list(gold)
    elif filed is TAGS:
        values = [tag for sentence in gold for tag in sentence]
    else:
        return
    if not any(value != "" for value in values):
        raise Unscored(
            f"{labels}: all labels are blank.", "The test labels were stripped; use the original file."
        )
    if len(values) >= CONSTANT_FROM and len(set(values)) == 1:
        raise Unscored(
            f"{labels}: all {len(values)} labels are {values[0]!r:.40}.",
            "That is a placeholder, not a test set; use the original file.",
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
    path, filed = path_of(folder, task, language), format_of(task)
    if filed in (ANSWERS, RANKED):
        keys = _keys(ids, predictions, path)
        document = {key: p if filed is ANSWERS else list(p) for key, p in zip(keys, predictions, strict=True)}
        # A question without an answer is left out: the empty answer is right where the gold one is an
        # article.
        return _write(
            path, _json({key: value for key, value in document.items() if value is not None}, indent=1)
        )
    return _write(path, _plain(predictions, filed, path))


def write_labels(
    folder: Path | str, task: Task, language: str, references: Sequence, ids: Sequence[str] | None = None
) -> Path:
    """Write one language's references in the shape of XTREME's label folder; arguments as for predictions."""
    path, filed = path_of(folder, task, language), format_of(task)
    if filed is ANSWERS:
        questions = [
            {"id": key, "answers": [{"answer_start": 0, "text": text} for text in gold_texts(answers)]}
            for key, answers in zip(_keys(ids, references, path), references, strict=True)
        ]
        document = {
            "version": "1.1",
            "data": [{"title": "", "paragraphs": [{"context": "", "qas": questions}]}],
        }
        return _write(path, _json(document))
    if filed is RANKED:
        document = dict(zip(_keys(ids, references, path), map(list, references), strict=True))
        return _write(path, _json(document))
    return _write(path, _plain(references, filed, path))


def _plain(values: Sequence, filed: Format, path: Path) -> str:
    """The text of a file of lines."""
    if filed is CHOICES:
        return "".join(json.dumps({"label": int(value)}) + "\n" for value in values)
    if filed is TAGS:
        return "\n".join("".join(_cell(tag, path) + "\n" for tag in sentence) for sentence in values)
    if filed is PAIRS:
        return "".join("\t".join(_cell(part, path) for part in pair) + "\n" for pair in values)
    return "".join(_cell(plain(value), path) + "\n" for value in values)


def _cell(value: object, path: Path) -> str:
    cell = str(value)
    if not cell or cell != cell.strip() or re.search(r"[\t\r\n\0\ud800-\udfff]", cell):
        raise XferError(
            f"{cell!r:.80} cannot stand in {path}.",
            "Labels are not blank and hold no tab, line break or NUL.",
        )
    return cell


def _keys(ids: Sequence[str] | None, values: Sequence, path: Path) -> list[str]:
    if ids is None or len(ids) != len(values):
        raise XferError(f"{path}: {len(values)} values need as many ids.", "Pass the ids of the test rows.")
    keys = [str(key) for key in ids]
    if len(set(keys)) < len(keys):
        seen: set[str] = set()
        again = next(key for key in keys if key in seen or seen.add(key))
        raise XferError(f"{path}: the id {again!r} occurs twice.", "The format holds one value per id.")
    return keys


def _json(document: object, **options) -> str:
    content = json.dumps(document, ensure_ascii=False, **options)
    try:
        content.encode()
    except UnicodeEncodeError:  # half a surrogate pair, cut from the middle of a character
        content = json.dumps(document, **options)
    return content + "\n"


def _write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path
