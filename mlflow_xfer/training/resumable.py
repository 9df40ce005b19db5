"""A Trainer that writes and reads resume states of its own making.

transformers' would not do (measured with 5.23): ``save_model`` fails on heads that share a backbone,
``training_args.bin`` is a pickle, and a half-written ``checkpoint-N`` crashes a resume. Here a state is a
folder that counts only when whole (``durable/manifest.py``), and losses since the last report are part of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from mlflow_xfer.durable.files import write_json
from mlflow_xfer.durable.manifest import is_whole, sealed_folder
from mlflow_xfer.models.heads import MultiTaskModel
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.training.ranks import Ranks
from mlflow_xfer.training.read_rows import ReadRows, digest
from mlflow_xfer.training.state import Claim, prune, step_folder, steps
from mlflow_xfer.training.tally import Tally, best_in

KEPT = 2  # resume states: the newest and the one before it
SAVING_SHARE = 0.05  # writing resume states takes at most this share of the time
WEIGHTS, ROWS, SUMS = "model.safetensors", "rows.json", "sums.json"


class Resumable(Trainer):
    """A Trainer of a ``MultiTaskModel`` with resume states in ``folder`` and the best weights beside it.

    Args:
        folder: where resume states lie.
        runtime: how often they are written.
        rows: those of the embedding that are trained; None: all.
        ranks: among which the training is divided. Rank 0 writes; the others leave in its states how far
            their random numbers and sums have come.
        options: of ``Trainer``.

    Attributes:
        claim: on the folder, from the beginning of :meth:`Loop.run` on.
    """

    claim: Claim

    def __init__(
        self, folder: Path, runtime: RuntimeOptions, rows: np.ndarray | None, ranks: Ranks, **options: Any
    ):
        self.folder, self.runtime, self.ranks, self.tally = folder, runtime, ranks, Tally()
        self._saved_at, self._saving_took = time.monotonic(), 0.0
        super().__init__(**options)
        self.rows = rows
        self.read_rows = None if rows is None or ranks.shards else ReadRows(self.multitask, rows)

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
        with self._sealed(step_folder(self.best_folder, self.state.global_step)) as folder:
            self._write_weights(folder)

    @contextmanager
    def _sealed(self, path: Path) -> Iterator[Path]:
        """A folder that all ranks fill; it is put at ``path`` when they have."""
        if not self.ranks.first:
            yield Path(self.ranks.told(""))
            self.ranks.wait()
            return
        self.claim.check()
        with sealed_folder(path) as folder:
            self.ranks.told(str(folder))
            yield folder
            self.ranks.wait()

    def _write_weights(self, folder: Path) -> None:
        with self.whole():
            tensors = self.ranks.gathered(self.multitask.tensors())
            if self.ranks.first:
                save_file({n: t.contiguous().cpu() for n, t in tensors.items()}, folder / WEIGHTS)

    def load_best(self) -> None:
        """Put the best weights into the model, if they are not the last ones."""
        best = self.tally.best.step
        if best and best != self.state.global_step:
            self._load_weights(step_folder(self.best_folder, best))

    def load_average(self) -> None:
        own = self.multitask.tensors()
        mean = {name: self.tally.mean[name].to(own[name].dtype) for name in own} if self.ranks.first else {}
        self.multitask.load_tensors(self.ranks.spread(mean, own))

    def _load_weights(self, folder: Path) -> None:
        given = load_file(folder / WEIGHTS) if self.ranks.first else {}
        self.multitask.load_tensors(self.ranks.spread(given, self.multitask.tensors()))

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
        with self._sealed(step_folder(self.folder, step)) as folder:
            self._write_state(folder)
        if not self.ranks.first:
            return
        kept = set(steps(self.folder)[-KEPT:])
        prune(self.folder, kept)
        # A state that is still kept may name an earlier best.
        prune(self.best_folder, {best_in(step_folder(self.folder, s)).step for s in kept})
        self._saved_at, self._saving_took = time.monotonic(), time.monotonic() - begun

    def _write_state(self, folder: Path) -> None:
        self._write_weights(folder)
        self._save_optimizer_and_scheduler(str(folder))
        if not self.ranks.first:
            own = self._own(folder)
            own.mkdir()
            self._save_rng_state(str(own))
            write_json(own / SUMS, {task: float(total) for task, total in self.tally.sums.items()})
            return
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / "trainer_state.json"))
        self.tally.write(folder)
        write_json(folder / ROWS, self._rows)

    def _own(self, folder: Path) -> Path:
        """What this rank has for itself in a state."""
        return folder if self.ranks.first else folder / f"rank-{self.ranks.rank}"

    @property
    def _rows(self) -> str | None:
        """The rows of the embedding that the optimiser has states of."""
        return digest(self.rows) if self.read_rows and self.rows is not None else None

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.ranks.shards:
            if self.ranks.first:
                super()._save_optimizer_and_scheduler(output_dir)
            return
        optimizer, schedule = cast("Any", self.optimizer), cast("Any", self.lr_scheduler)
        state = self.ranks.gathered_state(optimizer.state_dict())
        if self.ranks.first:
            torch.save(state, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(schedule.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Also of a training that was spread in another way, whose optimiser had states of other rows."""
        if checkpoint is None:
            return
        folder, optimizer = Path(checkpoint), cast("Any", self.optimizer)
        state = torch.load(folder / OPTIMIZER_NAME, map_location="cpu", weights_only=True)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if _rows_in(folder) != self._rows:
            self._fit_rows(state, parameters)
        optimizer.load_state_dict(self.ranks.spread_state(state, parameters))
        schedule = torch.load(folder / SCHEDULER_NAME, map_location="cpu", weights_only=True)
        cast("Any", self.lr_scheduler).load_state_dict(schedule)

    def _fit_rows(self, state: dict[str, Any], parameters: Sequence[torch.Tensor]) -> None:
        """Take moments of rows that are not trained here out, or put in what they are where all are: zero."""
        assert self.rows is not None, "else there is one set of rows"
        rows = torch.from_numpy(self.rows)
        for number, values in state["state"].items():
            wanted = parameters[number].shape
            for name, value in values.items():
                if not value.dim() or value.shape[1:] != wanted[1:] or value.shape == wanted:
                    continue
                if len(value) == len(rows):
                    values[name] = value.new_zeros(wanted).index_copy(0, rows, value)
                else:
                    values[name] = value[rows]

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:  # a state of fewer ranks has none for this one: it goes on with its seed
            super()._load_rng_state(str(self._own(Path(checkpoint))))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        if not is_whole(folder):
            raise ValueError(f"{folder} is not whole")
        if _rows_in(folder) not in (None, None if self.rows is None else digest(self.rows)):
            raise ValueError(f"{folder} is of a training of other rows of the embedding")
        with self.whole():
            self._load_weights(folder)
        self.tally.read(folder, self.args.device)
        self._read_sums(folder)

    def _read_sums(self, folder: Path) -> None:
        """Make the sums of losses this rank's own: those that it left, or where ranks are others, to the
        first what all of them left."""
        left = {file.parent.name: file for file in folder.glob(f"rank-*/{SUMS}")}
        if self.ranks.world == 1 and not left:
            return
        same = len(left) == self.ranks.world - 1
        if not self.ranks.first:
            self.tally.sums, self.tally.mean = dict.fromkeys(self.tally.sums, 0.0), {}
            left = {name: file for name, file in left.items() if same and name == self._own(folder).name}
        for file in left.values() if not (self.ranks.first and same) else ():
            for task, total in json.loads(file.read_text(encoding="utf-8")).items():
                self.tally.sums[task] += torch.tensor(total, dtype=torch.float32, device=self.args.device)


def _rows_in(folder: Path) -> str | None:
    return json.loads((folder / ROWS).read_text(encoding="utf-8"))
