"""What several formats of files of predictions check: numbers of rows, labels, ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlflow_xfer.errors import XferError, few
from mlflow_xfer.tasks.task import Task

Problem = tuple[str, bool]
"""What is wrong, and whether a leaderboard refuses it."""

ROWS = {"xnli": 5010, "pawsx": 2000, "xquad": 1190, "xcopa": 500}  # per language, equal in all of them


def counted(n: int, gold: Sequence | None, task: Task, what: str) -> list[Problem]:
    """Whether there are as many rows as labels; without labels, as in the benchmark."""
    wanted = len(gold) if gold is not None else ROWS.get(task.name)
    return [(f"{n} {what}, {wanted} are needed", True)] if wanted is not None and n != wanted else []


def outside(values: Sequence[str], known: Sequence[str]) -> list[Problem]:
    """Whether values are none of the ``known`` labels, where these are known."""
    wrong = sorted(set(values) - set(known)) if known else []
    if not wrong:
        return []
    return [
        (f"values outside the labels ({', '.join(known)}): {', '.join(map(repr, wrong[:5]))[:200]}", True)
    ]


def no_answers(where: str, predictions: Sequence, task: Task) -> XferError:
    """What to say of ``predictions`` of which none could be right: those of another task, or spelled
    otherwise."""
    many = f"none of the {len(predictions):,} predictions is an answer"
    return XferError(
        f"{where}: {many}, such as {predictions[0]!r:.40}.",
        f"Accepted: {few(task.labels, 12) or 'numbers of choices, from 0'}",
    )


def keyed(mine: Mapping, wanted: Sequence[str] | None, repeated: Sequence[str], what: str) -> list[Problem]:
    """Whether ids are repeated, missing or unknown."""
    problems = (
        [(f"the id {repeated[0]!r:.80} and {len(repeated) - 1} more occur twice", True)] if repeated else []
    )
    if wanted is None:
        return problems
    missing, extra = [key for key in wanted if key not in mine], unknown_ids(mine, wanted)
    if missing:
        problems.append((f"{len(missing)} {what} without a prediction, such as {missing[0]!r:.80}", True))
    if extra:
        problems.append((f"{len(extra)} predictions for unknown ids, such as {extra[0]!r:.80}", True))
    return problems


def unknown_ids(mine: Mapping, wanted: Sequence[str]) -> list[str]:
    """The ids of predictions that are those of no question, sorted."""
    return sorted({*mine} - {*wanted})
