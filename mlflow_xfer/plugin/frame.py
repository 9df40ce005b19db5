"""The data frame of an evaluation: which task and language each row belongs to, and what is right there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlflow_xfer.errors import XferError, few
from mlflow_xfer.languages import code_of


def frame_of(dataset: Any, config: Mapping) -> Any:
    """The features with columns ``task``, ``language`` and ``reference``; raises
    XferError for what is missing."""
    import pandas as pd

    frame = dataset.features_data
    if not isinstance(frame, pd.DataFrame):
        raise XferError(
            "The evaluator 'xtreme' needs a pandas DataFrame.", "Columns: task, lang, the targets, …"
        )
    if not dataset.has_targets:
        raise XferError(
            "There are no targets.", "mlflow.models.evaluate(…, targets=<column of gold answers>)."
        )
    if not len(frame):
        raise XferError("The data have no rows.", "A row is an example: its targets, task, lang, …")
    frame = frame.reset_index(drop=True).copy()
    for what, names in (("task", ("task",)), ("language", ("lang", "language"))):
        column = config.get(f"{what}_column") or next((name for name in names if name in frame.columns), None)
        if config.get(what):
            frame[what] = config[what]
        elif column is None or column not in frame.columns:
            raise XferError(
                f"There is no column {column or names[0]!r}: beside targets and predictions the data have "
                f"{few(frame.columns) or 'no column'}.",
                f"Add one, or pass evaluator_config={{'{what}': …}} or {{'{what}_column': …}}.",
            )
        elif column != what:
            frame = frame.rename(columns={column: what})
        if frame[what].isna().any():
            raise XferError(f"Row {frame[what].isna().idxmax()} has no {what}.")
    for name in map(str, frame["language"].unique()):
        code = code_of(name.strip())
        if code not in (None, name):
            raise XferError(f"The language {name!r} is called {code!r} here.", f"Write {code!r} in its rows.")
    frame["reference"] = column_of(dataset.labels_data)
    return frame


def column_of(values: Sequence) -> Any:
    """A column of Python values; pandas' missing values are None."""
    import pandas as pd

    plain = [
        None if value is None or value is pd.NA or value != value else value for value in map(_plain, values)
    ]
    return pd.Series(plain, dtype=object)


def _plain(value: Any) -> Any:
    """A cell without numpy types."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return value


def task_of(name: str, config: Mapping, frame: Any) -> Any:
    """The entry of the task file or the catalogue; a bare one where a metric was given
    for a task that is in neither."""
    from mlflow_xfer.kinds import kind
    from mlflow_xfer.registry import unknown
    from mlflow_xfer.tasks.catalogue import TASKS
    from mlflow_xfer.tasks.task import Task
    from mlflow_xfer.tasks.task_file import load_task_file

    own = {task.name: task for task in load_task_file(config["task_file"])} if config.get("task_file") else {}
    metric = config.get("metric")
    declared = own.get(name) or (TASKS.get(name) if name in TASKS else None)
    if declared is None and not metric:
        raise unknown("task", name, [*own, *TASKS.names()], TASKS.see)
    if not metric:
        return declared
    likely = (declared.kind,) if declared else _kinds_like(frame)
    named = kind.of_metric(metric, *likely)
    if declared:
        return replace(declared, metric=metric, kind=named)
    return Task(name, named, metric, (), {}, options=_options(named, config, frame))


def _options(kind_: str, config: Mapping, frame: Any) -> dict[str, Any]:
    """Options of a task that is declared nowhere: those of the configuration, or what its references say."""
    from mlflow_xfer.kinds import kind

    given = {name: config[name] for name in kind.KINDS.get(kind_).options if name in config}
    return given or dict(kind.scoring(kind_).options_of(list(frame.get("reference", ()))))


def _kinds_like(frame: Any) -> list[str]:
    """The kinds whose columns of text the frame has."""
    from mlflow_xfer.kinds import kind

    return [
        name
        for name in kind.KINDS.names()
        if {*kind.data(name).texts} - {*kind.scoring(name).may_lack} <= {*frame.columns}
    ]
