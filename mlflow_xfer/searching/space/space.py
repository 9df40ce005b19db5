"""What a search may try: order-free subsets of a pool of tasks, and settings.

Optuna sees one 0/1 parameter per task (``task.nli``), which is what importances and compare views can read;
for ``combine=sequential`` also a position between 0 and 1 (``order.nli``) for each chosen task; and one
parameter per open range. A parameter that means nothing for a candidate does not exist for it: the empty set
has no intermediate learning rate, one task has no mixing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, permutations, product
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from mlflow_xfer.searching.space import ranges
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.distributions import distribution, drawn, middle
from mlflow_xfer.searching.space.ranges import KINDS, Range

TASK, ORDER = "task.", "order."


@dataclass(frozen=True)
class Space:
    """All candidates of a search.

    Args:
        pool: names of the intermediate tasks, sorted.
        min_tasks, max_tasks: sizes of the subsets with any task in them; the empty set is always a candidate:
            it is the baseline.
        combine: ``joint``, ``sequential`` or ``merge``.
        ranges: settings that vary, or that the space fixes, sorted by name.
        given: what the command fixes and existence depends on: ``mixing``, ``merge_method``.
    """

    pool: tuple[str, ...]
    min_tasks: int = 1
    max_tasks: int | None = None
    combine: str = "joint"
    ranges: tuple[Range, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool", tuple(sorted(self.pool)))
        object.__setattr__(self, "ranges", tuple(sorted(self.ranges, key=lambda r: r.name)))
        object.__setattr__(
            self,
            "max_tasks",
            len(self.pool) if self.max_tasks is None else min(self.max_tasks, len(self.pool)),
        )

    @property
    def most(self) -> int:
        """The size of the largest subset."""
        assert self.max_tasks is not None, "set when the space was made"
        return self.max_tasks

    # -- identity --------------------------------------------------------------------------------------------
    def spec(self) -> dict[str, Any]:
        """Canonical plain values: equal for equal spaces,
        and enough to build the space again (:meth:`from_spec`).
        """
        return {
            "pool": list(self.pool),
            "min_tasks": self.min_tasks,
            "max_tasks": self.max_tasks,
            "combine": self.combine,
            "given": dict(sorted(self.given.items())),
            "ranges": [
                {k: (list(v) if isinstance(v, tuple) else v) for k, v in vars(r).items()} for r in self.ranges
            ],
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Space:
        """The space of :meth:`spec`, also after a round through JSON."""
        ranges = tuple(Range(**r | {"choices": tuple(r["choices"])}) for r in spec["ranges"])
        return cls(
            tuple(spec["pool"]),
            spec["min_tasks"],
            spec["max_tasks"],
            spec["combine"],
            ranges,
            dict(spec["given"]),
        )

    @property
    def ordered(self) -> bool:
        return self.combine == "sequential"

    @cached_property
    def _ranges(self) -> dict[str, Range]:
        return {r.name: r for r in self.ranges}

    # -- what exists -----------------------------------------------------------------------------------------
    def exists(self, name: str, tasks: Sequence[str], kinds: Mapping[str, Any] | None = None) -> bool:
        """Whether the setting ``name`` means anything for these tasks;
        ``kinds``: their ``mixing`` and ``merge_method``, where those vary.
        """
        if name.startswith("target.") or name in ranges.BARE:
            return True
        if not tasks:
            return False
        if not ranges.way(name):
            return True
        if len(tasks) < 2 or self.combine != ranges.way(name):
            return False
        kind = ranges.chosen_by(name)
        chosen = {**self.given, **{k: v for k, v in (kinds or {}).items() if k in KINDS}}
        return ranges.meant(name, chosen.get(kind, ranges.SEVERAL[kind].default))

    def settings(self, tasks: Sequence[str], values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """The settings that exist for these tasks: fixed ones, and open ones from ``values``."""
        full = {
            r.name: r.value if r.fixed else r.tidy(values[r.name])
            for r in self.ranges
            if r.fixed or r.name in values
        }
        return tuple((name, value) for name, value in full.items() if self.exists(name, tasks, full))

    # -- Optuna's parameters ---------------------------------------------------------------------------------
    def distributions(self) -> dict[str, BaseDistribution]:
        """Every parameter that a candidate may have, in a fixed order."""
        return self._distributions

    @cached_property
    def _distributions(self) -> dict[str, BaseDistribution]:
        distributions: dict[str, BaseDistribution] = {
            TASK + name: CategoricalDistribution((0, 1)) for name in self.pool
        }
        if self.ordered and self.most > 1:
            distributions |= {ORDER + name: FloatDistribution(0.0, 1.0) for name in self.pool}
        return distributions | {r.name: distribution(r) for r in self.ranges if not r.fixed}

    def params(self, candidate: Candidate) -> dict[str, Any]:
        """The candidate's parameters, those that exist for it: what Optuna stores."""
        params: dict[str, Any] = {TASK + name: int(name in candidate.tasks) for name in self.pool}
        if self.ordered and len(candidate.tasks) > 1:
            places = {name: i / (len(candidate.tasks) - 1) for i, name in enumerate(candidate.tasks)}
            params |= {ORDER + name: places[name] for name in self.pool if name in places}
        return params | {name: value for name, value in candidate.settings if not self._ranges[name].fixed}

    def filled(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``params`` with neutral values for those that it lacks:
        a point of the whole space, for samplers that need one.
        """
        return {name: params.get(name, value) for name, value in self._neutral.items()}

    def neutral(self, tasks: Sequence[str]) -> Candidate:
        """These tasks with neutral settings: what a search tries before it knows anything."""
        return Candidate(tuple(tasks), self.settings(tasks, self._neutral), self.ordered)

    @cached_property
    def _neutral(self) -> dict[str, Any]:
        return {name: middle(name, scale) for name, scale in self._distributions.items()}

    def candidate(self, params: Mapping[str, Any], rng: np.random.Generator | None = None) -> Candidate:
        """The candidate of these parameters; those that do not exist for it are ignored.

        A subset outside the size limits loses or gains tasks at random (by ``rng``); without ``rng`` it is an
        error.
        """
        tasks = [name for name in self.pool if params.get(TASK + name)]
        tasks = self._sized(tasks, params, rng)
        if self.ordered:
            tasks.sort(key=lambda name: (params.get(ORDER + name, 0.0), name))
        return Candidate(tuple(tasks), self.settings(tasks, params), self.ordered)

    def _sized(
        self, tasks: list[str], params: Mapping[str, Any], rng: np.random.Generator | None
    ) -> list[str]:
        if not tasks or self.min_tasks <= len(tasks) <= self.most:
            return tasks
        if rng is None:
            raise ValueError(
                f"{len(tasks)} tasks in {dict(params)}; allowed: {self.min_tasks} to {self.max_tasks}"
            )
        others = [name for name in self.pool if name not in tasks]
        lost = rng.permutation(len(tasks))[: max(len(tasks) - self.most, 0)]
        gained = rng.permutation(len(others))[: max(self.min_tasks - len(tasks), 0)]
        return sorted([name for i, name in enumerate(tasks) if i not in lost] + [others[i] for i in gained])

    # -- all of it -------------------------------------------------------------------------------------------
    def sizes(self) -> list[int]:
        return [0, *range(self.min_tasks, self.most + 1)]

    def subsets(self) -> Iterator[tuple[str, ...]]:
        """Every subset (every sequence, if order matters), small ones first."""
        for size in self.sizes():
            yield from (permutations if self.ordered else combinations)(self.pool, size)

    def _weight(self, size: int) -> int:
        return math.perm(len(self.pool), size) if self.ordered else math.comb(len(self.pool), size)

    def _variants(self, size: int) -> list[tuple[tuple[str, Any], ...]] | None:
        """All settings of a subset of this size; None where a range is continuous."""
        example, variants = self.pool[:size], {}
        alive = [r for r in self.ranges if self._reachable(r.name, example)]
        if any(r.values() is None for r in alive):
            return None
        for values in product(*(r.values() or (None,) for r in alive)):
            variants[self.settings(example, {r.name: v for r, v in zip(alive, values, strict=True)})] = None
        return list(variants)

    def _reachable(self, name: str, tasks: Sequence[str]) -> bool:
        open_kinds = {kind: self._ranges[kind].values() or () for kind in KINDS if kind in self._ranges}
        return any(
            self.exists(name, tasks, dict(zip(open_kinds, values, strict=True)))
            for values in product(*open_kinds.values())
        )

    def count(self) -> int | None:
        """How many candidates there are; None if a setting is continuous."""
        return self._count

    @cached_property
    def _count(self) -> int | None:
        variants = {size: self._variants(size) for size in self.sizes()}
        counted = {size: len(v) for size, v in variants.items() if v is not None}
        if len(counted) < len(variants):
            return None
        return sum(self._weight(size) * n for size, n in counted.items())

    def candidates(self) -> Iterator[Candidate]:
        """Every candidate of a countable space, small subsets first."""
        for tasks in self.subsets():
            for settings in self._variants(len(tasks)) or ():
                yield Candidate(tasks, settings, self.ordered)

    def gridded(self, levels: int = 3) -> Space:
        """The space with ``levels`` values in place of each continuum, evenly spaced on its scale."""
        return replace(self, ranges=tuple(r.gridded(levels) for r in self.ranges))

    def draw(self, rng: np.random.Generator) -> Candidate:
        """A candidate at random: all subsets alike, settings uniform on their scales."""
        sizes = self.sizes()
        weights = np.array([self._weight(size) for size in sizes], float)
        size = sizes[rng.choice(len(sizes), p=weights / weights.sum())]
        tasks = [self.pool[i] for i in rng.permutation(len(self.pool))[:size]]
        return Candidate(
            tuple(tasks), self.settings(tasks, {r.name: drawn(r, rng) for r in self.ranges}), self.ordered
        )


def canonical(spec: Mapping[str, Any]) -> str:
    """Canonical JSON, the form in which identities are stored."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
