"""What the tables of ``real_models.py`` say: ``real_models.md`` and its figures, from the parquets alone.

Every number is the product's: means, contrasts, verdicts, slopes and charts are those of
``mlflow_xfer.stats`` and ``mlflow_xfer.reporting``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from real_models_answers import judged
from real_models_found import SCORES, Found, registered, status, title
from real_models_stages import BASELINE, Piece, Stage, pieces

from mlflow_xfer import languages, markdown
from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting import charts, verdict
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.hypertext import Raw
from mlflow_xfer.reporting.verdict import REGISTERED, Contrast, sentence
from mlflow_xfer.stats import interaction
from mlflow_xfer.stats.frame import Cells, check
from mlflow_xfer.stats.means import infer

ENOUGH = 5
"""Languages from which on slopes are worked out."""
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
    lines = list(_lines(found, figures))
    text = "\n".join(lines) + "\n"
    out.write_text(text, "utf-8")
    for name, drawing in figures.items():
        (folder / f"{name}.svg").write_text(drawing + "\n", "utf-8")
    return text


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
    yield from _cost(found, figures)


def _missing(found: Found) -> Iterator[str]:
    """Which pieces are not run."""
    every = [(piece, _state(found, piece)) for piece in pieces(tuple(found.stages))]
    lacking = [
        f"{piece.name} ({said})" if said != "not run" else piece.name
        for piece, said in every
        if said != "run"
    ]
    yield "## What is run"
    yield ""
    yield f"{len(every) - len(lacking)} of {len(every)} pieces."
    if lacking:
        yield f"**Missing**: {', '.join(lacking)}."
        yield "Each is run by `python benchmarks/real_models.py run PIECE`."
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
    for one, made in registered(found, stage):
        head = f"{one.condition} → {one.target} against {one.against}, expected {one.expected}"
        yield f"- {head}: {sentence(made) if made else '**not run yet**.'}"
    yield ""


def _stage(found: Found, stage: Stage, figures: dict[str, str]) -> Iterator[str]:
    yield f"## {stage.name}: {stage.question}"
    yield ""
    rows, contrasts, gaps = [], [], {}
    for target in stage.targets:
        for name, block, contrast in _compared(found, stage, target.name):
            mean = infer(block)
            rows.append(
                (
                    target.name,
                    name,
                    points(mean.estimate),
                    _interval(mean.low, mean.high),
                    points(contrast.estimate, True) if contrast else "",
                    _interval(contrast.low, contrast.high, True) if contrast else "",
                    contrast.verdict if contrast else "baseline",
                    ", ".join(map(str, block.seeds)),
                )
            )
            if contrast:
                contrasts.append(replace(contrast, condition=f"{name} → {target.name}"))
        gaps |= _by_language(found, stage, target.name)
    head = ("target", "condition", "mean", "95 %", f"against {BASELINE}", "95 %", "verdict", "seeds")
    yield markdown.table(head, rows, right=(2, 3, 4, 5))
    yield ""
    yield from _marked(found, stage)
    yield from _figure(
        figures,
        f"forest-{stage.name}",
        charts.forest(contrasts) if contrasts else None,
        "Differences with 95 % intervals",
    )
    yield from _figure(
        figures,
        f"languages-{stage.name}",
        charts.heat_map(pd.DataFrame(gaps).sort_index()) if gaps else None,
        "Differences by language and condition",
    )
    yield from _languages(found, stage, figures)
    if stage.pool:
        yield from judged(found.of(stage), found.answers[found.answers["stage"] == stage.name], stage)


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


def _by_language(found: Found, stage: Stage, task: str) -> Mapping[str, pd.Series]:
    """Difference to the baseline in each language, a column for each condition."""
    gaps = {}
    for name, block, contrast in _compared(found, stage, task):
        if contrast:
            first, second = found.blocks(stage, task, (name, BASELINE))
            gap = (first.values - second.values).mean((0, 1))
            gaps[f"{name} → {task}"] = pd.Series(gap, index=block.languages)
    return dict(list(gaps.items())[:12])


def _marked(found: Found, stage: Stage) -> Iterator[str]:
    """Cells that must not be counted without a word, and what code they were made with."""
    mine = found.of(stage)
    for mark, cells_ in mine[mine["marks"] != ""].groupby("marks"):
        names = sorted(
            {f"{condition} → {task}" for condition, task in cells_[["condition", "task"]].to_numpy()}
        )
        yield f"`{mark}`: {', '.join(names)}."
    if mine["commit"].nunique() > 1:
        yield f"Run at {mine['commit'].nunique()} commits: {', '.join(sorted(set(mine['commit'])))}."
    yield ""


def _languages(found: Found, stage: Stage, figures: dict[str, str]) -> Iterator[str]:
    """How the gain of the first condition goes with distance, pre-training size and script."""
    name = stage.conditions[1].name
    for target in stage.targets:
        blocks = found.blocks(stage, target.name, (name, BASELINE))
        if not blocks or len(blocks[0].languages) < ENOUGH:
            continue
        first, second = blocks
        gain = pd.Series((first.values - second.values).mean((0, 1)), index=first.languages)
        rows = check(found.of(stage, target.name)[SCORES].query("condition in [@name, @BASELINE]"))
        rows = rows[rows["seed"].isin(first.seeds)]
        said: list[str] = []
        drawing: Raw | None = None
        for about, values in _properties(gain.index).items():
            try:
                slope = interaction.covariate_slope(rows, name, BASELINE, values, missing="drop")
            except XferError as error:
                said.append(f"{about}: {error.what.splitlines()[0]}")
                continue
            interval = _interval(slope.low, slope.high, True)
            said.append(f"{points(slope.estimate, True)} points per sd of {about} ({interval})")
            drawing = drawing or _scatter(gain, values, slope.estimate, about, f"gain on {target.name}")
        said.append(f"by script {_by_script(gain)}")
        yield f"{name} → {target.name}, gain by language: {'; '.join(said)}."
        yield ""
        about = f"Gain on {target.name} against distance to English"
        yield from _figure(figures, f"distance-{stage.name}-{target.name}", drawing, about)


def _properties(codes: Iterable[str]) -> dict[str, dict[str, float | None]]:
    """What is known of each language that a gain may go with."""
    sizes = {code: languages.get(code).value("xlmr_pretraining_gib") for code in codes}
    return {
        "syntactic distance to English": {code: languages.distance(code) for code in sizes},
        "log pre-training text": {code: math.log10(size) if size else None for code, size in sizes.items()},
    }


def _scatter(gain: pd.Series, values: Mapping[str, float | None], slope: float, across: str, up: str) -> Raw:
    known = {code: value for code in gain.index if code != "en" and (value := values[code]) is not None}
    x, y = np.array(list(known.values())), gain[list(known)].to_numpy()
    return charts.scatter(list(known), x, y, slope, across=across, up=up)


def _by_script(gain: pd.Series) -> str:
    groups = gain.groupby([languages.get(code).script or "unknown" for code in gain.index])
    return ", ".join(f"{script} {points(of.mean(), True)} (n = {len(of)})" for script, of in groups)


def _cost(found: Found, figures: dict[str, str]) -> Iterator[str]:
    """Minutes and tokens behind each condition, its mean over targets and seeds."""
    if not len(found.rows):
        return
    cell = found.rows.drop_duplicates(["stage", "condition", "task", "seed"])
    means = (
        cell.groupby(["stage", "condition"], sort=False)[["seconds", "tokens", "steps"]].mean().reset_index()
    )
    yield "## Cost"
    yield ""
    yield "What stands behind a score, phases that several share included; by the clock of a shared machine."
    yield ""
    shared = ("stage", "condition", "tokens", "steps", "seconds")
    rows = [
        (stage, condition, f"{tokens / 1e3:,.0f}", f"{steps:,.0f}", f"{seconds / 60:.1f}")
        for stage, condition, tokens, steps, seconds in zip(*(means[name] for name in shared), strict=True)
    ]
    yield markdown.table(
        ("stage", "condition", "thousand tokens", "steps", "minutes"), rows[:40], right=(2, 3, 4)
    )
    yield ""
    names = (means["stage"] + ": " + means["condition"]).tolist()[:20]
    drawing = charts.bars(names, (means["seconds"] / 60).tolist()[:20], across="minutes behind a score")
    yield from _figure(figures, "cost", drawing, "Minutes behind a score")


def _figure(figures: dict[str, str], name: str, drawing: Raw | None, about: str) -> Iterator[str]:
    """The drawing as a file of its own, and the line that shows it."""
    if drawing:
        figures[name] = charts.standing_alone(drawing)
        yield f"![{about}](real_models/{name}.svg)"
        yield ""


def _interval(low: float, high: float, signed: bool = False) -> str:
    return f"{points(low, signed)} … {points(high, signed)}" if math.isfinite(low) else "–"
