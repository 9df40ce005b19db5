"""One condition's scores as an array over base checkpoints, seeds and (task, language) units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.registry import unknown
from mlflow_xfer.stats.frame import KEY, SHOWN, quote


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
