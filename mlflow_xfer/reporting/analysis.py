"""Everything a report says, as numbers: one pass over a tidy frame of scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.registry import unknown
from mlflow_xfer.reporting import same_task
from mlflow_xfer.reporting.by_task import Finding, findings
from mlflow_xfer.reporting.stuck import Stuck, learned_nothing, stuck, unlearned
from mlflow_xfer.reporting.verdict import Contrast, verdicts
from mlflow_xfer.stats import dispersion, spread, typology
from mlflow_xfer.stats.blocks import Cells, cells, pair
from mlflow_xfer.stats.components import components
from mlflow_xfer.stats.estimate import THESE, Estimate
from mlflow_xfer.stats.frame import KEY, check, correlated, quote
from mlflow_xfer.stats.interaction import difference_block
from mlflow_xfer.stats.means import infer
from mlflow_xfer.tracking.results import BASE_SEEN

DETAILED = 3  # conditions for which typology and variance are worked out
BASELINES = ("none", "baseline")  # what a condition without intermediate task is called


@dataclass(frozen=True)
class Analysis:
    """What :func:`analyse` found. ``baseline`` is ``None`` where there is one condition only;
    ``against``: with which condition each other one is compared; ``findings``: the comparisons task by task;
    ``bases``: of each condition the block that it is compared with, over the tasks of both; ``own``: the
    targets that a condition was trained on before, which stand in no average and no comparison;
    ``adjusted``: of each condition in ``slopes`` the differences (or scores) by language that its slopes are
    of; ``gaps``: why a part is missing."""

    frame: pd.DataFrame
    question: str
    baseline: str | None
    margin: float
    population: str
    blocks: Mapping[str, Cells]
    means: Mapping[str, Estimate]
    contrasts: Sequence[Contrast]
    by_language: pd.DataFrame  # language x condition: mean over tasks of the seed means
    by_task: pd.DataFrame  # task x condition
    against: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, Cells] = field(default_factory=dict)
    own: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=same_task.COLUMNS))
    findings: Sequence[Finding] = ()
    slopes: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    adjusted: Mapping[str, pd.Series] = field(default_factory=dict)
    measure: str = typology.PRIMARY
    components: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    spreads: pd.DataFrame = field(default_factory=pd.DataFrame)
    ratios: pd.DataFrame = field(default_factory=pd.DataFrame)
    imported: pd.DataFrame = field(default_factory=pd.DataFrame)
    gaps: Sequence[str] = ()

    @property
    def base_seen(self) -> dict[str, str]:
        """By task, what of its kind the base's makers trained on."""
        if BASE_SEEN not in self.frame:
            return {}
        told = self.frame.loc[same_task.marked(self.frame[BASE_SEEN]), ["task", BASE_SEEN]]
        return dict(told.drop_duplicates("task").itertuples(index=False, name=None))

    @property
    def stuck(self) -> Stuck:
        """By condition and task, the seeds that are no better than the most frequent answer; others are."""
        return stuck(self.frame, self.margin)

    @property
    def learned_nothing(self) -> dict[str, tuple[str, ...]]:
        """By task that some condition learned, those that did with none of their seeds."""
        return learned_nothing(self.frame, self.margin)

    @property
    def unlearned(self) -> tuple[str, ...]:
        """The tasks on which no condition is better than the most frequent answer."""
        return unlearned(self.frame, self.margin)

    @property
    def several_baselines(self) -> bool:
        """Whether differences are to more than one condition."""
        return len({one.baseline for one in self.contrasts}) > 1

    @property
    def ranked(self) -> list[str]:
        """Conditions other than the baseline, best first."""
        others = [name for name in self.means if name != self.baseline]
        found = {one.condition: one.estimate for one in self.contrasts} if len(self.own) else {}
        return sorted(others, key=lambda name: -found.get(name, self.means[name].estimate))

    def differences(self, which: str) -> pd.DataFrame:
        """``by_language`` or ``by_task``, each condition minus the one it is compared with."""
        frame: pd.DataFrame = getattr(self, which)
        axis = 1 if which == "by_language" else 0
        bases = _table(self.bases, axis)
        beside = {
            name: self.blocks[name].select(np.array([unit in base.units for unit in self.blocks[name].units]))
            for name, base in self.bases.items()
        }
        both = _table(beside, axis)
        gaps = {
            name: both[name] - bases[name] if name in bases else math.nan * frame[name] for name in self.means
        }
        return pd.DataFrame(gaps, index=frame.index)


def analyse(
    frame: pd.DataFrame,
    *,
    question: str = "",
    baseline: str | None = None,
    against: Mapping[str, str] = {},  # noqa: B006 (read only)
    registered: Sequence[str] = (),
    margin: float = 1.0,
    population: str = THESE,
    measure: str = typology.PRIMARY,
    missing: str = "refuse",
    imported: pd.DataFrame | None = None,
    detailed: bool = True,
) -> Analysis:
    """Analyse a tidy frame of scores (see :mod:`mlflow_xfer.stats.frame`).

    Args:
        baseline: the condition others are compared with; default ``none`` or ``baseline`` (no
            intermediate task) if it is there.
        against: conditions that are compared with another one than the baseline.
        registered: conditions whose comparison was fixed before the first run.
        margin: the smallest difference that matters, in points.
        population: ``these languages`` or ``languages like these``.
        measure: the primary distance for typology.
        missing: ``refuse`` cells that one condition lacks, or keep the ``common`` tasks and languages only.
        imported: rows of earlier papers: shown, not tested.
        detailed: work out typology, variance and spread too.

    Raises:
        XferError: faults of the table, with the rows; unknown languages, conditions or measures;
            a margin that is not positive.
    """
    if not margin > 0:
        raise XferError(
            f"margin={margin} is not positive.",
            "Give the smallest difference that would matter, e.g. 1.0 point.",
        )
    languages.MEASURES.get(measure)
    # str, not names of the frame's dtype: categories with unused levels would reappear as empty groups.
    checked = check(
        frame.assign(**{c: frame[c].astype(str) for c in ("condition", "task", "language") if c in frame})
    )
    languages.resolve(checked["language"].unique())
    gaps: list[str] = []
    if missing == "common":
        checked, left_out = _common(checked)
        gaps += left_out
    names = list(dict.fromkeys(checked["condition"]))
    baseline = _baseline(names, baseline)
    for name in (*registered, *against, *against.values()):
        if name not in names:
            raise unknown("condition", name, names)
    groups = {str(name): rows for name, rows in checked.groupby("condition", sort=False)}
    _complete(groups, baseline)
    compared = {name: against.get(name, baseline) for name in names if name != baseline} if baseline else {}
    counted, apart = same_task.apart(checked)
    own = same_task.table(apart, checked, compared)
    gaps += [same_task.said(*one) for one in own[same_task.COLUMNS[:3]].itertuples(index=False)]
    groups = {str(name): rows for name, rows in counted.groupby("condition", sort=False)}
    blocks = {name: cells(groups[name], name, units_of(groups[name])) for name in names if name in groups}
    means = {name: infer(block, population) for name, block in blocks.items()}
    beside = {name: _beside(groups, name, base) for name, base in compared.items()}
    pairs = [pair(both, name, compared[name]) for name, both in beside.items() if len(both)]
    options: dict[str, Any] = {"registered": registered, "margin": margin, "population": population}
    found = verdicts(*zip(*pairs, strict=True), **options) if pairs else []
    found = sorted(found, key=lambda one: -one.estimate)
    analysis = Analysis(
        checked,
        question,
        baseline,
        margin,
        population,
        blocks,
        means,
        found,
        _table(blocks, 1),
        _table(blocks, 0),
        against=compared,
        bases={first.condition: second for first, second in pairs},
        own=own,
        findings=findings(pairs, margin),
        measure=measure,
        imported=imported if imported is not None else pd.DataFrame(),
        gaps=tuple(gaps),
    )
    return _deeper(analysis, groups) if detailed else analysis


def _baseline(names: list[str], asked: str | None) -> str | None:
    if asked is not None and asked not in names:
        raise unknown("baseline", asked, names)
    if asked is not None or len(names) == 1:
        return asked if len(names) > 1 else None
    for name in BASELINES:
        if name in names:
            return name
    raise XferError(
        "There is no condition 'none' to compare with.",
        f"Say which one is the baseline: {', '.join(names[:12])}",
    )


def _common(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The (task, language) pairs that every condition has, and what was left out."""
    units = frame.groupby(["task", "language"])["condition"].nunique()
    full = set(units[units == frame["condition"].nunique()].index)
    if not full:
        raise XferError("No task and language is in every condition.", "Compare conditions that share some.")
    keep = pd.MultiIndex.from_frame(frame[["task", "language"]]).isin(full)
    lost = len(units) - len(full)
    return frame[keep], [
        f"{lost} of {len(units)} task-language pairs are not in every condition and were left out"
    ] if lost else []


def _complete(groups: Mapping[str, pd.DataFrame], baseline: str | None) -> None:
    """Refuse conditions whose tasks and languages differ, naming the cells."""
    every = {name: set(zip(g["task"], g["language"], strict=True)) for name, g in groups.items()}
    union = set().union(*every.values())
    lacking = [(name, *unit) for name, own in every.items() for unit in sorted(union - own)]
    if lacking:
        rows = pd.DataFrame(lacking, columns=["condition", "task", "language"])
        raise XferError(
            f"{len(rows)} cells are missing in some conditions:\n"
            f"{quote(rows, ['condition', 'task', 'language'])}",
            "Run them, or compare what all have: missing=common",
        )


def units_of(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """The (task, language) pairs of a frame."""
    return sorted(set(zip(frame["task"], frame["language"], strict=True)))


def _beside(groups: Mapping[str, pd.DataFrame], name: str, base: str) -> pd.DataFrame:
    """The rows of two conditions on what both have; none if there is nothing."""
    both = pd.concat([groups.get(one, pd.DataFrame(columns=KEY)) for one in (name, base)])
    units = pd.MultiIndex.from_frame(both[["task", "language"]])
    common = set.intersection(*(set(units[both["condition"] == one]) for one in (name, base)))
    return both[units.isin(common)]


def _table(blocks: Mapping[str, Cells], axis: int) -> pd.DataFrame:
    """Mean over seeds per language (``axis`` 1: mean over its tasks) or per task (``axis`` 0: over its
    languages), one column a condition."""
    columns = {}
    for name, block in blocks.items():
        groups = [unit[axis] for unit in block.units]
        columns[name] = pd.Series(block.values.mean((0, 1))).groupby(groups, sort=True).mean()
    return pd.DataFrame(columns)


def _deeper(analysis: Analysis, groups: Mapping[str, pd.DataFrame]) -> Analysis:
    """Typology, variance and spread for the baseline and the best conditions; a part
    that cannot be had says why."""
    gaps = list(analysis.gaps)
    chosen = [*analysis.ranked[:DETAILED], *([analysis.baseline] if analysis.baseline else [])] or list(
        analysis.blocks
    )[:1]

    def attempt(what: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except XferError as error:
            gaps.append(f"{what}: {error.what.splitlines()[0]}")
            return None

    slopes, adjusted = {}, {}
    for name in analysis.ranked[:DETAILED] if analysis.baseline else chosen:
        found = attempt(f"Typology of {name}", lambda name=name: _typology(analysis, groups, name))
        if found is not None:
            slopes[name], adjusted[name] = found
    parts = {
        name: attempt(f"Variance of {name}", lambda name=name: components(groups[name], name))
        for name in chosen
    }
    spreads = {
        name: attempt(f"Spread of {name}", lambda name=name: spread.describe(groups[name], name))
        for name in chosen
    }
    unfit = analysis.frame.loc[correlated(analysis.frame), "task"].unique()
    gaps += [f"{task}: {dispersion.NO_ODDS}" for task in unfit]
    ratios = []
    baseline = analysis.baseline or ""
    for name in analysis.ranked[:DETAILED] if baseline else []:
        found = attempt(
            f"Spread of {name} against the baseline",
            lambda name=name: dispersion.spread_ratio(_beside(groups, name, baseline), name, baseline)[0],
        )
        if found is not None:
            ratios.append(
                {
                    "condition": name,
                    "ratio": found.estimate,
                    "low": found.low,
                    "high": found.high,
                    "p": found.p,
                    "notes": "; ".join(found.notes),
                }
            )
    tables = [t.assign(condition=name) for name, t in spreads.items() if t is not None]
    return Analysis(
        **{
            **analysis.__dict__,
            "slopes": slopes,
            "adjusted": adjusted,
            "components": {name: t for name, t in parts.items() if t is not None},
            "spreads": pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(),
            "ratios": pd.DataFrame(ratios),
            "gaps": tuple(dict.fromkeys(gaps)),
        }
    )


def _typology(
    analysis: Analysis, groups: Mapping[str, pd.DataFrame], name: str
) -> tuple[pd.DataFrame, pd.Series]:
    """Slopes of a condition's difference to the one it is compared with, and the values by language that they
    are of: adjusted for which tasks cover which languages."""
    base = analysis.against.get(name)
    rows = _beside(groups, name, base) if base else groups[name]
    curve = typology.specification_curve(rows, name, base, primary=analysis.measure)
    block = difference_block(rows, name, base, ("en",))
    values, _ = block.by_language()
    return curve, pd.Series(values.mean((0, 1)), index=list(block.languages)).sort_index()


def distance_points(analysis: Analysis, condition: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Languages (without English) with a known primary distance: codes, distances, and the differences (or
    scores without a baseline) that the slope of a condition in ``slopes`` is of."""
    gap = analysis.adjusted[condition]
    known = {code: languages.distance(code, "en", analysis.measure) for code in gap.index}
    codes = [code for code, value in known.items() if value is not None]
    return codes, np.array([known[code] for code in codes], float), gap[codes].to_numpy(float)


def seeds_of(frame: pd.DataFrame, name: str) -> str:
    """The seeds (and base seeds) of a condition, as text."""
    rows = frame[frame["condition"] == name][KEY].drop_duplicates(["base_seed", "seed"])
    seeds, bases = (", ".join(map(str, sorted(rows[c].unique(), key=str))) for c in ("seed", "base_seed"))
    return f"seeds {seeds}; base seeds {bases}"
