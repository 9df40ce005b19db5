"""A Trainer that writes and reads resume states of its own making.

transformers' would not do (measured with 5.23): ``save_model`` fails on heads that share a backbone,
``training_args.bin`` is a pickle, and a half-written ``checkpoint-N`` crashes a resume. Here a state is a
folder that counts only when whole (``durable/manifest.py``), and losses since the last report are part of it.
"""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors.torch import load_file, save_file
from transformers import Trainer

from mlflow_xfer.durable.files import write_json
from mlflow_xfer.durable.manifest import is_whole, sealed_folder
from mlflow_xfer.models.heads import MultiTaskModel
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.training.read_rows import ReadRows
from mlflow_xfer.training.state import Claim, prune, step_folder, steps
from mlflow_xfer.training.tally import Tally, best_in

KEPT = 2  # resume states: the newest and the one before it
SAVING_SHARE = 0.05  # writing resume states takes at most this share of the time
WEIGHTS, ROWS = "model.safetensors", "rows.json"


class Resumable(Trainer):
    """A Trainer of a ``MultiTaskModel`` with resume states in ``folder`` and the best weights beside it.

    Args:
        folder: where resume states lie.
        runtime: how often they are written.
        rows: those of the embedding that are trained; None: all.
        options: of ``Trainer``.

    Attributes:
        claim: on the folder, from the beginning of :meth:`Loop.run` on.
    """

    claim: Claim

    def __init__(self, folder: Path, runtime: RuntimeOptions, rows: np.ndarray | None, **options: Any):
        self.folder, self.runtime, self.tally = folder, runtime, Tally()
        self._saved_at, self._saving_took = time.monotonic(), 0.0
        super().__init__(**options)
        self.read_rows = None if rows is None else ReadRows(self.multitask, rows)

    def create_optimizer(self, model: Any = None) -> Any:
        optimizer = super().create_optimizer(model)
        if self.read_rows:
            self.read_rows.follow(optimizer)
        return optimizer

    def whole(self) -> AbstractContextManager[None]:
        """Within, the model has all rows of its embedding."""
        return self.read_rows.whole() if self.read_rows else nullcontext()

    @property
    def best_folder(self) -> Path:
        return self.folder.with_name("best")

    @property
    def multitask(self) -> MultiTaskModel:
        """The model, by the type that it has here."""
        return cast("MultiTaskModel", self.model)

    # -- weights --------------------------------------------------------------------------------------------
    def keep_best(self) -> None:
        """Write the weights as they are: the best so far."""
        self.claim.check()
        with sealed_folder(step_folder(self.best_folder, self.state.global_step)) as folder:
            self._write_weights(folder)

    def _write_weights(self, folder: Path) -> None:
        with self.whole():
            tensors = {n: t.contiguous().cpu() for n, t in self.multitask.tensors().items()}
            save_file(tensors, folder / WEIGHTS)

    def load_best(self) -> None:
        """Put the best weights into the model, if they are not the last ones."""
        best = self.tally.best.step
        if best and best != self.state.global_step:
            self.multitask.load_tensors(load_file(step_folder(self.best_folder, best) / WEIGHTS))

    def load_average(self) -> None:
        own = self.multitask.tensors()
        self.multitask.load_tensors({name: self.tally.mean[name].to(own[name].dtype) for name in own})

    # -- resume states --------------------------------------------------------------------------------------
    def save_is_due(self, step: int) -> bool:
        if step >= self.args.max_steps:
            return True  # so that a kill while the result is being published loses nothing
        if self.runtime.save_every_steps:
            return step % self.runtime.save_every_steps == 0
        wait = max(self.runtime.save_every_s, self._saving_took / SAVING_SHARE)
        return time.monotonic() - self._saved_at >= wait

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        begun, step = time.monotonic(), self.state.global_step
        self.claim.check()
        with sealed_folder(step_folder(self.folder, step)) as folder:
            self._write_state(folder)
        kept = set(steps(self.folder)[-KEPT:])
        prune(self.folder, kept)
        # A state that is still kept may name an earlier best.
        prune(self.best_folder, {best_in(step_folder(self.folder, s)).step for s in kept})
        self._saved_at, self._saving_took = time.monotonic(), time.monotonic() - begun

    def _write_state(self, folder: Path) -> None:
        self._write_weights(folder)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / "trainer_state.json"))
        self.tally.write(folder)
        write_json(folder / ROWS, self._rows)

    @property
    def _rows(self) -> str | None:
        """The rows of the embedding that the optimiser has states of."""
        return self.read_rows.digest if self.read_rows else None

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        if not is_whole(folder):
            raise ValueError(f"{folder} is not whole")
        if json.loads((folder / ROWS).read_text(encoding="utf-8")) != self._rows:
            raise ValueError(f"{folder} is of a training of other rows of the embedding")
        with self.whole():
            self.multitask.load_tensors(load_file(folder / WEIGHTS))
        self.tally.read(folder, self.args.device)
