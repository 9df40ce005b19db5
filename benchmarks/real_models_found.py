"""The rows that the pieces of ``real_models.py`` have left, and what the registered contrasts make of them.

Every number is the product's: blocks, contrasts and verdicts are those of ``mlflow_xfer.stats`` and
``mlflow_xfer.reporting``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from real_models_shapes import Piece, Registered, Stage

from mlflow_xfer import markdown
from mlflow_xfer.reporting import verdict
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.verdict import BETTER, REGISTERED, Contrast
from mlflow_xfer.stats.blocks import Cells, cells
from mlflow_xfer.stats.frame import check
from mlflow_xfer.studies import sentences
from mlflow_xfer.studies.contrasts import compute

SCORES = ["condition", "task", "language", "seed", "score", "n", "metric"]
PLAN = Path(__file__).with_name("real_models_plan.md")


@dataclass(frozen=True)
class Found:
    """The rows that there are, by stage."""

    rows: pd.DataFrame
    answers: pd.DataFrame
    stages: Sequence[Stage]

    @classmethod
    def read(cls, folder: Path, stages: Sequence[Stage]) -> Found:
        tables = {file.stem: pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))}
        names = {stage.name for stage in stages}
        mine = {name: table for name, table in tables.items() if set(table["stage"]) <= names}
        answers = [table for name, table in mine.items() if name.endswith("-answers")]
        rows = [table for name, table in mine.items() if not name.endswith("-answers")]
        return cls(
            pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["stage", *SCORES]),
            pd.concat(answers, ignore_index=True) if answers else pd.DataFrame(columns=["stage", "seed"]),
            stages,
        )

    def of(self, stage: Stage, task: str | None = None) -> pd.DataFrame:
        mine = self.rows[self.rows["stage"] == stage.name]
        return mine if task is None else mine[mine["task"] == task]

    def done(self, piece: Piece) -> int:
        """How many cells of a piece are there."""
        mine = self.of(piece.stage)
        have = set(map(tuple, mine.loc[mine["seed"] == piece.seed, ["condition", "task"]].to_numpy()))
        return sum((condition.name, target.name) in have for condition, target in piece.cells())

    def cpu(self, piece: Piece) -> float:
        """Seconds of processor time that the cells of a piece took."""
        names = [(condition.name, target.name) for condition, target in piece.cells()]
        mine = self.of(piece.stage)
        cells_ = mine[mine["seed"] == piece.seed].drop_duplicates(["condition", "task"])
        return float(cells_.set_index(["condition", "task"])["cpu"].reindex(names).sum())

    def blocks(self, stage: Stage, task: str, names: Sequence[str]) -> list[Cells]:
        """The scores of conditions on the seeds that all of them have; empty where they share none."""
        mine = self.of(stage, task)
        mine = mine[mine["condition"].isin(names)]
        seeds = [set(mine.loc[mine["condition"] == name, "seed"]) for name in names]
        common = set.intersection(*seeds) if seeds else set()
        if not common:
            return []
        checked = check(mine.loc[mine["seed"].isin(common), SCORES])
        return [cells(checked, name) for name in names]


def planned() -> dict[str, float]:
    """The minutes that the committed plan says of each piece."""
    rows = (
        re.findall(r"^\| \d+ \| (\S+) \|.*\| (\d+) \|$", PLAN.read_text("utf-8"), re.M)
        if PLAN.is_file()
        else []
    )
    return {name: float(minutes) for name, minutes in rows}


def status(found: Found, stage: Stage) -> str:
    """``pre-registered`` where plan, rows and declaration agree."""
    planned = PLAN.is_file() and f"declared {stage.hash}" in PLAN.read_text("utf-8")
    unchanged = set(found.of(stage)["declared"]) <= {stage.hash} if len(found.of(stage)) else True
    return REGISTERED if planned and unchanged else verdict.EXPLORATORY


def answered(found: Found, stage: Stage) -> Iterator[str]:
    """What the study says that the rows of a stage answer."""
    rows = found.of(stage).assign(base_seed=0).astype({"condition": str, "task": str})
    said = status(found, stage)
    made = compute(stage.studied, rows, registered=said == REGISTERED, gaps=True)
    yield f"The study `{stage.study}`: {markdown.plain(' '.join(sentences.answer(made)))}"
    yield f"Its other contrasts: [{stage.study}-small](../docs/studies/{stage.study}-small.md)."
    yield ""


def registered(found: Found, stage: Stage) -> list[tuple[Registered, Contrast | None]]:
    """The contrasts that were fixed beforehand, corrected over those that can be taken; None: not run yet."""
    pairs = [found.blocks(stage, one.target, (one.condition, one.against)) for one in stage.registered]
    ready = [pair for pair in pairs if pair]
    fixed = [first.condition for first, _ in ready] if status(found, stage) == REGISTERED else []
    taken = iter(
        verdict.verdicts(
            [first for first, _ in ready],
            [second for _, second in ready],
            registered=fixed,
            margin=stage.margin,
        )
        if ready
        else []
    )
    return [(one, next(taken) if pair else None) for one, pair in zip(stage.registered, pairs, strict=True)]


def title(found: Found, stage: Stage) -> str:
    """What the first registered stage says, in one line."""
    gains = [(one, made) for one, made in registered(found, stage) if one.expected == BETTER]
    what = f"{gains[0][0].condition} before {gains[0][0].target}"
    if any(made is None for _, made in gains):
        return f"{what}: not run yet"
    said = "; ".join(f"{points(made.estimate, True)} against {one.against}" for one, made in gains if made)
    if (seeds := seeds_of(gains)) < len(stage.seeds):
        return f"{what}: no verdict before all {len(stage.seeds)} seeds, {seeds} so far ({said} points)"
    shows = all(made and made.verdict == BETTER for _, made in gains)
    return f"{what}: the gain {'shows' if shows else 'does not show'} ({said} points)"


def seeds_of(made: Sequence[tuple[Registered, Contrast | None]]) -> int:
    """How many seeds all of these contrasts have."""
    return min(contrast.n["seeds"] if contrast else 0 for _, contrast in made)
