"""mlflow-xfer: which intermediate tasks make a multilingual model transfer best to languages without labels.

The verbs of the command line are functions of the same names; they are imported on first use, so that
``import mlflow_xfer`` costs neither torch nor mlflow.
"""

from __future__ import annotations

from importlib import import_module

from mlflow_xfer.version import __version__  # noqa: F401 (public)

VERBS = (
    "pretrain",
    "intermediate",
    "target",
    "evaluate",
    "transfer",
    "search",
    "worker",
    "report",
    "rank",
    "results",
    "plan",
    "score",
    "predict",
    "submission",
    "lineage",
    "sync",
    "doctor",
)


def __getattr__(name: str):
    if name in VERBS:
        return getattr(import_module(f"{__name__}.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *VERBS]
