"""Where a logged data set came from, as MLflow's UI and API show it: a task's split in one language.

MLflow imports this module at ``import mlflow``; see :mod:`mlflow_xfer.plugin.run_context` for what
that forbids.
"""

from __future__ import annotations

from typing import Any

try:
    from mlflow.data.dataset_source import DatasetSource
except Exception:
    DatasetSource = object

_FIELDS = ("task", "split", "language", "provider", "location", "identity", "params", "paths", "source")


class XferDatasetSource(DatasetSource):  # pyright: ignore[reportGeneralTypeIssues] - a class either way
    """One split of one task in one language; :meth:`load` reads its rows again.

    Args:
        fields: those of ``data.sources.Rows``.
    """

    def __init__(self, **fields: Any):
        self.fields = {name: fields[name] for name in _FIELDS if name in fields}

    @staticmethod
    def _get_source_type() -> str:
        return "xfer"

    def load(self, task: Any = None) -> Any:
        """The rows as a ``datasets.Dataset`` in the canonical columns of the task's kind.

        Args:
            task: the ``Task``, for tasks that are declared in a user's task file.

        Raises:
            XferError: unknown task, files that are gone, or that changed since the run.
        """
        from mlflow_xfer.data import sources

        if task is None:
            from mlflow_xfer.tasks.catalogue import TASKS

            task = TASKS.get(self.fields["task"])
        rows = sources.Rows(**{**self.fields, "paths": tuple(self.fields.get("paths", ()))})
        _check_unchanged(task, rows)
        return sources.read(task, rows)

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return all(
            hasattr(raw_source, name) for name in ("task", "split", "language", "provider", "identity")
        )

    @classmethod
    def _resolve(cls, raw_source: Any) -> XferDatasetSource:
        return cls(**{name: getattr(raw_source, name) for name in _FIELDS if hasattr(raw_source, name)})

    def to_dict(self) -> dict[str, Any]:
        return dict(self.fields)

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> XferDatasetSource:
        return cls(**source_dict)


def _check_unchanged(task: Any, rows: Any) -> None:
    """Raise :class:`XferError` if the files are gone or, where the rows are one whole file,
    hold other bytes than then."""
    from pathlib import Path

    from mlflow_xfer.data import sources
    from mlflow_xfer.durable.digests import file_digest
    from mlflow_xfer.errors import XferError
    from mlflow_xfer.tasks.task import Part

    gone = [path for path in rows.paths if not Path(path).is_file()]
    if gone:
        raise XferError(
            f"{', '.join(gone)} does not exist on this machine.", "It held the rows that the run used."
        )
    if len(rows.paths) != 1:
        return
    part = sources.part_of(task.sources[rows.provider][rows.source], rows.split, rows.language)
    identity = f"sha256:{file_digest(rows.paths[0])}"
    if part and part == Part(part.paths) and identity != rows.identity:
        raise XferError(
            f"{rows.paths[0]} was changed since the run read it.",
            f"The run used {rows.identity}; now it is {identity}.",
        )
