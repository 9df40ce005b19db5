"""What the verbs return."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_xfer import notebooks
from mlflow_xfer.params.chain import Printed

if TYPE_CHECKING:
    from mlflow_xfer.reporting.columns import Summary
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
        summary: what the command shows of it.
    """

    run_id: str
    metrics: Mapping[str, float]
    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    link: str = ""
    summary: Summary | None = None

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "run_id": self.run_id,
            "link": _address(self.link),
            **(self.summary.as_dict() if self.summary else {}),
            "metrics": dict(self.metrics),
            "made": list(self.made),
            "reused": list(self.reused),
        }

    def __repr__(self) -> str:
        return (
            f"<Result run {self.run_id or 'none'}: {len(self.metrics)} metrics, {len(self.made)} runs made, "
            f"{len(self.reused)} reused>"
        )

    def _repr_html_(self) -> str:
        done = f"run {self.run_id}: {len(self.made)} runs made, {len(self.reused)} reused"
        if self.summary is None:
            rows = [(name, f"{value:.4g}") for name, value in self.metrics.items()]
            return notebooks.table(("metric", "value"), rows, (done, self.link))
        return _page(self.summary, done, self.link)


@dataclass(frozen=True, repr=False)
class Reported:
    """A report, the run that holds it, and where to see it."""

    run_id: str
    report: Report
    link: str = ""
    summary: Summary | None = None

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        shown = self.summary.as_dict() if self.summary else {}
        return {"run_id": self.run_id, "link": _address(self.link), **shown, "verdict": self.report.verdict}

    def __repr__(self) -> str:
        return f"<Reported run {self.run_id}: {self.link or 'no link'}>"

    def _repr_html_(self) -> str:
        return notebooks.page(self.report.html, self.link)


@dataclass(frozen=True, repr=False)
class Published:
    """A published checkpoint.

    Attributes:
        run_id: the training that made it.
        out: its folder; empty if none was asked for.
        registered: its version, ``models:/<name>/<version>``; empty if none was asked for.
        link: where to see the training.
        summary: what the command shows of it.
    """

    run_id: str
    out: str = ""
    registered: str = ""
    link: str = ""
    summary: Summary | None = None

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        shown = self.summary.as_dict() if self.summary else {}
        where = {"out": self.out, "registered": self.registered}
        return {"run_id": self.run_id, "link": _address(self.link), **where, **shown}

    def __repr__(self) -> str:
        return f"<Published run {self.run_id}: {self.out or self.registered}>"

    def _repr_html_(self) -> str:
        assert self.summary is not None, "the command makes it"
        return _page(self.summary, self.link)


def _page(summary: Summary, *under: str) -> str:
    """What a notebook shows: the summary, and these lines under its remarks."""
    tables = [notebooks.table(one.head, one.cells(), title=one.title) for one in summary.tables]
    return notebooks.lines([summary.heading]) + "".join(tables) + notebooks.lines((*summary.remarks, *under))


def printed(params: Printed, found: Result | Reported | Published) -> str | None:
    """What a command says at its end: tables and where to see more, or JSON."""
    if params.output == "json":
        return json.dumps(found.as_dict(), indent=2, ensure_ascii=False)
    parts = [found.summary.text() if found.summary else "", found.link]
    return "\n\n".join(filter(None, parts)) or None


def _address(link: str) -> str:
    """The address in what :meth:`mlflow_xfer.tracking.session.Session.link` says."""
    return link.splitlines()[-1] if link else ""
