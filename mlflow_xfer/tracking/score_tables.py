"""The table of scores by language that an evaluation, or a transfer of several, holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflow_xfer.tracking import artifacts, names

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.session import Session

TABLE = "results/per_language.json"


def score_table(store: Session, run: RunView) -> list[dict[str, Any]] | None:
    """The rows of the table of ``run``; None if there is none.

    Raises:
        XferError: it is cut short, no table, or the table of another run: a mixed-up artifact store would
            give that run's scores under this one's name.
    """
    rows = artifacts.read_table(store, run.artifact_uri, TABLE)
    others = [row for row in rows or () if row.get("run_id") not in (None, "", run.run_id, *run.inputs)]
    # A run that was copied from another store has new ids, but keeps its metrics: then it is its own table.
    if any(not _is_metric(run, row) for row in others):
        raise artifacts.damaged(
            run.artifact_uri,
            TABLE,
            f"it holds the scores of run {others[0]['run_id']}, not of {run.run_id}",
        )
    return rows


def _is_metric(run: RunView, row: Mapping[str, Any]) -> bool:
    """Whether the run's own metrics have the score of ``row``."""
    logged = [
        run.metrics.get(names.key(f"{context}/{row.get('task')}/{row.get('language')}"))
        for context in ("eval", "dev")
    ]
    score = row.get("score")
    return isinstance(score, int | float) and any(
        value is not None and math.isclose(value, score, abs_tol=1e-9) for value in logged
    )
