"""An order of candidate tasks by proxies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow_xfer import notebooks
from mlflow_xfer.stats import ranking as judged

Scores = Mapping[str, Mapping[str, float]]  # target -> candidate -> score, higher is better

ALL = "all targets"


@dataclass(frozen=True)
class Ranking:
    """Scores of every candidate by every method, and the orders that follow.

    Attributes:
        scores: method -> target -> candidate -> score. A method that says nothing about a target lacks it.
        seconds: method -> time it took, with what it was the first to read.
        checkpoints: whether the scores read trained checkpoints of the candidates, or the base alone.
        notes: what a reader must know.
    """

    scores: Mapping[str, Scores]
    seconds: Mapping[str, float] = field(default_factory=dict)
    checkpoints: bool = False
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<Ranking by {', '.join(self.scores)} for {', '.join(self.targets)}: {', '.join(self.order())}>"
            if self.scores
            else "<Ranking without scores>"
        )

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(target for of in self.scores.values() for target in of))

    def ranks(self, target: str | None = None) -> dict[str, float]:
        """Mean rank of each candidate over the methods (1 = best), for a target or over all of them."""
        if target is not None:
            return judged.mean_ranks([of[target] for of in self.scores.values() if target in of])
        per_target = [self.ranks(one) for one in self.targets]
        means = {name: sum(ranks[name] for ranks in per_target) / len(per_target) for name in per_target[0]}
        # the same ranks in another order have another sum by rounding
        return {name: round(mean, 9) for name, mean in means.items()}

    def order(self, target: str | None = None) -> tuple[str, ...]:
        """Candidates from the most promising down; of equals the first by name."""
        ranks = self.ranks(target)
        return tuple(sorted(ranks, key=lambda name: (ranks[name], name)))

    def by_method(self) -> dict[str, Scores]:
        """The scores, the fusion of all methods as ``fused``, and for each of them :data:`ALL`:
        minus the mean rank over targets.
        """
        fused = {
            target: {name: -rank for name, rank in self.ranks(target).items()} for target in self.targets
        }
        alone = {method: Ranking({method: of}) for method, of in self.scores.items()}
        by_method = {
            method: {**of, ALL: {name: -rank for name, rank in alone[method].ranks().items()}}
            for method, of in self.scores.items()
        }
        return {**by_method, "fused": {**fused, ALL: {name: -rank for name, rank in self.ranks().items()}}}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        by_target = {
            target: {"order": list(self.order(target)), "ranks": self.ranks(target)}
            for target in self.targets
        }
        return {
            "order": list(self.order()),
            "ranks": self.ranks(),
            "targets": by_target,
            "scores": {
                method: {target: dict(of_tasks) for target, of_tasks in of.items()}
                for method, of in self.scores.items()
            },
            "seconds": dict(self.seconds),
            "checkpoints": self.checkpoints,
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        tables = (self._rows(target) for target in self.targets)
        return "".join(notebooks.table(head, rows) for head, *rows in tables)

    def text(self) -> str:
        """For each target, and for all together, a table with the best candidate first."""
        blocks = [_aligned(self._rows(target)) for target in self.targets]
        if len(blocks) > 1:
            ranks = self.ranks()
            rows = [["all targets", *self.targets, "mean rank"]]
            rows += [
                [name, *(f"{self.ranks(target)[name]:.1f}" for target in self.targets), f"{ranks[name]:.2f}"]
                for name in self.order()
            ]
            blocks.append(_aligned(rows))
        took = ", ".join(f"{method} {seconds:.1f} s" for method, seconds in self.seconds.items())
        return "\n\n".join([*blocks, "\n".join([*self.notes, f"took: {took}"])])

    def _rows(self, target: str) -> list[list[str]]:
        """What each method says of each candidate, the best first, under a head."""
        methods = [method for method, of in self.scores.items() if target in of]
        ranks = self.ranks(target)
        rows = [[target, *methods, "mean rank"]]
        rows += [
            [name, *(f"{self.scores[method][target][name]:.4g}" for method in methods), f"{ranks[name]:.2f}"]
            for name in self.order(target)
        ]
        return rows


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
