"""How well gains are foretold before training: coverage and width of intervals for targets and languages that
were left out.

    python benchmarks/prediction.py [--out benchmarks/prediction.md]

Reads measured tables and trains nothing: the grid of all 512 subsets (grid.csv), the pairs of mini
(mini_effects.csv) and the real models' scores (real_models/*.parquet). Every figure is of rows whose target
(or language) none of the models, errors and intervals had seen. Seconds on one core.
"""

from __future__ import annotations

import argparse
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.markdown import table
from mlflow_xfer.stats.prediction import Known, leave_one_group_out
from mlflow_xfer.tasks import mini
from mlflow_xfer.tasks.task import Task

HERE = Path(__file__).parent
LEVEL, LOW, HIGH, HALF = 0.9, 88.0, 92.0, 0.5
TASKS: dict[str, Task] = {task.name: task for task in mini.TASKS}
SHARES, OTHER, UNTRAINED = "shares a skill", "shares none", "untrained target"
"""Strata: what is known of a set and a target before anything trains."""


def features(names: tuple[str, ...], target: str, before: float, distance: float = 0.0) -> list[float]:
    """What is known before training: skills, kinds and sizes of the set and the target, the score without
    intermediate task, and how far the language is from English."""
    wanted, tasks = TASKS[target], [TASKS[name] for name in names]
    skills = {skill for task in tasks for skill in task.skills}
    sharing = [task for task in tasks if set(task.skills) & set(wanted.skills)]
    return [
        len(skills & set(wanted.skills)) / len(wanted.skills),
        len(sharing) / len(tasks),
        float(np.mean([task.kind == wanted.kind for task in tasks])),
        float(np.mean([task.kind in ("tagging", "span_qa") for task in tasks])),
        float(np.mean([not task.skills for task in tasks])),
        math.log2(len(tasks)),
        float(not wanted.trained),
        before,
        distance,
    ]


def stratum(names: tuple[str, ...], target: str) -> str:
    wanted = TASKS[target]
    if not wanted.trained:
        return UNTRAINED
    return SHARES if any(set(TASKS[n].skills) & set(wanted.skills) for n in names) else OTHER


def known(rows: list[tuple[tuple[str, ...], str, float, float, float, str]]) -> Known:
    """Of (set, target, score before, distance, gain, group)."""
    return Known(
        np.array(
            [features(names, target, before, distance) for names, target, before, distance, _, _ in rows]
        ),
        np.array([row[4] for row in rows]),
        np.array([row[5] for row in rows]),
        np.array([stratum(names, target) for names, target, *_ in rows]),
    )


def of_grid() -> Known:
    """All subsets of nine tasks before three targets, means over three seeds; a group is a target."""
    frame = pd.read_csv(HERE / "grid.csv").groupby(["subset", "target"], as_index=False)["test"].mean()
    before = frame[frame["subset"] == "none"].set_index("target")["test"]
    return known(
        [
            (
                tuple(row.subset.split("+")),
                row.target,
                before[row.target],
                0.0,
                row.test - before[row.target],
                row.target,
            )
            for row in frame[frame["subset"] != "none"].itertuples()
        ]
    )


def pairs(bands: tuple[str, ...]) -> pd.DataFrame:
    """Pairs of mini: intermediate, target, band of languages, score without, gain; means over seeds."""
    frame = pd.read_csv(HERE / "mini_effects.csv")
    frame = frame[frame["arm"] == "pretrained"].drop(columns="arm")
    long = frame.melt(["seed", "intermediate", "target"], list(bands), "band", "score").dropna()
    base = long[long["intermediate"] == "none"].drop(columns="intermediate")
    both = long[long["intermediate"] != "none"].merge(
        base, on=["seed", "target", "band"], suffixes=("", "_before")
    )
    both["gain"] = both["score"] - both["score_before"]
    return both.groupby(["intermediate", "target", "band"], as_index=False)[["score_before", "gain"]].mean()


def of_both() -> tuple[Known, np.ndarray]:
    """The grid and, for other targets, the pairs; and which rows are judged: the grid's."""
    grid, single = of_grid(), of_pairs(trained=True)
    x, y, groups, strata = (
        np.concatenate([getattr(one, name) for one in (grid, single)])
        for name in ("x", "y", "groups", "strata")
    )
    return Known(x, y, groups, strata), np.arange(len(y)) < len(grid.y)


def of_sets(folds: int = 10) -> Known:
    """The grid with its tasks, pairs of them and targets as features; a group is a tenth of the subsets."""
    frame = pd.read_csv(HERE / "grid.csv").groupby(["subset", "target"], as_index=False)["test"].mean()
    before = frame[frame["subset"] == "none"].set_index("target")["test"]
    frame = frame[frame["subset"] != "none"]
    subsets, targets = frame["subset"].str.get_dummies("+"), pd.get_dummies(frame["target"])
    for one, other in combinations(list(subsets), 2):
        subsets[f"{one}+{other}"] = subsets[one] * subsets[other]
    by_target = [subsets.mul(targets[name], axis=0).to_numpy(float) for name in targets]
    x = np.hstack([*by_target, targets.to_numpy(float)])
    places = {name: n % folds for n, name in enumerate(sorted(set(frame["subset"])))}
    gain = frame["test"] - frame["target"].map(before)
    groups = frame["subset"].map(places).astype(str)
    return Known(x, gain.to_numpy(), groups.to_numpy(), frame["target"].to_numpy())


def of_pairs(trained: bool) -> Known:
    """One intermediate task before each target, mean over six languages; a group is a target."""
    return known(
        [
            ((row.intermediate,), row.target, row.score_before, 0.0, row.gain, row.target)
            for row in pairs(("xx",)).itertuples()
            if TASKS[row.target].trained or not trained
        ]
    )


BANDS = {"xx": ("de", "es", "tr", "sw", "id", "vi"), "low": ("af", "ht", "eu"), "en": ("en",)}


def of_bands() -> Known:
    """Pairs by band of languages (six, three of low resource, English); a group is a band."""
    return known(
        [
            (
                (row.intermediate,),
                row.target,
                row.score_before,
                _distance(BANDS[row.band]),
                row.gain,
                row.band,
            )
            for row in pairs(tuple(BANDS)).itertuples()
        ]
    )


def _distance(codes: tuple[str, ...]) -> float:
    found = [languages.distance(code, "en", "syntactic") for code in codes]
    return float(np.mean([one for one in found if one is not None]))


def of_real(without: str = "") -> Known:
    """Real models, without a stage: condition, task and language, mean over seeds; a group is a language."""
    frame = pd.concat([pd.read_parquet(path) for path in sorted((HERE / "real_models").glob("*.parquet"))])
    frame = frame[frame["stage"] != without]
    key = ["stage", "task", "language", "seed"]
    base = frame[frame["condition"] == "none"].set_index(key)["score"]
    others = frame[frame["condition"] != "none"].drop_duplicates(["spec", "language"])  # stages share some
    rest = others.set_index([*key, "condition"])["score"].reset_index("condition")
    rest["before"] = base.reindex(rest.index)
    rest["gain"] = rest["score"] - rest["before"]
    rest = rest.dropna().reset_index()
    means = rest.groupby(["condition", "task", "language"], as_index=False)[["before", "gain"]].mean()
    kinds = means["condition"] + " → " + means["task"]
    dummies = pd.get_dummies(kinds).to_numpy(float)
    distance = [
        [_distance((code,)), languages.get(code).value("xlmr_pretraining_gib") or 0.0]
        for code in means["language"]
    ]
    x = np.column_stack([dummies, means["before"], np.array(distance)])
    return Known(x, means["gain"].to_numpy(), means["language"].to_numpy(), means["task"].to_numpy())


def judged(name: str, left_out: str, data: Known, rows: np.ndarray | None = None) -> list[str]:
    found = leave_one_group_out(data, LEVEL, rows)
    covers = LOW <= found.coverage <= HIGH
    narrow = found.ratio <= HALF
    return [
        name,
        left_out,
        f"{len(set(data.groups if rows is None else data.groups[rows]))}",
        f"{found.rows}",
        f"{100 * found.told / found.rows:.0f} %",
        f"{found.coverage:.1f} %" if found.told else "–",
        f"{found.width:.1f}" if found.told else "–",
        f"{found.unconditional:.1f} ({found.covered_without:.0f} %)" if found.told else "–",
        f"{found.ratio:.2f}" if found.told else "–",
        f"{found.sign:.0f} % of {found.decided}" if found.decided else "none decided",
        f"{_said(covers)}, {_said(narrow)}" if found.told else "abstains",
    ]


def _said(holds: bool) -> str:
    return "yes" if holds else "no"


HEAD = (
    "table", "left out", "groups", "rows", "told", "coverage", "width", "unconditional (covers)", "ratio",
    "sign right", "88–92 %, ≤ ½ width",
)  # fmt: skip


def noise() -> dict[str, float]:
    """Width of a 90 % interval that holds nothing but the seeds' noise in a measured gain, by table."""
    grid = pd.read_csv(HERE / "grid.csv").rename(columns={"subset": "condition", "test": "score"})
    pair = pd.read_csv(HERE / "mini_effects.csv").rename(columns={"intermediate": "condition", "xx": "score"})
    pair = pair[(pair["arm"] == "pretrained") & pair["target"].map(lambda name: TASKS[name].trained)]
    found = {}
    for name, frame in (("512 subsets", grid), ("pairs of mini", pair)):
        base = frame[frame["condition"] == "none"].set_index(["seed", "target"])["score"]
        rest = frame[frame["condition"] != "none"].set_index(["seed", "target"])
        gains = rest.assign(gain=rest["score"] - base.reindex(rest.index)).dropna(subset="gain")
        of = gains.groupby(["condition", "target"])["gain"].agg(["var", "count"])
        found[name] = 2 * 1.645 * float(np.sqrt((of["var"] / of["count"]).mean()))
    return found


def page() -> str:
    cases: list[tuple] = [
        ("512 subsets", "target", of_grid()),
        ("512 subsets, with the pairs' targets", "target", *of_both()),
        ("512 subsets", "a tenth of the subsets", of_sets()),
        ("pairs of mini", "target", of_pairs(trained=False)),
        ("pairs of mini, trained targets", "target", of_pairs(trained=True)),
        ("pairs of mini by band", "band of languages", of_bands()),
        ("real models", "language", of_real()),
        ("real models without the 31 subsets", "language", of_real(without="G")),
    ]
    alone = noise()
    return TEXT.format(
        table=table(HEAD, [judged(*case) for case in cases]),
        grid=f"{alone['512 subsets']:.1f}",
        pairs=f"{alone['pairs of mini']:.1f}",
    )


TEXT = """# Gains foretold before training

Made by `python benchmarks/prediction.py` from tables that were measured earlier. Foretold is the gain in
points over no intermediate task, mean over seeds, by ridge regression on what is known beforehand: skills
that the set and the target share, kinds, sizes, the score without intermediate task, distance to English;
of subsets whose targets were measured, tasks and pairs of tasks by target; of languages, condition,
distance and pre-training data. Intervals: 90 %, jackknife+ over groups, by stratum (shares a skill; shares
none; a target that is not trained; of subsets and languages the target). Nothing is told of a stratum that
fewer than three of the other groups have. Every figure is of groups that nothing had seen.

{table}

Widths are in points and of the same rows; the unconditional interval is the middle 90 % of the other
groups' gains, and how often it covers stands in brackets. "Sign right": of the intervals on one side of 0.
Last column: the two goals, a coverage of 88 to 92 % and at most half the unconditional width.

## What it says

- **Reached**: new subsets before measured targets. There intervals are less than half as wide and mostly get
  the sign right.
- **Reached**: new languages for measured conditions of the real models. Intervals are about a third as wide
  and mostly get the sign right. Half of the rows are subsets before one target, which are alike; without them
  **a point of coverage is missed**. Why: 17 languages are few, and the rows of one are covered or missed
  together.
- **Reached only by knowing what kind of target it is**: new targets of mini. What narrows these intervals
  is that gains of retrieval, which is not trained, are large and negative. It itself gets no interval: two
  targets are too few.
- **Missed**: new trained targets. Coverage holds, but intervals are about as wide as without knowing
  anything. Why: the noise of three to five seeds alone makes a 90 % interval {pairs} points wide, more than
  half the unconditional one; and nine in ten pairs share no skill, so that their true gains hardly differ.
  More seeds would help, features would not.
- **Missed**: all subsets before a new target. Three targets are too few to say anything (abstains); with
  the pairs' targets it is told, and the intervals are wider than the unconditional ones, whose own coverage
  is too low: regressions on single tasks do not foretell what nine tasks together do. Noise alone: {grid}
  points.
- **Abstains**: new bands of languages on mini. The tables there hold three bands, not single languages.
- Features and strata were chosen with these tables at hand, targets and languages were not left out for that.
- Proxies (LogME, few-shot …) are not among the features: of these tables no proxies were kept
  ([ranking.md](ranking.md) says how well they order tasks).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "prediction.md")
    arguments = parser.parse_args()
    arguments.out.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
