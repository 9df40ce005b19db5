"""Tags that MLflow adds to every run made while one of our verbs is running.

MLflow imports this module at ``import mlflow``, in every program of the environment, and lets most
exceptions through: only the standard library and MLflow itself are imported here, and nothing raises.
"""

from __future__ import annotations

import os

try:
    from mlflow.tracking.context.abstract_context import RunContextProvider
except Exception:  # an MLflow that moved it: the class below then simply is no provider, and nobody is hurt
    RunContextProvider = object

VERB_VARIABLE = "XFER_VERB"  # set by the running verb for itself and the processes that it starts


class XferRunContext(RunContextProvider):  # pyright: ignore[reportGeneralTypeIssues] - a class either way
    """``xfer.verb``, ``xfer.schema`` and the library versions, while ``$XFER_VERB`` names a verb."""

    def in_context(self) -> bool:
        return bool(os.environ.get(VERB_VARIABLE))

    def tags(self) -> dict[str, str]:
        try:
            from mlflow_xfer.tracking import runs, versions

            return {
                "xfer.verb": os.environ.get(VERB_VARIABLE, ""),
                "xfer.schema": runs.SCHEMA,
                **versions.tags(),
            }
        except Exception:  # tags are never worth a failed run
            return {}
