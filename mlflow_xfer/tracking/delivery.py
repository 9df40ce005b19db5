"""Sends spooled records to the tracking store. Every operation may be repeated without effect.

Metrics carry the time at which they were queued, and MLflow keeps one point per (run, key, time,
step, value); parameters are only sent where they are missing; tags, artifacts, inputs and the final
status overwrite themselves. So a record whose delivery was interrupted is simply sent again.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable import room
from mlflow_xfer.tracking.artifacts import check_arrived
from mlflow_xfer.tracking.creating import sent_once
from mlflow_xfer.tracking.outages import answered, is_transient, said
from mlflow_xfer.tracking.points import Points
from mlflow_xfer.tracking.spool import Entry, Spool
from mlflow_xfer.tracking.uris import local_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

# when the run was last opened (ms): the late "finish" of an earlier opening must not close it
OPENED_TAG = "xfer.opened_at"
_BATCH_METRICS = 1000  # MLflow's limit per request
_STUBBORN = 5  # times a store that answers may fail on one record before the record is set aside


class Delivery:
    """Delivers one spool's records in order.

    Args:
        client: an ``MlflowClient`` of the spool's tracking store.
        spool: what to deliver from.
        adopted: that its process is dead.
    """

    def __init__(self, client: MlflowClient, spool: Spool, adopted: bool = False):
        self.client, self.spool, self.adopted = client, spool, adopted
        self._stopped = False
        self._failures = (0, 0)  # (log position, how often its record failed)
        self._places: dict[str, str] = {}  # run -> where its artifacts lie

    def step(self, limit: int = 500) -> int:
        """Deliver up to ``limit`` records, none after :meth:`stop`; returns how many left the queue.

        Raises:
            Exception: the transient error that stopped it; what was delivered before is noted.
        """
        done = 0
        for group in _groups(list(self.spool.pending(limit))):
            if self._stopped:
                break
            try:
                self._send(group)
            except Exception as error:
                if room.is_full(error) or is_transient(error) and not answered(error):
                    raise
                done += self._one_by_one(group)
            else:
                self._note(group)
                done += len(group)
        return done

    def stop(self) -> None:
        """Send nothing more than the request that is under way."""
        self._stopped = True

    def _one_by_one(self, group: Sequence[Entry]) -> int:
        for entry in group:
            try:
                self._send([entry])
            except Exception as error:
                self._failed(entry, error)
            else:
                self._note([entry])
        return len(group)

    def _note(self, group: Sequence[Entry]) -> None:
        self.spool.delivered(group[-1].end)
        for entry in group:
            if "kept" in entry.record:
                self.spool.drop(str(entry.record["kept"]))

    def _failed(self, entry: Entry, error: Exception) -> None:
        """Set a record aside that the store refuses; re-raise if the store may take it later."""
        if room.is_full(error):
            raise error
        if is_transient(error):
            position, count = self._failures
            count = count + 1 if position == entry.end else 1
            self._failures = (entry.end, count)
            if count < _STUBBORN or not answered(error):
                raise error
        log.warning(
            "The tracking store refused %s for run %s: %s",
            entry.record.get("op"),
            entry.record.get("run"),
            said(error),
        )
        self.spool.reject(entry.record, said(error))
        self.spool.delivered(entry.end)

    def _send(self, group: Sequence[Entry]) -> None:
        first = group[0].record
        _OPERATIONS[str(first["op"])](self, [entry.record for entry in group])

    def _metrics(self, records: Sequence[Mapping]) -> None:
        from mlflow.entities import Metric

        run, there = records[0]["run"], Points()
        if self.adopted:  # another process may have gone on in the run
            keys = {key for r in records for key, *_ in r["metrics"]}
            there = Points.every(self.client, run, keys)
        points = [
            Metric(key, value, r["ts"], step, r.get("model"), *r.get("datasets", {}).get(key, (None, None)))
            for r in records
            for key, value, step in r["metrics"]
            if not there.has(key, value, step)
        ]
        for start in range(0, len(points), _BATCH_METRICS):
            self.client.log_batch(run, metrics=points[start : start + _BATCH_METRICS])

    def _params(self, records: Sequence[Mapping]) -> None:
        from mlflow.entities import Param

        run = records[0]["run"]
        present = self.client.get_run(run).data.params
        wanted = {k: v for r in reversed(records) for k, v in r["params"].items() if k not in present}
        if wanted:
            self.client.log_batch(run, params=[Param(k, v) for k, v in wanted.items()])

    def _tags(self, records: Sequence[Mapping]) -> None:
        from mlflow.entities import RunTag

        tags = {k: v for r in records for k, v in r["tags"].items()}
        self.client.log_batch(records[0]["run"], tags=[RunTag(k, v) for k, v in tags.items()])

    def _artifact(self, records: Sequence[Mapping]) -> None:
        (record,) = records
        source, folder = self.spool.path / record["kept"], record["to"] or None
        if source.is_dir():
            self.client.log_artifacts(record["run"], str(source), folder)
        elif source.exists():  # gone: delivered before, its offset not yet noted
            self.client.log_artifact(record["run"], str(source), folder)
        self._check_arrived(record["run"], source, folder or "")
        if record.get("table"):
            self._show_table(record["run"], posixpath.join(record["to"] or "", source.name))

    def _check_arrived(self, run: str, source: Path, folder: str) -> None:
        """Raise where another machine's artifacts lack what was sent to them."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if run not in self._places:
            self._places[run] = str(self.client.get_run(run).info.artifact_uri)
        if local_folder(self._places[run]) is not None:
            return
        root, files = (source, source.rglob("*")) if source.is_dir() else (source.parent, [source])
        sent = {
            posixpath.join(folder, one.relative_to(root).as_posix()): one.stat().st_size
            for one in files
            if one.is_file()
        }
        check_arrived(get_artifact_repository(self._places[run], tracking_uri=self.client.tracking_uri), sent)

    def _show_table(self, run: str, path: str) -> None:
        """List ``path`` among the tables that MLflow's UI can show side by side."""
        import json

        from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

        listed = json.loads(self.client.get_run(run).data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        if {"path": path, "type": "table"} not in listed:
            listed.append({"path": path, "type": "table"})
            self.client.set_tag(run, MLFLOW_LOGGED_ARTIFACTS, json.dumps(listed))

    def _input(self, records: Sequence[Mapping]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput

        datasets = [
            DatasetInput(Dataset(**r["dataset"]), tags=[InputTag(k, v) for k, v in r["tags"].items()])
            for r in records
            if "dataset" in r
        ]
        run, wanted = records[0]["run"], dict.fromkeys(r["model"] for r in records if "model" in r)
        if wanted:  # the store refuses a model that it has already
            there = self.client.get_run(run).inputs
            present = {one.model_id for one in there.model_inputs} if there else set()
            wanted = [model for model in wanted if model not in present]
        if datasets or wanted:
            with sent_once():
                self.client.log_inputs(
                    run, datasets=datasets, models=[*map(LoggedModelInput, wanted)] or None
                )

    def _finish(self, records: Sequence[Mapping]) -> None:
        (record,) = records
        if record.get("opened"):
            opened = self.client.get_run(record["run"]).data.tags.get(OPENED_TAG)
            if opened != record["opened"]:  # opened again since, by whoever will finish it
                return
        self.client.set_terminated(record["run"], status=record["status"], end_time=record["ts"])

    def _nothing(self, records: Sequence[Mapping]) -> None:
        pass


_OPERATIONS: dict[str, Callable[[Delivery, Sequence[Mapping]], None]] = {
    "metrics": Delivery._metrics,
    "params": Delivery._params,
    "tags": Delivery._tags,
    "artifact": Delivery._artifact,
    "input": Delivery._input,
    "finish": Delivery._finish,
    "unreadable": Delivery._nothing,
}
_MERGED = {"metrics", "params", "tags", "input"}


def _groups(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Neighbouring records of one run and one mergeable operation, to be sent in one request.

    Metrics of a run join across its tags and parameters between them only if adjacent: order is kept.
    """
    groups: list[list[Entry]] = []
    for entry in entries:
        record, last = entry.record, groups[-1][-1].record if groups else {}
        same = (
            record.get("op") in _MERGED
            and record["op"] == last.get("op")
            and record.get("run") == last.get("run")
        )
        if same and len(groups[-1]) < 100:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups
