"""What a report knows, as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.reporting import same_task
from mlflow_xfer.reporting.by_task import Finding
from mlflow_xfer.reporting.stuck import Stuck, learned_nothing, stuck, unlearned
from mlflow_xfer.reporting.verdict import Contrast
from mlflow_xfer.stats import typology
from mlflow_xfer.stats.blocks import Cells
from mlflow_xfer.stats.estimate import Estimate
from mlflow_xfer.stats.frame import KEY
from mlflow_xfer.tracking.results import BASE_SEEN

DETAILED = 3  # conditions for which typology and variance are worked out


@dataclass(frozen=True)
class Analysis:
    """What :func:`mlflow_xfer.reporting.analysing.analyse` found.

    ``baseline`` is ``None`` where there is one condition only; ``against``: with which condition each other
    one is compared; ``findings``: the comparisons task by task; ``bases``: of each condition the block that
    it is compared with, over the tasks of both; ``own``: the targets that a condition was trained on before,
    which stand in no average and no comparison; ``adjusted``: of each condition in ``slopes`` the differences
    (or scores) by language that its slopes are of; ``gaps``: why a part is missing.
    """

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
        bases = table(self.bases, axis)
        beside = {
            name: self.blocks[name].select(np.array([unit in base.units for unit in self.blocks[name].units]))
            for name, base in self.bases.items()
        }
        both = table(beside, axis)
        gaps = {
            name: both[name] - bases[name] if name in bases else math.nan * frame[name] for name in self.means
        }
        return pd.DataFrame(gaps, index=frame.index)


def table(blocks: Mapping[str, Cells], axis: int) -> pd.DataFrame:
    """Mean over seeds per language (``axis`` 1: mean over its tasks) or per task (``axis`` 0: over its
    languages), one column a condition."""
    columns = {}
    for name, block in blocks.items():
        groups = [unit[axis] for unit in block.units]
        columns[name] = pd.Series(block.values.mean((0, 1))).groupby(groups, sort=True).mean()
    return pd.DataFrame(columns)


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
