"""Which points of its metrics a run has, so that none is logged a second time: by a command that goes on in
it, or from the records of a dead process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

Values = dict[int, float]  # by step


class Points:
    """Points of a run, by metric.

    Args:
        known: by metric, values by step.
        in_order: that earlier steps than those known are there as well.
    """

    def __init__(self, known: Mapping[str, Values] = {}, *, in_order: bool = False):  # noqa: B006 (read only)
        self.known, self.in_order = dict(known), in_order

    @classmethod
    def last(cls, client: MlflowClient, run_id: str) -> Points:
        """By the last point of each metric: one process logs in the order of steps."""
        metrics = client.get_run(run_id).data.to_proto().metrics
        return cls({one.key: {one.step: one.value} for one in metrics}, in_order=True)

    @classmethod
    def every(cls, client: MlflowClient, run_id: str, keys: Iterable[str]) -> Points:
        """All points of the metrics ``keys``."""
        return cls(
            {key: {one.step: one.value for one in client.get_metric_history(run_id, key)} for key in keys}
        )

    def has(self, key: str, value: float, step: int) -> bool:
        """Whether there is a point of this step. Another value at step 0 is new: of what is no curve the last
        value stands."""
        values = self.known.get(key, {})
        if step not in values:
            return self.in_order and bool(values) and step < max(values)
        return step > 0 or _same(value, values[step])

    def next_step(self, key: str, step: int) -> int:
        """``step``, or the first one after what is there."""
        return max(step, *(known + 1 for known in self.known.get(key, {})), 0)


def _same(one: float, other: float) -> bool:
    return one == other or math.isnan(one) and math.isnan(other)
