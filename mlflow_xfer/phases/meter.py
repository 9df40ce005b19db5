"""What a phase costs while it is open: seconds, optimiser steps and tokens, those before a kill included."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer.durable.files import write_json
from mlflow_xfer.phases.phase import Phase

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

SPENT = "spent.json"
NOTED_EVERY_S = 5.0


class Meter:
    """Counts what a phase costs while it is open, and logs it however that ends: ``train/seconds``
    (``predict/seconds`` of an evaluation), and of a training that was stopped the optimiser steps so far.

    Seconds are noted in the phase's work folder too, from time to time, so that those before a kill count.
    After :meth:`__exit__`, ``optimizer_steps``, ``tokens`` and ``seconds`` say what this opening added.
    """

    def __init__(self, store: Store, run_id: str, phase: Phase, work: Path, resumed: bool):
        self.store, self.run_id, self.trains = store, run_id, phase.kind != "evaluate"
        self.note, self.noted = work / SPENT, 0.0
        self.name = "train/seconds" if self.trains else "predict/seconds"
        before = store.get(run_id).metrics if resumed else {}
        self.before = {
            name: before.get(name, 0.0) for name in ("train/optimizer_steps", "train/tokens", self.name)
        }
        if resumed:
            self.before[self.name] = max(self.before[self.name], _seconds_noted(self.note))
        self.steps, self.all_tokens = self.before["train/optimizer_steps"], self.before["train/tokens"]
        self.seconds = 0.0

    @property
    def optimizer_steps(self) -> float:
        return max(self.steps - self.before["train/optimizer_steps"], 0.0)

    @property
    def tokens(self) -> float:
        return max(self.all_tokens - self.before["train/tokens"], 0.0)

    def saw(self, values: Mapping[str, float], step: int) -> None:
        self.steps, self.all_tokens = (
            max(self.steps, step),
            max(self.all_tokens, values.get("train/tokens", 0.0)),
        )
        if (seconds := self.seconds_so_far) - self.noted >= NOTED_EVERY_S:
            self._keep(seconds)

    @property
    def seconds_so_far(self) -> float:
        return time.monotonic() - self._begun

    def _keep(self, seconds: float) -> None:
        self.noted = seconds
        with suppress(OSError):  # a full disk costs the count, not the training
            write_json(self.note, {"seconds": self.before[self.name] + self.noted})

    def __enter__(self) -> Meter:
        self._begun = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.seconds = self.seconds_so_far
        if kind:
            self._keep(self.seconds)
            if self.trains:
                self.store.metrics(self.run_id, {"train/optimizer_steps": self.steps}, int(self.steps))
        step = self.store.next_step(self.run_id, self.name, int(self.steps))
        self.store.metrics(self.run_id, {self.name: self.before[self.name] + self.seconds}, step)


def _seconds_noted(note: Path) -> float:
    try:
        return float(json.loads(note.read_text("utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
