"""What keeps scores from meaning what they seem to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_xfer.phases import overlaps
from mlflow_xfer.tracking.results import BASE_SEEN

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView


def remarks(run: RunView, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of a run with scores, and its table of them."""
    if run.tags.get("xfer.control"):
        yield f"Control: {run.tags['xfer.control']} encoder."
    if any(row.get("oracle") for row in rows):
        yield "Oracle: selected with labels of the evaluated languages. Not zero-shot."
    for shots in sorted({int(row["shots"]) for row in rows if row.get("shots") is not None}):
        yield f"Prompted with {shots} solved examples before each question, the target was not trained."
    for shots in sorted({int(row["target_shots"]) for row in rows if row.get("target_shots")}):
        few = {row["task"] for row in rows if int(row.get("target_shots") or 0) == shots}
        which = "" if few == {row["task"] for row in rows} else f"{', '.join(sorted(few))} "
        yield (
            f"Few-shot: {which}trained with {shots} labelled examples of each evaluated language. "
            "Not zero-shot."
        )
    seen = sorted({(row["task"], row[BASE_SEEN]) for row in rows if row.get(BASE_SEEN)})
    if seen:
        told = ", ".join(f"{task} ({what})" for task, what in seen)
        yield f"Base-seen, trained on by the base model's makers: {told}."
    on_dev = sorted({row["task"] for row in rows if row.get("split") == "validation"})
    if on_dev:
        yield f"Scored on dev, for want of a test set: {', '.join(on_dev)}."
    if run.tags.get("xfer.missing"):
        yield f"Missing: {run.tags['xfer.missing']}."
    for line in run.tags.get(overlaps.DETAILS, "").splitlines():
        yield f"Overlap: {line}"
