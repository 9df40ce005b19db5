"""A repeated cell beside the first: how many predictions are equal, and how far scores moved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlflow_xfer.reporting.columns import Summary, Table

EQUAL, MOVED = 0.98, 0.5
"""A repeat holds with at least this share of predictions equal, and no score of a language further off (in
points)."""


@dataclass(frozen=True)
class Row:
    """One task and language: scores of both, how many predictions there are and how many are equal."""

    task: str
    language: str
    first: float
    again: float | None
    predictions: int = 0
    equal: int = 0

    @property
    def delta(self) -> float | None:
        return None if self.again is None else self.again - self.first

    @property
    def holds(self) -> bool:
        moved = self.delta is not None and abs(self.delta) <= MOVED
        return moved and self.equal >= EQUAL * self.predictions


@dataclass(frozen=True, repr=False)
class Repeated:
    """What a repeat found.

    Attributes:
        rows: one for each evaluation and language.
        remarks: what differs besides: phases, code, libraries.
        identical: whether all predictions are equal to the byte.
        checkpoints: how many both have, and how many of them are equal to the byte.
    """

    rows: Sequence[Row]
    remarks: Sequence[str] = ()
    identical: bool = False
    checkpoints: tuple[int, int] = (0, 0)

    @property
    def ok(self) -> bool:
        """At least 98 % of all predictions equal, and every score within half a point; of what has no scores
        (training on raw text) every checkpoint equal."""
        both, equal = self.checkpoints
        return all(row.holds for row in self.rows) if self.rows else 0 < both == equal

    @property
    def share(self) -> float | None:
        """Of all predictions, those that are equal; None where there are none."""
        every = sum(row.predictions for row in self.rows)
        return sum(row.equal for row in self.rows) / every if every else None

    @property
    def moved(self) -> float | None:
        """The largest distance between two scores; None where one is missing."""
        found = [row.delta for row in self.rows]
        return None if None in found or not found else max(abs(one) for one in found if one is not None)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        rows = [asdict(row) | {"delta": row.delta, "holds": row.holds} for row in self.rows]
        return {
            "ok": self.ok,
            "identical": self.identical,
            "equal": self.share,
            "largest_delta": self.moved,
            "rows": rows,
            "remarks": list(self.remarks),
        }

    def __repr__(self) -> str:
        return f"<Repeated {'ok' if self.ok else 'not ok'}: {self.sentence}>"

    @property
    def sentence(self) -> str:
        """The outcome in one line."""
        if not self.rows:
            both, equal = self.checkpoints
            return f"no scores, {equal} of {both} checkpoints equal to the byte"
        share = "no predictions" if self.share is None else f"{100 * self.share:.1f} % of predictions equal"
        moved = (
            "scores are missing" if self.moved is None else f"scores at most {self.moved:.2f} points apart"
        )
        return f"{share}, {moved}{' (identical)' if self.identical else ''}"

    def table(self) -> Summary:
        """What a command shows of it."""
        head = ("task", "language", "first", "again", "delta", "predictions", "equal", "holds")
        rows = [
            (
                row.task,
                row.language,
                row.first,
                row.again,
                row.delta,
                row.predictions,
                row.equal,
                "yes" if row.holds else "no",
            )
            for row in self.rows
        ]
        said = "Repeated" if self.ok else "NOT repeated"
        return Summary(f"{said}: {self.sentence}", (Table("", head, rows, ("delta",)),), tuple(self.remarks))


def compared(
    scores: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, bytes],
    again_scores: Sequence[Mapping[str, Any]],
    again_predictions: Mapping[str, bytes],
    short: int,
) -> list[Row]:
    """Both cells by evaluation and language; ``short``: see :data:`mlflow_xfer.reporting.cell.SHORT`."""
    key = ("spec_hash", "task", "language")
    again = {tuple(one[k] for k in key): float(one["score"]) for one in again_scores}
    rows = []
    for one in scores:
        place = f"{one['spec_hash'][:short]}/{one['task']}/"
        files = [
            name
            for name in predictions
            if name.startswith(place) and name.rpartition(".")[0].endswith(f"-{one['language']}")
        ]
        pairs = [agreeing(predictions[name], again_predictions.get(name)) for name in files]
        rows.append(
            Row(
                one["task"],
                one["language"],
                float(one["score"]),
                again.get(tuple(one[k] for k in key)),
                sum(n for n, _ in pairs),
                sum(equal for _, equal in pairs),
            )
        )
    return rows


def agreeing(first: bytes, again: bytes | None) -> tuple[int, int]:
    """(how many predictions the first file holds, how many of them the second holds too): entries of a JSON
    object, else lines that are not blank: labels by place, pairs of ids (BUCC's) wherever they stand."""
    one, other = _entries(first), _entries(again or b"")
    return len(one), sum(other.get(key) == value for key, value in one.items())


def _entries(content: bytes) -> dict[Any, Any]:
    text = content.decode("utf-8")
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
            return found.get("data", found)
        except ValueError:
            pass  # a JSON object on each line
    lines = enumerate(text.splitlines())
    return {line if "\t" in line else number: line for number, line in lines if line.strip()}
