"""The verb that fetches data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow_xfer.data.fetching import fetch as work
from mlflow_xfer.data.fetching.archives import CLOSED, DataSet
from mlflow_xfer.params import lookups
from mlflow_xfer.reporting.columns import aligned

HEAD = ["data set", "size", "sha256", "folder", "licence", "from"]


def fetch(params: lookups.Fetch) -> str:
    wanted, out = work.chosen(params.tasks), Path(params.out)
    before = {one.name: work.state(one, out) for one in wanted}
    if params.dry_run:
        return told(wanted, before, out)
    work.fetch(wanted, out, params.mirror or "")
    names = [one.name for one in wanted]
    return (
        f"{told(wanted, {one.name: work.state(one, out) for one in wanted}, out)}\n"
        f"In {out}: {', '.join(names)}. Use them with: --data {out}"
    )


def told(wanted: Sequence[DataSet], states: Mapping[str, str], out: Path) -> str:
    """A line for each data set, and what to know of them."""
    rows = [
        [one.name, work.size(one), _checksums(one, out), states[one.name], one.terms, one.page]
        for one in wanted
    ]
    remarks = [f"{one.name}: {one.remark}" for one in wanted if one.remark]
    closed = (
        f"Needs a login and is not fetched: {', '.join(CLOSED)} (docs/tasks.md says where their files go)."
    )
    return "\n".join([aligned(HEAD, rows), *remarks, closed])


def _checksums(one: DataSet, out: Path) -> str:
    return ", ".join(dict.fromkeys(work.checksum(archive, out) for archive in one.archives))
