"""Finding a finished phase that can be used again, or saying what differs in the closest one."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflow_xfer.tracking import artifacts, checkpoints, runs, versions
from mlflow_xfer.tracking.names import text
from mlflow_xfer.tracking.runs import RunView

if TYPE_CHECKING:
    from mlflow_xfer.tracking.session import Session

log = logging.getLogger(__name__)

SPEC_FILE = "spec.json"  # artifact of a phase run: the canonical spec behind its spec_hash
ARTIFACTS_TAG = (
    "xfer.artifacts"  # what a phase run must still have, commas between: "model" or artifact paths
)
JUDGED = ("train/loss", "dev/", "eval/")
_LARGEST = 1.7e308  # databases keep an infinite metric as the largest float
_COMPARED = 20  # earlier runs whose spec is read to find the closest


def find_phase(store: Session, spec_hash: str, code_hash: str | None, weights: bool = True) -> str | None:
    """The oldest FINISHED phase run with these hashes whose artifacts are intact, in any experiment.

    Failed, running and deleted runs do not count, nor do runs of deleted experiments.

    Args:
        code_hash: None accepts any code.
        weights: whether they are needed; else a run will do whose weights were dropped on purpose.
    """
    wanted = {"xfer.kind": "phase", "xfer.schema": runs.SCHEMA, "xfer.spec_hash": spec_hash}
    if code_hash is not None:
        wanted["xfer.code_hash"] = code_hash
    for run in store.search(wanted, status="FINISHED"):
        dropped = checkpoints.DROPPED in run.tags
        if dropped and weights:
            log.info("Run %s (%s) no longer has its weights", run.run_id, run.name)
            continue
        fault = missing(store, run, weights=not dropped)
        if not fault:
            return run.run_id
        log.warning("Run %s (%s) has equal hashes but cannot be reused: %s", run.run_id, run.name, fault)
    return None


def missing(store: Session, run: RunView, weights: bool = True) -> str:
    """Why a finished phase run is not to be used: a figure that is not finite, or what it no longer has of
    what it promised in ``xfer.artifacts``, ``weights`` included; empty if nothing.
    """
    for name, value in run.metrics.items():
        if name.startswith(JUDGED) and not abs(value) < _LARGEST:
            return f"its {name} is not finite"
    promised = [name for name in run.tags.get(ARTIFACTS_TAG, "").split(",") if name]
    if weights and (checkpoints.NAME in promised or checkpoints.MODEL_TAG in run.tags):
        fault = checkpoints.damage(store, run.run_id)
        if fault:
            return fault
    for name in promised:
        if name != checkpoints.NAME and not artifacts.exists(store, run.artifact_uri, name):
            return f"its artifact {name} is gone"
    return ""


def near_misses(store: Session, spec: Mapping[str, Any], code_hash: str | None = None) -> str:
    """What differed in the closest earlier finished phase run of the same phase; empty if there is none.

    Fields come from ``spec.json`` (else ``params.json``), library versions from tags. One line.
    """
    wanted = {"xfer.kind": "phase"}
    phase = spec.get("phase") or spec.get("kind")
    if phase:
        wanted["xfer.phase"] = str(phase)
    earlier = store.search(wanted, status="FINISHED", newest_first=True, limit=_COMPARED)
    best: tuple[int, RunView, list[str]] | None = None
    for run in earlier:
        recorded = _spec(store, run)
        if recorded is None:
            continue
        differing = differences(recorded, spec)
        if not differing and code_hash and run.tags.get("xfer.code_hash") != code_hash:
            differing = ["the code that computes it"]
        differing += _version_differences(run)
        if best is None or len(differing) < best[0]:
            best = (len(differing), run, differing)
    if best is None:
        return ""
    _, run, differing = best
    what = ", ".join(differing[:8]) + (f" and {len(differing) - 8} more" if len(differing) > 8 else "")
    return f"closest is run {run.run_id} ({run.name}); it differs in: {what or 'nothing recorded'}"


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The fields in which two specs differ, as ``field: earlier -> now``."""
    old, new = _flat(earlier), _flat(now)
    lines = []
    for name in sorted({**old, **new}):
        before, after = old.get(name, "absent"), new.get(name, "absent")
        if before != after:
            lines.append(f"{name}: {_short(before)} -> {_short(after)}")
    return lines


def _spec(store: Session, run: RunView) -> dict | None:
    for name in (SPEC_FILE, "params.json"):
        body = artifacts.read(store, run.artifact_uri, name)
        if body:
            try:
                return json.loads(body)
            except ValueError:
                continue
    return None


def _version_differences(run: RunView) -> list[str]:
    now = versions.tags()
    return [
        f"{name.removeprefix(versions.PREFIX)}: {run.tags[name]} -> {value}"
        for name, value in now.items()
        if name in run.tags and run.tags[name] != value
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    if isinstance(value, Mapping):
        return {
            k: v
            for name, item in value.items()
            for k, v in _flat(item, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    if isinstance(value, (list, tuple)) and any(isinstance(item, (Mapping, list, tuple)) for item in value):
        return {k: v for n, item in enumerate(value) for k, v in _flat(item, f"{prefix}[{n}]").items()}
    return {prefix: text(value)}


def _short(value: str, length: int = 40) -> str:
    return value if len(value) <= length else value[: length - 1] + "…"
