"""Files of tags: one a line, with a blank line after each sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring import prediction_files
from mlflow_xfer.scoring.formats import Format, Warn, cell, equally_long
from mlflow_xfer.scoring.problems import Problem, counted, outside
from mlflow_xfer.tasks.task import Task

Tagged = list[list[str]]


class Tags(Format):
    """One tag a line, blank between sentences."""

    def predictions(self, path: Path) -> Tagged:
        return prediction_files.tagged(path)

    def labels(self, path: Path) -> Tagged:
        return prediction_files.tagged(path)

    def placeholders(self, labels: Tagged) -> list[str]:
        return [tag for sentence in labels for tag in sentence]

    def aligned(
        self, task: Task, predictions: Tagged, labels: Tagged, files: tuple[Path, Path], warn: Warn
    ) -> tuple[Tagged, Tagged]:
        """XTREME compares the sentences of both files as they stand, those without words too. It refuses
        files of unequal number; double blank lines in one of them (PAN-X has some) are passed over here."""
        for path, sentences in zip(files, (predictions, labels), strict=True):
            _check_alone(path, sentences, task)
        alike = len(predictions) == len(labels)
        if not alike or list(map(len, predictions)) == list(map(len, labels)):
            predictions = [tags for tags in predictions if tags]
            labels = [tags for tags in labels if tags]
        equally_long(predictions, labels, files)
        return _word_by_word(predictions, labels, alike, files, warn)

    def text(self, values: Sequence, ids: Sequence[str] | None, path: Path) -> str:
        return "\n".join("".join(cell(tag, path) + "\n" for tag in sentence) for sentence in values)

    def problems(self, path: Path, gold: Path | None, task: Task, language: str) -> list[Problem]:
        raw, sentences = prediction_files.lines(path), prediction_files.sentences(path)
        problems: list[Problem] = []
        if any(not a and not b for a, b in zip(raw, raw[1:], strict=False)) or (raw and not raw[0]):
            problems.append(
                ("a sentence without a word: two blank lines in a row, or one at the start", True)
            )
        wrong = next((line for line in raw if "\t" in line or " " in line), None)
        if wrong is not None:
            return [*problems, (f"one tag a line is needed, without the word: {wrong!r:.80}", True)]
        problems += outside([line for line in raw if line], task.labels)
        if gold:
            references = prediction_files.sentences(gold)
            problems += counted(len(sentences), references, task, "sentences")
            pairs = enumerate(zip(sentences, references, strict=False), 1)
            differ = [number for number, (mine, theirs) in pairs if len(mine) != len(theirs)]
            if differ and len(sentences) == len(references):
                problems.append(
                    (f"{len(differ)} sentences with the wrong number of tags, the first is {differ[0]}", True)
                )
        return problems


def _check_alone(path: Path, sentences: Tagged, task: Task) -> None:
    """Refuse tags with something beside them: only declared ones hold blanks."""
    tags = (tag for sentence in sentences for tag in sentence)
    odd = next((tag for tag in tags if len(tag.split()) > 1 and tag not in task.labels), None)
    if odd is not None:
        raise XferError(f"{path}: {odd!r:.80} is no tag.", "A line is one tag, without its word.")


def _word_by_word(
    predicted: Tagged, references: Tagged, alike: bool, files: tuple[Path, Path], warn: Warn
) -> tuple[Tagged, Tagged]:
    """Sentences with as many tags as words. Others are refused, but where XTREME scores them (``alike``: as
    many sentences in both files) as one sentence, since it compares places in the file and not within
    sentences."""
    pairs = enumerate(zip(predicted, references, strict=True), 1)
    differ = next((number for number, (tags, golds) in pairs if len(tags) != len(golds)), 0)
    if not differ:
        return predicted, references
    fault = (
        f"{files[0]}: sentence {differ} has {len(predicted[differ - 1])} tags, "
        f"in {files[1]} it has {len(references[differ - 1])}."
    )
    if not alike:
        raise XferError(fault, "Give one tag per word, and a blank line after each sentence only.")
    warn(
        f"{fault} As in XTREME's script all that follows is compared with the wrong words; "
        "a leaderboard would refuse it."
    )
    mine, gold = ([tag for sentence in side for tag in (*sentence, "O")] for side in (predicted, references))
    longest = max(len(mine), len(gold))
    return [mine + ["O"] * (longest - len(mine))], [gold + ["O"] * (longest - len(gold))]


TAGS = Tags()
