"""What the tables of ``real_models.py`` say: ``real_models.md`` and its figures, from the parquets alone.

Every number is the product's: means, contrasts, verdicts, slopes and charts are those of
``mlflow_xfer.stats`` and ``mlflow_xfer.reporting``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from real_models_answers import judged
from real_models_found import Found, answered, planned, registered, seeds_of, status, title
from real_models_languages import ENOUGH, said_of
from real_models_shapes import BASELINE, CORES, SIDE_BY_SIDE, Piece, Stage
from real_models_stages import pieces

from mlflow_xfer import markdown
from mlflow_xfer.reporting import charts, verdict
from mlflow_xfer.reporting.by_task import bracketed
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.drawing import standing_alone
from mlflow_xfer.reporting.hypertext import Raw
from mlflow_xfer.reporting.stuck import remarks
from mlflow_xfer.reporting.verdict import REGISTERED, Contrast, sentence
from mlflow_xfer.stats.blocks import Cells
from mlflow_xfer.stats.means import infer

BESIDE = {"L": "A", "F": "A"}
"""Which stage another one varies."""
SHOWN = 12
"""Conditions in a heat map."""
ABOUT = """The model is a small multilingual *sentence encoder* (multilingual-e5-small, 12 layers,
118 million parameters), trained contrastively by its makers, who used translated sentences, natural language
inference and SQuAD; its weights here went through 4 bits; it has no language-model head. So what its makers
trained it on is marked `base-seen`, and what retrieval can show is forgetting. These are small samples of the
data sets: nothing here compares with a published figure. Trainings are in bfloat16,
evaluations in float32."""


def write(folder: Path, out: Path, stages: Sequence[Stage]) -> str:
    """Write the page and its figures beside it; returns the page."""
    found = Found.read(folder, stages)
    figures: dict[str, str] = {}
    text = page(found, figures)
    out.write_text(text, "utf-8")
    for name, drawing in figures.items():
        (folder / f"{name}.svg").write_text(drawing + "\n", "utf-8")
    return text


def page(found: Found, figures: dict[str, str]) -> str:
    """The page; its figures are added to ``figures``."""
    return "\n".join(_lines(found, figures)).rstrip() + "\n"


def state(folder: Path, stages: Sequence[Stage]) -> str:
    """The pieces by number, and how many of their cells are there."""
    found = Found.read(folder, stages)
    return "\n".join(
        f"{n:3d}  {piece.name:12s} {_state(found, piece)}" for n, piece in enumerate(pieces(tuple(stages)), 1)
    )


def _state(found: Found, piece: Piece) -> str:
    if piece.answers:
        mine = found.answers[
            (found.answers["stage"] == piece.stage.name) & (found.answers["seed"] == piece.seed)
        ]
        return "run" if len(mine) else "not run"
    done, every = found.done(piece), len(piece.cells())
    return "run" if done == every else f"{done} of {every} cells" if done else "not run"


def _lines(found: Found, figures: dict[str, str]) -> Iterator[str]:
    main = next((stage for stage in found.stages if stage.registered), None)
    yield f"# {title(found, main) if main else found.stages[0].question}"
    yield ""
    yield ABOUT
    yield ""
    yield "Written by `python benchmarks/real_models.py report` from `real_models/*.parquet` alone; the"
    yield "[plan](real_models_plan.md) was committed before the first run."
    yield ""
    yield from _missing(found)
    for stage in found.stages:
        if stage.registered:
            yield from _registered(found, stage)
    for stage in found.stages:
        if len(found.of(stage)):
            yield from _stage(found, stage, figures)
            yield from answered(found, stage) if stage.study else ()
    yield from _cost(found, figures)


def _missing(found: Found) -> Iterator[str]:
    """Which pieces are not run, and what the others took beside what was planned."""
    every = [(piece, _state(found, piece)) for piece in pieces(tuple(found.stages))]
    lacking = [
        f"{piece.name} ({of})" if of != "not run" else piece.name for piece, of in every if of != "run"
    ]
    yield "## What is run"
    yield ""
    yield f"{len(every) - len(lacking)} of {len(every)} pieces."
    if lacking:
        yield f"**Missing**: {', '.join(lacking)}."
        yield "Each is run by `python benchmarks/real_models.py run PIECE`."
    yield ""
    minutes = planned()
    rows = [
        (
            piece.name,
            said,
            f"{minutes.get(piece.name, math.nan):.0f}",
            f"{found.cpu(piece) / 60 / CORES / SIDE_BY_SIDE:.0f}",
        )
        for piece, said in every
        if found.done(piece)
    ]
    if rows:
        yield markdown.table(("piece", "", "minutes planned", "taken"), rows, right=(2, 3))
        yield ""
        yield f"Minutes of two idle cores: those taken are processor time / {CORES * SIDE_BY_SIDE:g}."
        yield ""


def _registered(found: Found, stage: Stage) -> Iterator[str]:
    said = status(found, stage)
    yield f"## Stage {stage.name}: {said}"
    yield ""
    if said != REGISTERED and len(found.of(stage)):
        yield (
            f"**Exploratory**: what is declared now ({stage.hash}) is not what plan or rows were made under "
            f"({', '.join(sorted(set(found.of(stage)['declared'])))})."
        )
        yield ""
    every = registered(found, stage)
    if any(made for _, made in every) and (n := seeds_of(every)) < len(stage.seeds):
        yield f"**Not the verdict yet**: {n} of the {len(stage.seeds)} seeds that were registered."
        yield ""
    for one, made in every:
        head = f"{one.condition} → {one.target} against {one.against}, expected {one.expected}"
        yield f"- {head}: {sentence(made) if made else '**not run yet**.'}"
    yield ""


def _stage(found: Found, stage: Stage, figures: dict[str, str]) -> Iterator[str]:
    yield f"## {stage.name}: {stage.question}"
    yield ""
    every = {target.name: _compared(found, stage, target.name) for target in stage.targets}
    rows = [(task, *_row(*one)) for task, of in every.items() for one in of]
    head = ("target", "condition", "mean", "95 %", f"against {BASELINE}", "95 %", "verdict", "seeds")
    yield markdown.table(head, rows, right=(2, 3, 4, 5))
    yield ""
    yield from _marked(found, stage)
    yield from _stuck(found, stage)
    yield from _beside(found, stage)
    contrasts = [
        replace(one, condition=f"{name} → {task}") for task, of in every.items() for name, _, one in of if one
    ]
    drawing = charts.forest(contrasts) if contrasts else None
    yield from _figure(figures, f"forest-{stage.name}", drawing, "Differences with 95 % intervals")
    for task in every:
        gaps = _by_language(found, stage, task)
        about = f"Differences to {BASELINE} on {task} by language"
        drawing = charts.heat_map(pd.DataFrame(gaps)) if gaps else None
        yield from _figure(figures, f"languages-{stage.name}-{task}", drawing, about)
        name = stage.conditions[1].name
        gain = gaps.get(name)
        several = any(one == name and len(block.seeds) > 1 for one, block, _ in every[task])
        if gain is not None and several and len(gain) >= ENOUGH:
            said, drawn = said_of(found, stage, task, name, gain)
            yield f"{name} → {task}, gain by language: {said}."
            yield ""
            for about, drawing in drawn.items():
                file = f"{about.split()[0]}-{stage.name}-{task}"
                yield from _figure(figures, file, drawing, f"Gain against {about}")
    if stage.pool:
        yield from judged(found.of(stage), found.answers[found.answers["stage"] == stage.name], stage)


def _beside(found: Found, stage: Stage) -> Iterator[str]:
    """The same conditions in the stage that this one varies, on the seeds of this one."""
    other = next((one for one in found.stages if one.name == BESIDE.get(stage.name)), None)
    names = [one.name for one in stage.conditions if one.name != BASELINE]
    if other is None:
        return
    few = replace(found, rows=found.rows[found.rows["seed"].isin(stage.seeds)])
    for target in stage.targets:
        for name, _, contrast in _compared(few, other, target.name):
            if contrast and name in names:
                said = bracketed(contrast.estimate, contrast.low, contrast.high)
                yield f"Beside it in stage {other.name}: {name} → {target.name} {said} against {BASELINE}."
                yield ""


def _row(name: str, block: Cells, contrast: Contrast | None) -> tuple[str, ...]:
    mean, seeds = infer(block), ", ".join(map(str, block.seeds))
    if contrast is None:
        return name, points(mean.estimate), _interval(mean.low, mean.high), "", "", "baseline", seeds
    between = _interval(contrast.low, contrast.high, True)
    difference = points(contrast.estimate, True)
    interval = _interval(mean.low, mean.high)
    return name, points(mean.estimate), interval, difference, between, contrast.verdict, seeds


def _compared(found: Found, stage: Stage, task: str) -> list[tuple[str, Cells, Contrast | None]]:
    """Each condition with its difference to the baseline, on the seeds that both have, corrected together."""
    names = [
        one.name for one in stage.conditions if len(found.of(stage, task).query("condition == @one.name"))
    ]
    pairs = [(name, found.blocks(stage, task, (name, BASELINE))) for name in names if name != BASELINE]
    ready = [(name, pair) for name, pair in pairs if pair]
    made = (
        verdict.verdicts([pair[0] for _, pair in ready], [pair[1] for _, pair in ready], margin=stage.margin)
        if ready
        else []
    )
    alone = [(BASELINE, found.blocks(stage, task, (BASELINE,))[0], None)] if BASELINE in names else []
    return [*alone, *((name, pair[0], one) for (name, pair), one in zip(ready, made, strict=True))]


def _by_language(found: Found, stage: Stage, task: str) -> dict[str, pd.Series]:
    """Difference to the baseline in each language, for each of the first conditions."""
    gaps = {}
    for one in stage.conditions[: SHOWN + 1]:
        pair = found.blocks(stage, task, (one.name, BASELINE)) if one.name != BASELINE else []
        if pair:
            gap = (pair[0].values - pair[1].values).mean((0, 1))
            gaps[one.name] = pd.Series(gap, index=pair[0].languages)
    return gaps


def _marked(found: Found, stage: Stage) -> Iterator[str]:
    """Cells that must not be counted without a word, and what code they were made with."""
    mine = found.of(stage)
    every = mine.groupby("task")["condition"].nunique()
    for mark, cells_ in mine[mine["marks"] != ""].groupby("marks"):
        named = [
            f"all → {task}"
            if of["condition"].nunique() == every[task]
            else ", ".join(f"{condition} → {task}" for condition in sorted(of["condition"].unique()))
            for task, of in cells_.groupby("task")
        ]
        yield f"`{mark}`: {', '.join(named)}."
    if mine["commit"].nunique() > 1:
        yield f"Run at {mine['commit'].nunique()} commits: {', '.join(sorted(set(mine['commit'])))}."
    yield ""


def _stuck(found: Found, stage: Stage) -> Iterator[str]:
    """Trainings that learned nothing, and tasks that none learned."""
    for said in remarks(found.of(stage), stage.margin):
        yield from (f"**{said}**", "")


def _cost(found: Found, figures: dict[str, str]) -> Iterator[str]:
    """Minutes and tokens behind each condition, its mean over targets and seeds."""
    if not len(found.rows):
        return
    searched = [stage for stage in found.stages if stage.pool]
    several = {
        (stage.name, one.name)
        for stage in searched
        for one in stage.conditions
        if one.name not in (BASELINE, *stage.pool)
    }
    cell = found.rows.drop_duplicates(["stage", "condition", "task", "seed"])
    cell = cell[[pair not in several for pair in zip(cell["stage"], cell["condition"], strict=True)]]
    means = (
        cell.groupby(["stage", "condition"], sort=False)[["seconds", "tokens", "steps"]].mean().reset_index()
    )
    yield "## Cost"
    yield ""
    yield "What stands behind a score, phases that several share included; by the clock of a shared machine."
    yield from (f"Of stage {stage.name} single tasks." for stage in searched)
    yield ""
    shared = ("stage", "condition", "tokens", "steps", "seconds")
    rows = [
        (stage, condition, f"{tokens / 1e3:,.0f}", f"{steps:,.0f}", f"{seconds / 60:.1f}")
        for stage, condition, tokens, steps, seconds in zip(*(means[name] for name in shared), strict=True)
    ]
    yield markdown.table(("stage", "condition", "thousand tokens", "steps", "minutes"), rows, right=(2, 3, 4))
    yield ""
    names = (means["stage"] + ": " + means["condition"]).tolist()
    drawing = charts.bars(names, (means["seconds"] / 60).tolist(), across="minutes behind a score")
    yield from _figure(figures, "cost", drawing, "Minutes behind a score")


def _figure(figures: dict[str, str], name: str, drawing: Raw | None, about: str) -> Iterator[str]:
    """The drawing as a file of its own, and the line that shows it."""
    if drawing:
        figures[name] = standing_alone(drawing)
        yield f"![{about}](real_models/{name}.svg)"
        yield ""


def _interval(low: float, high: float, signed: bool = False) -> str:
    return f"{points(low, signed)} … {points(high, signed)}" if math.isfinite(low) else "–"
