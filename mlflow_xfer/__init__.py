"""mlflow-xfer: which intermediate tasks make a multilingual model transfer best to languages without labels.

The verbs of the command line are functions of the same names; they are imported on first use, so that
``import mlflow_xfer`` costs neither torch nor mlflow. ``tasks``, ``languages`` and ``studies`` are
modules here; the functions of these names are in :mod:`mlflow_xfer.api`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.machinery import PathFinder

from mlflow_xfer.version import __version__  # noqa: F401 (public)


def __getattr__(name: str):
    if not name.startswith("_") and PathFinder.find_spec(f"{__name__}.{name}", __path__) is None:
        api = import_module(f"{__name__}.api")
        if name in api.FUNCTIONS or name in api.REMOVED:
            return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *import_module(f"{__name__}.api").FUNCTIONS]
