"""A look at a tracking store without MLflow, whose import takes most of the time that a plan takes.

Runs and checkpoints of a store in a SQLite file are read as they lie there. MLflow is imported for any other
store, and for what else is asked.
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlflow_xfer.tracking import endpoint, opening, uris
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.session import Session
from mlflow_xfer.tracking.store import DEFAULT_EXPERIMENT, Store

DEFAULT = "sqlite:///mlflow.db"  # MLflow's, in a folder without the files of its earlier versions
SPEC = "xfer.spec_hash"
READY = 2  # the status of a model, as MLflow's tables number them
RUNS = (
    "SELECT run_uuid, experiment_id, runs.name, status, start_time, end_time, runs.lifecycle_stage, "
    "artifact_uri FROM runs JOIN experiments USING (experiment_id) WHERE "
)
ACTIVE = "runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'"
TAGGED = "run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)"
WITH = "run_uuid IN (SELECT run_uuid FROM tags WHERE key = ?)"
MODELS = (
    "SELECT model_id, status, artifact_location FROM logged_models "
    "WHERE source_run_id = ? AND name = ? AND lifecycle_stage = 'active' ORDER BY creation_timestamp_ms DESC"
)
MODEL_TAGS = "SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = ?"
TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"
PARAMS = "SELECT key, value FROM params WHERE run_uuid = ?"
METRICS = "SELECT key, value FROM latest_metrics WHERE run_uuid = ?"
NAN = "SELECT key FROM latest_metrics WHERE run_uuid = ? AND is_nan"
OUTPUTS = (
    "SELECT destination_id FROM inputs "
    "WHERE source_id = ? AND source_type = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT'"
)


@dataclass(frozen=True)
class ModelView:
    """Of a logged model what is asked of MLflow's."""

    model_id: str
    status: str
    artifact_location: str
    tags: Mapping[str, str]


class Glance(Store):
    """A store to plan with: runs are looked up in its database, and none are there if there is no database
    yet. MLflow is imported, and a database made, only for what else is asked."""

    def __init__(self, uri: str, database: sqlite3.Connection | None):
        self.uri, self._database = uri, database
        self._seen = {}
        if database is not None:
            weakref.finalize(self, database.close)

    @cached_property
    def _connection(self) -> tuple[Any, str, str]:
        return opening.connect(None, DEFAULT_EXPERIMENT, probe=False, make=False)

    @property
    def client(self) -> Any:
        return self._connection[0]

    @property
    def experiment_id(self) -> str:
        return self._connection[2]

    def search(
        self,
        tags: Mapping[str, str],
        *,
        status: str | None = None,
        everywhere: bool = True,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[RunView]:
        if SPEC in tags and tags[SPEC] not in self._specs:
            return []
        where, values = [ACTIVE, *(TAGGED for _ in tags)], [part for tag in tags.items() for part in tag]
        if status:
            where, values = [*where, "status = ?"], [*values, status]
        if not everywhere:
            where, values = [*where, "experiment_id = ?"], [*values, self.experiment_id]
        order = f"ORDER BY start_time {'DESC' if newest_first else 'ASC'}, run_uuid LIMIT ?"
        return self._runs(f"{' AND '.join(where)} {order}", [*values, limit or -1])

    def finished(self, key: str) -> list[RunView]:
        """All finished runs that have a tag of this name, oldest first."""
        return self._runs(f"{ACTIVE} AND {WITH} AND status = 'FINISHED' ORDER BY start_time, run_uuid", [key])

    @cached_property
    def _specs(self) -> set[str]:
        """All that any run was made from: most phases that are planned are not among them."""
        return {spec for (spec,) in self._rows("SELECT value FROM tags WHERE key = ?", SPEC)}

    def get(self, run_id: str) -> RunView:
        found = self._runs("run_uuid = ?", [run_id])
        return found[0] if found else super().get(run_id)

    def models(self, run_id: str, name: str) -> list[Any]:
        def tags(model_id: str) -> dict[str, str]:
            return dict(self._rows(MODEL_TAGS, model_id))

        return [
            ModelView(model_id, "READY" if status == READY else "PENDING", location, tags(model_id))
            for model_id, status, location in self._rows(MODELS, run_id, name)
        ]

    def _runs(self, condition: str, values: Sequence[object]) -> list[RunView]:
        return [self._run(*row) for row in self._rows(RUNS + condition, *values)]

    def _run(
        self, run_id: str, experiment_id: int, name: str | None, status: str, start: int | None,
        end: int | None, stage: str, artifact_uri: str,
    ) -> RunView:  # fmt: skip
        tags, nan = dict(self._rows(TAGS, run_id)), self._rows(NAN, run_id)
        return RunView(
            run_id=run_id,
            experiment_id=str(experiment_id),
            name=name or tags.get("mlflow.runName", ""),
            status=status,
            start_time=start or 0,
            end_time=end,
            deleted=stage == "deleted",
            artifact_uri=artifact_uri,
            tags=tags,
            params=dict(self._rows(PARAMS, run_id)),
            metrics=dict(self._rows(METRICS, run_id)) | {key: math.nan for (key,) in nan},
            models=tuple(model for (model,) in self._rows(OUTPUTS, run_id)),
        )

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the database; none where there is no file yet."""
        return self._database.execute(query, values).fetchall() if self._database else []

    def settle(self, run_id: str = "") -> None:
        """Nothing was logged here."""

    def close(self, patience: float = 0.0) -> int:
        """Nothing is to be delivered, and runs may be looked up still: what a plan shows is written later."""
        return 0


def open_to_plan() -> Store:
    """The store that MLflow's settings name, to look runs up; raises as :meth:`Store.open`."""
    path = None if "mlflow" in sys.modules else _file()
    if path and path.parent.is_dir():
        with suppress(sqlite3.Error):  # MLflow says what is wrong with it
            return Glance(uris.sqlite_uri(path.absolute()), _database(path))
    path = uris.sqlite_path(uri := endpoint.tracking_uri())
    if path and path.parent.is_dir() and not path.exists():
        return Glance(uri, None)
    return Store.open(probe=False, make=False)


def beside(store: Session) -> Glance | None:
    """A look at the SQLite file of an open store, all of whose records were delivered; None for other stores
    and files that only MLflow knows to read."""
    path = None if "MLFLOW_ENABLE_WORKSPACES" in os.environ else uris.sqlite_path(store.uri)
    if path and path.exists():
        with suppress(sqlite3.Error):
            return Glance(store.uri, _database(path))
    return None


def _file() -> Path | None:
    """The SQLite file that MLflow would open; None if that is not plain to see."""
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if not named and _file_store() or "MLFLOW_ENABLE_WORKSPACES" in os.environ:
        return None
    return uris.sqlite_path(named or DEFAULT)


def _file_store() -> bool:
    """Whether there are experiments of MLflow's file store here, which MLflow goes on with: not only a folder
    of artifacts, which lies beside every database."""
    return any(one.name.isdigit() and os.path.lexists(one / "meta.yaml") for one in Path("mlruns").glob("*"))


def _database(path: Path) -> sqlite3.Connection | None:
    """A connection that reads the file; None: it is not there yet.

    Raises:
        sqlite3.Error: it is no database, or its tables are not those that are read here.
    """
    if not path.exists():
        return None
    database = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        for query in (
            f"{RUNS}{ACTIVE} AND {TAGGED}",
            f"{RUNS}{ACTIVE} AND {WITH}",
            TAGS,
            PARAMS,
            METRICS,
            NAN,
            MODELS,
            MODEL_TAGS,
            OUTPUTS,
        ):
            database.execute(f"EXPLAIN {query}", [""] * query.count("?"))
    except sqlite3.Error:
        database.close()
        raise
    return database
