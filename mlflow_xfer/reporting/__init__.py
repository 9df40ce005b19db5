"""Tables, figures and the report."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Report": "document",
    "report": "document",
    "make_report": "document",
    "analyse": "analysing",
    "export": "exports",
    "read_scores": "imported",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Public names on first use: importing this package costs neither pandas nor scipy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
