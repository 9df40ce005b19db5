"""``mlflow.models.evaluate(…, model_type="xtreme", evaluators="xtreme")``: the
benchmarks' metrics by language.

The data are one long frame with a column ``task`` (a name of the catalogue), a column ``lang``, the gold
answers in ``targets`` (as in the task's own column: label, list of tags, answers, choice, ids of right
candidates), and either a column of predictions or what the model needs as input. A retrieval frame holds
queries (``source``) and candidates (``target``, ``context``); candidates for all languages have the
language ``pool``. MLflow loads this module on the first evaluation only; nothing heavy is imported
before a checkpoint has to predict.

``evaluator_config`` (all optional): ``task`` and ``language`` name a single task or language instead of the
columns; ``task_column``, ``language_column``; ``task_file`` declares tasks outside the catalogue, ``metric``
does without; ``suite`` to log a suite's totals; ``seed`` of the bootstrap; ``predict``: ``checkpoint`` (the
model's files predict as in a phase, one stream over all languages), ``pyfunc`` (the model's own ``predict``)
or ``auto`` (checkpoint where it can); ``options`` for the former (``max_seq_length``: as the model was
trained, else the task's recipe). ``checkpoint`` with ``model=None`` names a run, a model or a directory that
MLflow has no flavour for (questions, choices, retrieval, a backbone).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow.models.evaluation.base import EvaluationResult, ModelEvaluator

from mlflow_xfer.errors import XferError
from mlflow_xfer.plugin.frame import column_of, frame_of, task_of

MODEL_TYPES = ("xtreme",)
CONFIG = (
    "task",
    "language",
    "task_column",
    "language_column",
    "metric",
    "suite",
    "seed",
    "predict",
    "options",
    "checkpoint",
    "task_file",
)
TABLE = "results/per_language.json"
_log = logging.getLogger(__name__)


class XtremeEvaluator(ModelEvaluator):
    """Scores a model, a function or a column of predictions; logs to the run that
    MLflow opened, and returns it."""

    @classmethod
    def can_evaluate(cls, *, model_type: str, evaluator_config: Mapping | None = None, **kwargs: Any) -> bool:
        """Only when asked for by name: MLflow offers every evaluation to every evaluator."""
        return model_type in MODEL_TYPES

    def evaluate(
        self,
        *,
        model_type: str,
        dataset: Any,
        run_id: str,
        evaluator_config: Mapping | None = None,
        model: Any = None,
        extra_metrics: Sequence | None = None,
        predictions: str | None = None,
        **kwargs: Any,
    ) -> EvaluationResult:
        """Metrics ``eval/<task>/<lang>`` (0-100) and averages; intervals and components in
        ``results/per_language.json``."""
        config = dict(evaluator_config or {})
        for name in config:
            if name not in CONFIG:
                from mlflow_xfer.registry import unknown

                raise unknown("evaluator_config entry", name, CONFIG)
        if extra_metrics:
            _log.warning("The evaluator 'xtreme' computes its own metrics; extra_metrics are left out.")
        frame = frame_of(dataset, config)
        if _reads_files(model, config):
            from mlflow_xfer.plugin.checkpoint_predictions import predict_frame

            rows = predict_frame(model, frame, config)
        else:
            given = (
                _answers(model.predict(dataset.features_data), len(frame), predictions)
                if model
                else dataset.predictions_data
            )
            frame["prediction"] = column_of(given)
            rows = _score(frame, config)
        if not rows:
            raise XferError(
                "There is nothing to score: all rows are candidates (lang 'pool').",
                "Queries have their own language in lang, and ids of right candidates as targets.",
            )
        metrics = {f"eval/{row['task']}/{row['language']}": row["score"] for row in rows}
        metrics.update(_totals(rows, config))
        return _logged(run_id, metrics, rows)


def _score(frame: Any, config: Mapping) -> list[dict]:
    """One row per task and language, in the order of the frame, from its columns
    ``prediction`` and ``reference``."""
    from mlflow_xfer.kinds import kind
    from mlflow_xfer.scoring.evaluation import row

    rows, tasks = [], {name: task_of(name, config, frame) for name in frame["task"].unique()}
    for (name, language), part in frame.groupby(["task", "language"], sort=False):
        task = tasks[name]
        given = kind.scoring(task.kind).given(task, str(language), part)
        if given is not None:
            rows.append(row(task, str(language), given, seed=config.get("seed", 0)))
    return rows


def _totals(rows: Sequence[Mapping], config: Mapping) -> dict[str, float]:
    """``selected/avg``, and a suite's complete figures."""
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        scores.setdefault(row["task"], {})[row["language"]] = row["score"]
    means = [sum(have.values()) / len(have) for have in scores.values()]
    metrics = {"selected/avg": sum(means) / len(means)}
    if config.get("suite"):
        from mlflow_xfer.scoring.suite import totals
        from mlflow_xfer.tasks.catalogue import SUITES, TASKS

        suite = SUITES.get(config["suite"])
        sums = totals(suite, scores, {name: TASKS.get(name).trained for name in suite.tasks if name in TASKS})
        figures = {"avg": sums.avg, "avg_trained": sums.avg_trained, "gap": sums.gap, "std": sums.std}
        figures = {**sums.groups, **sums.tasks, **figures}
        metrics |= {f"{suite.name}/{name}": value for name, value in figures.items() if value is not None}
    return metrics


def _reads_files(model: Any, config: Mapping) -> bool:
    """Whether the files of a checkpoint are to predict, rather than a column or the model's own
    ``predict``."""
    how = config.get("predict", "auto")
    if how not in ("auto", "checkpoint", "pyfunc"):
        raise XferError(f"predict={how!r} is not known.", "Accepted: auto, checkpoint, pyfunc.")
    if config.get("checkpoint"):
        if model is not None:
            raise XferError(
                "There are a model and a checkpoint.",
                "Pass model=None beside evaluator_config={'checkpoint': …}.",
            )
        return True
    transformers = "transformers" in getattr(getattr(model, "metadata", None), "flavors", {})
    if how == "checkpoint" and not transformers:
        raise XferError("The model has no transformers flavour.", "Pass predict='pyfunc'.")
    return model is not None and how != "pyfunc" and transformers


def _answers(output: Any, n: int, column: str | None) -> list:
    """The list of predictions in whatever a pyfunc model returned."""
    import pandas as pd

    if isinstance(output, pd.DataFrame):
        names = (
            [column]
            if column
            else [name for name in ("prediction", "predictions", "label") if name in output.columns]
        )
        if not names and len(output.columns) == 1:
            names = list(output.columns)
        if not names or names[0] not in output.columns:
            raise XferError(
                f"The model returned the columns {', '.join(map(str, output.columns))}.",
                "Name the one with the predictions: mlflow.models.evaluate(…, predictions=<column>).",
            )
        output = output[names[0]]
    output = list(output)
    if len(output) != n:
        raise XferError(f"The model returned {len(output)} predictions for {n} rows.")
    return output


def _logged(run_id: str, metrics: Mapping[str, float], rows: Sequence[Mapping]) -> EvaluationResult:
    """Log to the run and build MLflow's result; MLflow itself logs neither."""
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.models.evaluation.artifacts import JsonEvaluationArtifact
    from mlflow.utils.time import get_current_time_millis

    from mlflow_xfer.tracking import names

    client, keys = MlflowClient(), names.Keys()
    legal = {keys(name): float(value) for name, value in metrics.items()}
    now = get_current_time_millis()
    client.log_batch(run_id, metrics=[Metric(key, value, now, 0) for key, value in legal.items()])
    client.log_table(run_id, pd.DataFrame(list(rows)), TABLE)
    uri = f"runs:/{run_id}/{TABLE}"
    table = JsonEvaluationArtifact(uri=uri, content=list(rows))
    return EvaluationResult(metrics=legal, artifacts={"per_language": table}, run_id=run_id)
