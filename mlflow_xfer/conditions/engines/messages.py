"""What driver and worker processes say to each other: one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from mlflow_xfer.conditions.engines.engine import (
    Event,
    Failed,
    Finished,
    Handle,
    Held,
    Order,
    Progress,
    most_threads,
)
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.make import Done, Spent
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.transport import from_json, to_json


def order(phase: Phase, asked: Order, cores: int, code: str = "") -> str:
    """The line that has a worker run ``phase`` on so many cores (0: its share), if the hash of its code is
    ``code`` there too ("": whatever it is). It computes with a thread a core, but never with more than
    OMP_NUM_THREADS says here: sums round differently with another number, and so the number of workers
    changes no weight where that is 1."""
    how = {
        "parent": asked.parent,
        "reuse": asked.reuse,
        "suite": asked.suite,
        "runtime": asked.runtime.model_dump(),
        "done": dict(asked.done),
        "wait": asked.wait,
        "dead": list(asked.dead),
        "place": asked.place,
        "left": asked.left,
        "keep": asked.keep,
    }
    handle = {"spec_hash": phase.spec_hash, "label": phase.label}
    about = {"handle": handle, "phase": to_json(phase), "order": how, "code": code}
    return json.dumps({"say": "run", **about, "threads": min(cores, most_threads())})


def ordered(said: dict[str, Any]) -> tuple[Phase, Order, int]:
    """What :func:`order` says.

    Raises:
        XferError: the phase is another one here.
    """
    how = said["order"] | {"runtime": RuntimeOptions(**said["order"]["runtime"])}
    return from_json(said["phase"]), Order(**how), said["threads"]


def event(one: Event) -> str:
    """The line that tells of an event."""
    about: dict[str, Any] = {"say": type(one).__name__, "handle": asdict(one.handle)}
    if isinstance(one, Progress):
        return json.dumps(about | {"step": one.step, "metrics": dict(one.metrics)})
    if isinstance(one, Held):
        return json.dumps(about)
    about["spent"] = [asdict(spent) for spent in one.spent]
    if isinstance(one, Finished):
        return json.dumps(about | {"done": asdict(one.done)})
    return json.dumps(about | {"error": _told(one.error)})


def _told(error: Exception) -> dict[str, Any]:
    if isinstance(error, XferError):
        return {"what": error.what, "hint": error.hint, "exit_code": error.exit_code}
    return {"what": f"{type(error).__name__}: {error}", "hint": "", "exit_code": 1}


def read_event(said: dict[str, Any]) -> Event:
    """What :func:`event` says."""
    handle = Handle(**said["handle"])
    if said["say"] == "Progress":
        return Progress(handle, said["step"], said["metrics"])
    if said["say"] == "Held":
        return Held(handle)
    spent = tuple(Spent(**one) for one in said["spent"])
    if said["say"] == "Finished":
        return Finished(handle, Done(**said["done"]), spent)
    return Failed(handle, XferError(**said["error"]), spent)
