"""What is logged into runs: queued in order, delivered by the writer, never waiting for the store."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from mlflow_xfer.durable.patience import server_patience
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.tracking import inputs, names
from mlflow_xfer.tracking.points import Points
from mlflow_xfer.tracking.writer import Writer

log = logging.getLogger(__name__)


class Recorder:
    """Logs into runs by their ids, through one writer."""

    def __init__(self, writer: Writer):
        self.writer = writer
        self._keys: dict[str, names.Keys] = {}
        self._left: int | None = None
        self._points: dict[str, Points] = {}  # of runs that were opened again
        self._logged: dict[str, int | None] = {}  # run -> where the last record of it ends, None: in memory

    def flush(self, patience: float = 10.0) -> bool:
        """Wait until all that was logged has reached the store; False if it is only spooled so far."""
        return self.writer.flush(patience=patience)

    def settle(self, run_id: str = "") -> None:
        """Wait until all that was logged (of the run ``run_id``, where it is given) has reached the store, as
        long as for any answer of it: before what was logged here is read.

        Raises:
            XferError: the store stayed away; what was logged is kept (exit code 75).
        """
        position = self._logged.get(run_id, 0) if run_id else None
        if position is not None and self.writer.spool.offset >= position:
            return
        if not self.writer.flush(position, server_patience()):
            raise undelivered("what was logged")

    def metrics(
        self,
        run_id: str,
        values: Mapping[str, Any],
        step: int = 0,
        *,
        model: str = "",
        datasets: Mapping[str, tuple[str, str]] = {},  # noqa: B006 (read only)
    ) -> None:
        """Log metrics at ``step``. Values that are no numbers are skipped with a warning, and points that the
        run had when it was opened again, without.

        Args:
            model: the logged model that they are of, besides the run.
            datasets: by metric, the name and digest of the data set that it was measured on.
        """
        keys, there = self._keys.setdefault(run_id, names.Keys()), self._points.get(run_id)
        points, of_model = [], {"model": model, "datasets": {}} if model else {}
        for name, value in values.items():
            try:
                point = (keys(name), float(value), int(step))
            except (TypeError, ValueError):
                log.warning("Metric %s of run %s is no number: %r", name, run_id, value)
                continue
            if there is not None and there.has(*point):
                continue
            points.append(point)
            if model and name in datasets:
                of_model["datasets"][keys(name)] = datasets[name]
        if points:
            self._put("metrics", run_id, metrics=points, **of_model)

    def next_step(self, run_id: str, name: str, step: int) -> int:
        """``step``, or the first one after those that the metric had when the run was opened again."""
        there = self._points.get(run_id)
        return there.next_step(names.Keys()(name), step) if there else step

    def params(self, run_id: str, values: Mapping[str, object]) -> None:
        """Log those parameters that the run does not have yet."""
        if values:
            self._put("params", run_id, params={names.key(k): names.param(v) for k, v in values.items()})

    def tags(self, run_id: str, values: Mapping[str, object]) -> None:
        """Set tags; later values win."""
        if values:
            self._put("tags", run_id, tags={names.key(k): names.tag(v) for k, v in values.items()})

    def artifact(self, run_id: str, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Log a file or folder into the run's folder ``artifact_path``.
        It is copied: the source may vanish.
        """
        kept = self.writer.spool.keep(Path(local_path).absolute())
        self._put("artifact", run_id, kept=kept, to=artifact_path or "")

    def text_artifact(self, run_id: str, text: str, path: str, *, table: bool = False) -> None:
        """Log ``text`` as the file ``path`` (replacing it); ``table``: list it among the UI's tables."""
        target = PurePosixPath(path)
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / target.name
            source.write_text(text, encoding="utf-8")
            kept = self.writer.spool.keep(source)
        to = "" if target.parent == PurePosixPath(".") else str(target.parent)
        self._put("artifact", run_id, kept=kept, to=to, table=table)

    def dict_artifact(self, run_id: str, value: object, path: str) -> None:
        """Log ``value`` as JSON, secrets redacted."""
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
        self.text_artifact(run_id, names.redact(text) + "\n", path)

    def table(self, run_id: str, frame: Any, path: str) -> None:
        """Log a table (DataFrame, columns or list of rows) as MLflow's UI shows it;
        replaces an earlier one.
        """
        import pandas as pd

        frame = frame if isinstance(frame, pd.DataFrame) else pd.DataFrame(frame)
        text = frame.to_json(orient="split", index=False, date_format="iso", double_precision=15)
        self.text_artifact(run_id, text, path, table=True)

    def input(self, run_id: str, rows: Any, context: str, digest: str = "", *, n: int | None = None) -> None:
        """Log the data set ``rows`` (a ``data.sources.Rows`` or alike) as an input of the run.

        Args:
            context: ``train``, ``dev``, ``test``; shown in the UI.
            digest: of the data; default: from ``rows.identity``.
            n: number of examples.
        """
        dataset, tags = inputs.describe(rows, context, digest, n)
        self._put("input", run_id, dataset=dataset, tags=tags)

    def model_input(self, run_id: str, model: str) -> None:
        """Log a logged model as an input of the run."""
        self._put("input", run_id, model=model)

    def close(self, patience: float = 10.0, limit: float | None = None) -> int:
        """Deliver what is queued; returns how many records were not delivered (they stay spooled).

        Args:
            patience: seconds to wait for a store that is away.
            limit: seconds to wait in all.
        """
        if self._left is None:
            self._left = self.writer.close(patience, limit)
            if self._left:
                log.warning(
                    "%d tracking records are not delivered yet. Send them with: mlflow-xfer sync", self._left
                )
        return self._left

    def _put(self, op: str, run_id: str, **fields: object) -> int | None:
        position = self.writer.put({"op": op, "run": run_id, "ts": now(), **fields})
        self._logged[run_id] = position
        return position


_clock, _told = threading.Lock(), 0


def now() -> int:
    """ms since 1970, as MLflow counts time; later than what it said before where the clock was set back: of
    several points of one step MLflow takes the latest for the value of a metric."""
    global _told
    with _clock:
        wall = time.time_ns() // 1_000_000
        _told = wall if wall >= _told else _told + 1
        return _told


def undelivered(what: str) -> XferError:
    """The error for records that the store has not taken (exit code 75): they are kept."""
    return XferError(
        f"The tracking store is away: {what} is not delivered.",
        "It is kept. Repeat the command when the store is back, or send it with: mlflow-xfer sync",
        exit_code=TRY_AGAIN,
    )
