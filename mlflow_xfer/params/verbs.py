"""The verbs, once: the Python API, the command line, MLproject, documentation and tags of runs follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_xfer.params import chain, questions
from mlflow_xfer.params.declare import Shape
from mlflow_xfer.params.reading import command, read


@dataclass(frozen=True)
class Verb:
    """One command, which is also a function of the same name.

    Args:
        shape: its parameters; their docstring says what the verb does.
        function: dotted name of what carries it out, looked up when it is called: it takes a ``shape``.
        entry_point: its name in MLproject; empty: it has none.
        headline: the parameters that MLproject declares, at most eight: MLflow logs every declared default
            into every run. Help shows them first.
        examples: two command lines without ``mlflow-xfer``.
    """

    shape: type[Shape]
    function: str
    entry_point: str = ""
    headline: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return command(self.shape)

    @property
    def about(self) -> str:
        """What it does, on one line."""
        return " ".join((self.shape.__doc__ or "").split())


_VERBS = (
    Verb(chain.Pretrain, "mlflow_xfer.api.pretrain", "pretrain", ("model", "text", "seed")),
    Verb(
        chain.Intermediate, "mlflow_xfer.api.intermediate", "intermediate",
        ("model", "data", "intermediate", "seed"),
    ),
    Verb(chain.Target, "mlflow_xfer.api.target", "target", ("model", "data", "target", "seed")),
    Verb(chain.Evaluate, "mlflow_xfer.api.evaluate", "evaluate", ("model", "data", "target")),
    Verb(chain.Transfer, "mlflow_xfer.api.transfer", "main", ("model", "data", "intermediate", "target")),
    Verb(
        questions.Search, "mlflow_xfer.api.search", "search",
        ("model", "data", "pool", "target", "objective", "n_trials", "sampler", "study_name"),
    ),
    Verb(questions.Worker, "mlflow_xfer.api.worker", "", ("study_name", "storage", "workers")),
    Verb(questions.Report, "mlflow_xfer.api.report", "report", ("runs", "question")),
    Verb(
        questions.Rank, "mlflow_xfer.api.rank", "",
        ("model", "data", "pool", "target", "method", "checkpoints"),
    ),
)  # fmt: skip

VERBS: dict[str, Verb] = {verb.name: verb for verb in _VERBS}


def parse(verb: str, raw: Mapping[str, Any]) -> Shape:
    """The parameters of ``verb`` from what a user typed, see :func:`mlflow_xfer.params.reading.read`."""
    return read(VERBS[verb].shape, raw)
