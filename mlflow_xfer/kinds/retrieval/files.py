"""Files of retrieval: row numbers, pairs of ids, or ranked ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.retrieval.metrics import RANKS
from mlflow_xfer.scoring import prediction_files
from mlflow_xfer.scoring.formats import Format, Keyed, Labels, Warn, cell
from mlflow_xfer.scoring.problems import Problem, counted, keyed
from mlflow_xfer.tasks.task import Task

ONE_GOLD = {"mewslix"}  # XTREME-R judges Mewsli-X by the first gold id alone


class RowNumbers(Labels):
    """The row of each sentence's translation, one a line."""

    def declared(self, task: Task, label: str) -> bool:
        return label.isascii() and label.isdigit()

    def problems(self, path: Path, gold: Path | None, task: Task, language: str) -> list[Problem]:
        values = prediction_files.lines(path)
        problems = counted(len(values), prediction_files.lines(gold) if gold else None, task, "lines")
        wrong = [value for value in values if not self.declared(task, value)]
        return problems + ([(f"not a row number: {wrong[0]!r:.80}", True)] if wrong else [])


class Pairs(Format):
    """Two tab-separated sentence ids a line."""

    def predictions(self, path: Path) -> list[str]:
        return prediction_files.lines(path)

    labels = predictions

    def placeholders(self, labels: Any) -> None:
        return None

    def aligned(
        self, task: Task, predictions: Any, labels: Any, files: tuple[Path, Path], warn: Warn
    ) -> tuple[Sequence, Sequence]:
        for path, found in zip(files, (predictions, labels), strict=True):
            odd = next((line for line in found if len(line.split("\t")) != 2), None)
            if odd is not None:
                raise XferError(f"{path}: {odd!r:.80} is no pair of ids.", "A line is: <id><TAB>en-<id>")
        turned = {"\t".join(reversed(line.split("\t"))) for line in predictions}
        if {*predictions}.isdisjoint(labels) and not turned.isdisjoint(labels):
            raise XferError(f"{files[0]}: its ids stand the other way round.", "English stands second.")
        return predictions, labels

    def text(self, values: Sequence, ids: Sequence[str] | None, path: Path) -> str:
        return "".join("\t".join(cell(part, path) for part in pair) + "\n" for pair in values)

    def problems(self, path: Path, gold: Path | None, task: Task, language: str) -> list[Problem]:
        values = prediction_files.lines(path)
        problems = [("no pair was mined", False)] if not values else []
        for line in values:
            parts = line.split("\t")
            if len(parts) != 2 or not parts[0].startswith(f"{language}-") or not parts[1].startswith("en-"):
                problems.append((f"'{language}-…<TAB>en-…' is needed: {line!r:.80}", True))
                break
        repeated = len(values) - len(set(values))
        return problems + ([(f"{repeated} pairs occur twice", False)] if repeated else [])


class Ranked(Keyed):
    """A JSON object from a query's id to 20 ids, best first."""

    def predictions(self, path: Path) -> dict[str, list]:
        return prediction_files.ranked(path)

    def labels(self, path: Path) -> dict[str, list]:
        return prediction_files.ranked(path)

    def aligned(
        self,
        task: Task,
        predictions: Mapping[str, list],
        labels: Mapping[str, list],
        files: tuple[Path, Path],
        warn: Warn,
    ) -> tuple[Sequence, Sequence]:
        self.tell(files[0], predictions, list(labels), "query", warn)
        golds = [[g.strip() if isinstance(g, str) else g for g in gold] for gold in labels.values()]
        if task.name in ONE_GOLD:
            golds = [gold[:1] for gold in golds]
        return [predictions.get(key, []) for key in labels], golds

    def filed(self, value: Sequence) -> list:
        return list(value)

    def problems(self, path: Path, gold: Path | None, task: Task, language: str) -> list[Problem]:
        mine, (_, repeated) = prediction_files.ranked(path), prediction_files.mapping(path)
        problems = keyed(mine, list(prediction_files.ranked(gold)) if gold else None, repeated, "queries")
        short = [key for key, ranks in mine.items() if len(ranks) < RANKS]
        twice = [key for key, ranks in mine.items() if len(set(map(str, ranks))) < len(ranks)]
        if short:
            problems.append(
                (f"{len(short)} queries with fewer than {RANKS} ids, such as {short[0]!r:.80}", False)
            )
        if twice:
            problems.append((f"{len(twice)} queries list an id twice, such as {twice[0]!r:.80}", True))
        return problems


ROW_NUMBERS, PAIRS, RANKED = RowNumbers(), Pairs(), Ranked()
