"""Tidy score tables: what the functions of this package take, and the checks that keep unlike numbers apart.

A tidy frame has one row per score with the columns ``condition``, ``task``, ``language``, ``seed``, ``score``
(0-100; from -100 where ``metric`` is a correlation), and optionally ``base_seed`` (0 where absent), ``n``
(test examples), ``example`` (then a row is one example's score), ``low`` and ``high`` (the score's own
interval), and ``suite``, ``protocol``, ``metric``: what must not differ within one comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.registry import unknown

REQUIRED = ("condition", "task", "language", "seed", "score")
KEY = ["condition", "task", "language", "base_seed", "seed"]
CORRELATIONS = ("pearson", "spearman")
"""Metrics whose scores are -100 to 100, and no shares of right answers."""
SHOWN = 5  # rows quoted in an error
TELLING = 3  # different scores below 1 that show by their counts that they are percents


def quote(rows: pd.DataFrame, columns: list[str]) -> str:
    """The first rows as text for an error, and how many more there are."""
    lines = ["    " + ", ".join(f"{c}={row[c]}" for c in columns) for _, row in rows.head(SHOWN).iterrows()]
    if len(rows) > SHOWN:
        lines.append(f"    … and {len(rows) - SHOWN} more")
    return "\n".join(lines)


def _scale_problems(frame: pd.DataFrame, problems: Problems) -> None:
    score = frame["score"]
    outside = frame[(score > 100) | (score < np.where(correlated(frame), -100, 0))]
    if len(outside):
        problems.add(
            f"{len(outside)} scores lie outside 0-100:\n{quote(outside, [*KEY, 'score'])}",
            f"Accepted are 0-100, and from -100 where a column metric says {' or '.join(CORRELATIONS)}.",
        )
    top = _top(frame)
    fractions = (top <= 1) & (top > 0)
    rows = on_two_scales(frame)
    if len(rows):
        problems.add(
            f"Scores on two scales: 0-1 in\n{quote(rows, ['condition', 'task'])}\n  and 0-100 elsewhere.",
            "Multiply the fractions by 100. Percents below 1 are known by a column n of test examples: "
            "they are whole numbers of these.",
        )
    elif len(top) and fractions.all(axis=None):
        problems.add(
            "All scores are at most 1: they look like fractions.", "Scores are 0-100: multiply them by 100."
        )


def on_two_scales(frame: pd.DataFrame) -> pd.DataFrame:
    """condition and task of what looks like fractions (0-1), where another condition of the task has
    percents: a task where nobody exceeds 1 can be a hard task."""
    top = _top(frame)
    fractions = (top <= 1) & (top > 0)
    by_task = fractions.loc[:, fractions.any() & (top > 1.5).any()]
    guilty = [
        (c, t)
        for t in by_task
        for c in by_task.index[by_task[t]]
        if not _percents(frame[(frame["condition"] == c) & (frame["task"] == t)])
    ]
    return pd.DataFrame(guilty, columns=["condition", "task"])


def _top(frame: pd.DataFrame) -> pd.DataFrame:
    """[conditions, tasks] the largest absolute score."""
    return frame["score"].abs().groupby([frame["condition"], frame["task"]], observed=True).max().unstack()


def correlated(frame: pd.DataFrame) -> pd.Series:
    """[rows] whether a score is a correlation."""
    return frame["metric"].isin(CORRELATIONS) if "metric" in frame else pd.Series(False, frame.index)


def _percents(rows: pd.DataFrame) -> bool:
    """Whether scores of at most 1 are percents for sure: whole numbers of ``n`` test examples. Fractions that
    look like that are of multiples of 100 examples, in every row.
    """
    if "n" not in rows:
        return False
    score = rows["score"]
    right = score * pd.to_numeric(rows["n"], errors="coerce") / 100
    telling = score[(score > 0) & (score < 1)].nunique()
    return telling >= TELLING and bool(((right - right.round()).abs() < 1e-3).all())


def check(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with ``base_seed`` filled in and examples averaged, after every check.

    Raises:
        XferError: all faults at once, each with the rows: missing columns, scores that are no numbers, of
            no test examples or outside 0-100 (correlations: -100 to 100), 0-1 beside 0-100, duplicate cells,
            two suites or protocols, two metrics for one task.
    """
    lacking = [c for c in REQUIRED if c not in frame.columns]
    if lacking:
        raise XferError(
            f"The table lacks the columns {', '.join(lacking)}.", f"Needed: {', '.join(REQUIRED)}"
        )
    if frame.empty:
        raise XferError(
            "The table has no rows.", "Was the search filter right? See: mlflow-xfer report --help"
        )
    frame = frame.assign(base_seed=frame["base_seed"].fillna(0) if "base_seed" in frame else 0)
    problems = Problems()
    blank = frame[frame[KEY].isna().any(axis=1)]
    if len(blank):
        problems.add(f"{len(blank)} rows name no condition, task, language or seed:\n{quote(blank, KEY)}")
    numbers = pd.to_numeric(frame["score"], errors="coerce")
    wrong = frame[~np.isfinite(numbers)]
    if len(wrong):
        problems.add(
            f"{len(wrong)} scores are no finite numbers:\n{quote(wrong, [*KEY, 'score'])}",
            "Leave unscored cells out.",
        )
        problems.raise_if_any()
    frame = frame.assign(score=numbers.astype(float))
    if "n" in frame and len(none := frame[pd.to_numeric(frame["n"], errors="coerce") < 1]):
        problems.add(
            f"{len(none)} scores are of fewer than one test example:\n{quote(none, [*KEY, 'n'])}",
            "Leave n empty where it is unknown.",
        )
    unit = [*KEY, "example"] if "example" in frame else KEY
    twice = frame[frame.duplicated(unit, keep=False)]
    if len(twice):
        problems.add(
            f"{len(twice)} rows are duplicates of a "
            f"cell:\n{quote(twice.sort_values(unit), [*unit, 'score'])}",
            "One score per condition, task, language and seed: name the runs, or keep the latest.",
        )
    if "suite" in frame and frame["suite"].nunique(dropna=False) > 1:
        rows = frame[["condition", "suite"]].drop_duplicates()
        problems.add(
            f"Different suites in one comparison:\n{quote(rows, ['condition', 'suite'])}",
            "Compare them in separate reports, or keep one.",
        )
    if "protocol" in frame:  # by task: a task that is not trained has none, what is prompted cannot have one
        several = frame.groupby("task", observed=True)["protocol"].nunique()
        rows = frame.loc[
            frame["task"].isin(several[several > 1].index), ["condition", "task", "protocol"]
        ].drop_duplicates()
        if len(rows):
            problems.add(
                "Different protocols (how checkpoints were selected, shots, training set) in one "
                f"comparison:\n{quote(rows, ['condition', 'task', 'protocol'])}",
                "Compare them in separate reports, or keep one.",
            )
    if "metric" in frame:
        several = frame.groupby("task", observed=True)["metric"].nunique()
        for task in several[several > 1].index:
            rows = frame.loc[frame["task"] == task, ["condition", "task", "metric"]].drop_duplicates()
            problems.add(
                f"Task {task!r} is scored by different "
                f"metrics:\n{quote(rows, ['condition', 'task', 'metric'])}"
            )
    _scale_problems(frame, problems)
    problems.raise_if_any()
    return average_examples(frame) if "example" in frame else frame


def average_examples(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells (with their number of examples ``n``) of a frame that has one row per example; what else is said
    of a cell stands in each of its rows. An example's own interval is none of the cell's."""
    groups = frame.groupby(KEY, observed=True, sort=False)
    about = frame.columns.difference([*KEY, "example", "score", "n", "low", "high"], sort=False)
    averaged = groups["score"].agg(score="mean", n="size")
    return averaged.join(groups[list(about)].first()).reset_index()


@dataclass(frozen=True)
class Cells:
    """One condition's complete block ``values[base, seed, unit]``; a unit is a (task, language) pair.

    ``weights`` of the units sum to 1: tasks weigh the same, languages within a task weigh the same (XTREME's
    average). ``sizes``: by unit, the numbers of test examples behind its scores, where they are known.
    """

    condition: str
    values: np.ndarray
    weights: np.ndarray
    units: tuple[tuple[str, str], ...]
    bases: tuple
    seeds: tuple
    sizes: Mapping[tuple[str, str], frozenset[float]] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(task for task, _ in self.units))

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(language for _, language in self.units))

    def select(self, keep: np.ndarray) -> Cells:
        """The block with the units where ``keep`` is true, weighted anew."""
        units = tuple(unit for unit, kept in zip(self.units, keep, strict=True) if kept)
        return replace(self, values=self.values[..., keep], weights=unit_weights(units), units=units)

    def by_language(self) -> tuple[np.ndarray, np.ndarray]:
        """``(x[base, seed, language], weights[language])`` with the same mean per base and seed as the units.

        Where tasks cover different languages, a language's value is the grand mean plus its weighted
        deviations from its tasks' means: so that a language of easy tasks does not look good.
        """
        place = [{name: i for i, name in enumerate(names)} for names in (self.tasks, self.languages)]
        task_of, language_of = (np.array([place[axis][unit[axis]] for unit in self.units]) for axis in (0, 1))
        pooled = self.values.mean((0, 1))
        in_task = np.bincount(task_of, self.weights)
        task_mean = np.bincount(task_of, self.weights * pooled) / in_task
        grand = float((self.weights * pooled).sum())
        weights = np.bincount(language_of, self.weights)
        deviation = (self.values - task_mean[task_of]) * self.weights
        onto = np.eye(len(weights))[language_of]
        return deviation @ onto / weights + grand, weights


def unit_weights(units: tuple[tuple[str, str], ...]) -> np.ndarray:
    """Weights of (task, language) units: the mean over tasks of the mean over languages."""
    tasks = [task for task, _ in units]
    size = Counter(tasks)
    return np.array([1 / size[task] / len(size) for task in tasks])


def cells(frame: pd.DataFrame, condition: str, units: list[tuple[str, str]] | None = None) -> Cells:
    """The block of one condition of a checked frame.

    Args:
        units: the (task, language) pairs to take; all of the condition's by default.

    Raises:
        XferError: unknown condition; or missing cells, listed.
    """
    rows = frame[frame["condition"] == condition]
    if rows.empty:
        raise unknown("condition", str(condition), map(str, frame["condition"].unique()))
    wide = rows.pivot(index=["base_seed", "seed"], columns=["task", "language"], values="score").sort_index()
    wide = (
        wide.sort_index(axis=1) if units is None else wide.reindex(columns=pd.MultiIndex.from_tuples(units))
    )
    bases, seeds = (sorted(wide.index.get_level_values(i).unique()) for i in (0, 1))
    # Seeds numbered apart per base are nested, not crossed: each base keeps its own, and they are lined up by
    # rank.
    per_base = [wide.xs(base, level=0) for base in bases]
    if len({len(block) for block in per_base}) == 1 and len(per_base[0]) < len(seeds):
        seeds = tuple(range(len(per_base[0])))
        values = np.stack([block.to_numpy() for block in per_base])
    else:
        values = np.stack([block.reindex(seeds).to_numpy() for block in per_base])
    if np.isnan(values).any():
        where = np.argwhere(np.isnan(values))
        rows = pd.DataFrame(
            [(condition, *wide.columns[u], bases[b], seeds[s]) for b, s, u in where], columns=KEY
        )
        raise XferError(
            f"{len(rows)} cells are missing:\n{quote(rows, KEY)}",
            "Every condition needs every language with every seed: run them, or leave the language, task or "
            "seed out.",
        )
    names = tuple((str(t), str(language)) for t, language in wide.columns)
    sizes = _sizes(frame[frame["condition"] == condition])
    return Cells(str(condition), values, unit_weights(names), names, tuple(bases), tuple(seeds), sizes)


def _sizes(rows: pd.DataFrame) -> dict[tuple[str, str], frozenset[float]]:
    if "n" not in rows:
        return {}
    known = rows.dropna(subset=["n"])
    sizes: dict[tuple[str, str], set[float]] = {}
    for task, language, n in zip(known["task"], known["language"], known["n"], strict=True):
        sizes.setdefault((str(task), str(language)), set()).add(float(n))
    return {unit: frozenset(of) for unit, of in sizes.items()}


def other_rows(blocks: Iterable[Cells]) -> str:
    """In words, units whose scores no two of the blocks can have on the same test examples; nothing where all
    can. Seeds of one block may differ."""
    blocks = list(blocks)
    units = {
        unit: [min(of) for of in sizes]
        for unit in blocks[0].units
        if len(sizes := [of for block in blocks if (of := block.sizes.get(unit))]) > 1
        and not frozenset.intersection(*sizes)
    }
    if not units:
        return ""
    named = [
        f"{task} {language} ({' and '.join(f'{n:,.0f}' for n in sorted(set(of)))})"
        for (task, language), of in units.items()
    ]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return f"scored on different numbers of rows: {', '.join(named[:SHOWN])}{more}"


def pair(frame: pd.DataFrame, condition: str, baseline: str) -> tuple[Cells, Cells]:
    """Blocks of two conditions over the same (task, language) units.

    Raises:
        XferError: cells that one has and the other lacks, listed.
    """
    sets = {}
    for name in (condition, baseline):
        rows = frame[frame["condition"] == name]
        if rows.empty:
            raise unknown("condition", str(name), map(str, frame["condition"].unique()))
        sets[name] = set(zip(rows["task"], rows["language"], strict=True))
    only = [
        (name, *u)
        for name, other in ((condition, baseline), (baseline, condition))
        for u in sorted(sets[name] - sets[other])
    ]
    if only:
        rows = pd.DataFrame(only, columns=["condition", "task", "language"])
        raise XferError(
            f"{len(rows)} cells exist in one condition "
            f"only:\n{quote(rows, ['condition', 'task', 'language'])}",
            "Compare conditions on the same tasks and languages.",
        )
    units = sorted(sets[condition])
    return cells(frame, condition, units), cells(frame, baseline, units)
