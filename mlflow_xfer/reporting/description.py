"""The short form of a report, for the description of a run."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow_xfer import markdown
from mlflow_xfer.markdown import plain
from mlflow_xfer.reporting import answer as answers
from mlflow_xfer.reporting.analysis import Analysis
from mlflow_xfer.reporting.by_task import DRAWN
from mlflow_xfer.reporting.verdict import points

DESCRIBED = 12  # conditions in a description


def description(analysis: Analysis) -> str:
    """The short form, in markdown, for the description of a run. MLflow shows its first 100 pixels until it
    is unfolded, half as wide as the page: the verdict on one line, the head of a narrow table and the best
    two conditions. Then the verdict in full, the other tasks, and the languages of the task that it names.
    """
    lines = [f"**{plain(answers.short(analysis))}**", ""]
    full = f"{plain(answers.headline(analysis))}. {plain(answers.demonstration(analysis))}"
    if not analysis.contrasts:
        lines += [full, ""]
    else:
        head, rows = answers.by_condition(analysis)
        shown = rows if len(rows) <= DESCRIBED else [*rows[: DESCRIBED - 1], rows[-1]]
        cells = [[plain(cell) for cell in row] for row in shown]
        narrow, wide = answers.split(head)
        seeds = answers.demonstration(analysis).removesuffix(", not a verdict.").rstrip(".")
        lines += [_columns([seeds, *head[1:]], cells, narrow), "", full, "", _columns(head, cells, wide), ""]
    found = answers.lead(analysis)
    if found is not None and found.effects is not None:
        one, effects = found.contrast, found.effects.table
        rows = [
            [plain(code), *(points(value, True) for value in (estimate, low, high, raw))]
            for code, raw, estimate, low, high in effects.itertuples(index=False)
        ]
        about = f"{one.condition} on {found.task} against {one.baseline}, language by language"
        lines += [
            f"{plain(about)} ({DRAWN}):",
            "",
            markdown.table(("language", "points", "low", "high", "raw"), rows, right=range(1, 5)),
            "",
        ]
    if analysis.question:
        lines += [f"Question: {plain(analysis.question)}", ""]
    return "\n".join(lines)


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]], chosen: Sequence[int]) -> str:
    """A table of some of the columns."""
    right = [n for n, place in enumerate(chosen) if head[place] not in answers.WORDS and n > 0]
    return markdown.table(
        [plain(head[place]) for place in chosen],
        [[row[place] for place in chosen] for row in rows],
        right=right,
    )
