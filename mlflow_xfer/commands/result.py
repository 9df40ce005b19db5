"""What the verbs return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_xfer import notebooks

if TYPE_CHECKING:
    from mlflow_xfer.reporting.document import Report


@dataclass(frozen=True, repr=False)
class Result:
    """What a verb brought about.

    Attributes:
        run_id: the run that holds the result (an earlier one, if nothing had to be run).
        metrics: its metrics.
        made: runs that this call trained or evaluated.
        reused: runs that it took.
        link: where to see it.
    """

    run_id: str
    metrics: Mapping[str, float]
    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    link: str = ""

    def __repr__(self) -> str:
        return (
            f"<Result run {self.run_id or 'none'}: {len(self.metrics)} metrics, {len(self.made)} runs made, "
            f"{len(self.reused)} reused>"
        )

    def _repr_html_(self) -> str:
        rows = [(name, f"{value:.4g}") for name, value in self.metrics.items()]
        done = f"{len(self.made)} runs made, {len(self.reused)} reused"
        return notebooks.table(("metric", "value"), rows, (f"run {self.run_id}: {done}", self.link))


@dataclass(frozen=True, repr=False)
class Reported:
    """A report, the run that holds it, and where to see it."""

    run_id: str
    report: Report
    link: str = ""

    def __repr__(self) -> str:
        return f"<Reported run {self.run_id}: {self.link or 'no link'}>"

    def _repr_html_(self) -> str:
        return notebooks.page(self.report.html, self.link)
