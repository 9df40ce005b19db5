"""Versions of the libraries that shape a result: tags on every run, and part of "what differed"."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from mlflow_xfer.version import __version__

PREFIX = "xfer.version."
_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "accelerate",
    "safetensors",
    "numpy",
    "mlflow",
)


@cache
def tags() -> dict[str, str]:
    """``xfer.version.<package>`` of what is installed; reads metadata, imports nothing."""
    recorded = {PREFIX + "mlflow_xfer": __version__, PREFIX + "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            recorded[PREFIX + package] = version(package)
        except PackageNotFoundError:
            continue
    return recorded
