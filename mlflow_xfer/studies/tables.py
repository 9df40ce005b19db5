"""Scores that lie in tables in place of runs: those of a grid that is run in pieces, so with gaps.

Such a table has a row a condition, task, language and seed, as ``benchmarks/real_models.py`` writes them,
with the ``stage`` that it belongs to and the English ``dev`` score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.stats.frame import KEY
from mlflow_xfer.studies.study import Arm, Contrast, Study

COLUMNS = ["stage", "condition", "task", "language", "seed", "score", "n", "metric", "dev"]
DECLARED = "declared"
BASELINE, NULL, JOINED = "none", "-permuted", "+"
STEPS_OF = {"none, as many steps": "mnli-5k"}
TASK_OF: dict[str, str] = {
    "mnli-5k": "mnli",
    "pawsx-1k": "pawsx",
    "rte-2490": "rte",
    "cosmosqa-500": "cosmosqa",
    "pos-3k": "udpos",
}
"""Tasks of which a condition's name names a cut."""
STAGES: dict[str, str] = {
    "A": "MNLI before PAWS-X and retrieval, with its null",
    "B": "four tasks before four targets",
    "D": "questions",
    "E": "inference",
    "G": "every subset of five tasks, as merged weights",
}
"""The stages of ``benchmarks/real_models.py`` that are alike enough for one grid: the others vary how they
train."""
SPREAD: dict[str, str] = {"V": "five arms in all languages"}
"""The stage whose arms are those of ``nli-variance``, by their names there."""


def read(folder: Path, stages: Mapping[str, str] = STAGES) -> pd.DataFrame:
    """The rows of all tables of ``folder`` that belong to ``stages``; a cell that two stages share once.

    Raises:
        XferError: there is none.
    """
    tables = [pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))] if folder.is_dir() else []
    scored = [one.reindex(columns=[*COLUMNS, DECLARED]) for one in tables if set(COLUMNS) <= set(one)]
    rows = pd.concat(scored, ignore_index=True) if scored else pd.DataFrame(columns=COLUMNS)
    rows = rows[rows["stage"].isin(list(stages))].assign(base_seed=0).astype({"condition": str, "task": str})
    if rows.empty:
        raise XferError(
            f"{folder} holds no table of scores (*.parquet with {', '.join(COLUMNS)}).",
            "Name the folder that benchmarks/real_models.py writes: benchmarks/real_models",
        )
    return rows.drop_duplicates(KEY, ignore_index=True)


def missing(rows: pd.DataFrame, stages: Mapping[str, str] = STAGES) -> list[str]:
    """What is not there yet, in sentences."""
    said = []
    for stage, about in stages.items():
        seeds = sorted(rows.loc[rows["stage"] == stage, "seed"].unique())
        if not seeds:
            said.append(f"stage {stage} ({about}) is not run yet")
        else:
            said.append(f"stage {stage} ({about}): seeds {', '.join(map(str, seeds))} so far")
    return said


def study_of(study: Study, rows: pd.DataFrame) -> Study:
    """``study`` with the conditions of the tables as arms: single tasks against none on each target, against
    their null, and against as many steps without them."""
    names = [name for name in dict.fromkeys(map(str, rows["condition"])) if name != BASELINE]
    arms = [
        Arm(
            name, {"intermediate": ",".join(TASK_OF.get(part, part) for part in name.split(JOINED))}, BASELINE
        )
        for name in names
    ]
    single = [name for name in names if JOINED not in name and is_task(name)]
    contrasts = (
        Contrast("best of each", {**dict.fromkeys(single, 1.0), BASELINE: -1.0}, "best", primary=True),
        *(
            Contrast(f"{name} on {task}", {name: 1.0, BASELINE: -1.0}, targets=(str(task),))
            for task, of in rows.groupby("task", sort=False)["condition"]
            for name in single
            if {name, BASELINE} <= set(of)
        ),
        *(
            Contrast(f"{name.removesuffix(NULL)} over its null", {name.removesuffix(NULL): 1.0, name: -1.0})
            for name in names
            if name.endswith(NULL)
        ),
        *(
            Contrast(f"{name} against as many steps", {name: 1.0, steps: -1.0})
            for steps, name in STEPS_OF.items()
            if {name, steps} <= set(names)
        ),
    )
    return replace(
        study.at("small"),
        scale="tables",
        arms=(Arm(BASELINE, {"intermediate": BASELINE}), *arms),
        contrasts=contrasts,
        shared={"target": ",".join(dict.fromkeys(rows["task"]))},
        limits=tuple(missing(rows)),
    )


def at_once(study: Study, targets: Sequence[str], limits: Sequence[str] = ()) -> Study:
    """``study`` at its small scale on these targets of the tables, looked at once."""
    shared_ = {"target": ",".join(targets)}
    return replace(study.at("small"), scale="tables", shared=shared_, looks=1, limits=tuple(limits))


def fixed(study: Study) -> str:
    """What a plan says of the study that its rows will answer, before there are any."""
    return f"study {study.name}, specification {digest(study.spec())[:16]}"


def is_task(name: str) -> bool:
    """Whether a condition has an intermediate task that teaches something."""
    return name != BASELINE and not name.endswith(NULL) and "," not in name


def dev_of(rows: pd.DataFrame) -> pd.DataFrame:
    """English dev scores by condition, task and seed; of what is not trained none."""
    known = rows.dropna(subset=["dev"]).drop_duplicates(["condition", "task", "seed"])
    return known[["condition", "task", "seed", "dev"]].rename(columns={"dev": "score"})


def shared(rows: pd.DataFrame, arms: Sequence[str], every: bool = True) -> tuple[pd.DataFrame, str]:
    """The rows of the targets that all of these arms have, on their common languages and seeds; and what is
    left out, in words. Of targets with different seeds those with the most stay.

    Args:
        every: whether a target needs all arms; else the last one and one other.

    Raises:
        XferError: they share no target, or no seed of one.
    """
    seeds: dict[str, set] = {}
    for task, of in rows.groupby("task", sort=False):
        there = [name for name in arms if (of["condition"] == name).any()]
        if there == list(arms) or not every and len(there) > 1 and arms[-1] in there:
            seeds[str(task)] = set.intersection(
                *(set(of.loc[of["condition"] == name, "seed"]) for name in there)
            )
    most = max(map(len, seeds.values()), default=0)
    if not most:
        raise XferError(f"{', '.join(arms)}: no common target with a common seed yet.")
    kept = [task for task, of in seeds.items() if len(of) == most]
    common = set.intersection(*(seeds[task] for task in kept))
    if not common:
        kept, common = kept[:1], seeds[kept[0]]
    left = [task for task in dict.fromkeys(rows["task"]) if task not in kept]
    some = rows[rows["task"].isin(kept) & rows["seed"].isin(common) & rows["condition"].isin(list(arms))]
    spoken = some.groupby(["task", "language"])["condition"].transform("nunique")
    wanted = some.groupby("task")["condition"].transform("nunique")
    note = f"not on {', '.join(left)}: not run with all of its arms on as many seeds" if left else ""
    return some[spoken == wanted], note
