"""The training loop: transformers' Trainer, with its own batches, dev scores and resume states.

What is left to ``Trainer``: device and precision, gradients, clipping, optimizer and schedule, the step loop.
What it does differently here, and why (measured with transformers 5.23):

- resume states are its own: ``resumable.py``.
- ``logging_nan_inf_filter`` and the progress of each step would wait for the GPU: off.
"""

from __future__ import annotations

import gc
import math
import signal
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from transformers import TrainerCallback

from mlflow_xfer.data.mixing import key_of
from mlflow_xfer.errors import INTERRUPTED, TRY_AGAIN
from mlflow_xfer.models.heads import MultiTaskModel
from mlflow_xfer.models.load import quiet
from mlflow_xfer.params.settings import BY_SCORE, RuntimeOptions, TrainingSettings
from mlflow_xfer.training.arguments import arguments
from mlflow_xfer.training.batches import TrainingBatches
from mlflow_xfer.training.devices import (
    checkpoint_layers,
    compile_layers,
    half_norms,
    pick,
    to_device,
)
from mlflow_xfer.training.dropout import CheapMasks
from mlflow_xfer.training.micro_batches import parts
from mlflow_xfer.training.parts import Interrupted, NotFinite
from mlflow_xfer.training.progress import bar
from mlflow_xfer.training.ranks import ALONE, Ranks
from mlflow_xfer.training.resumable import Resumable
from mlflow_xfer.training.state import Claim, step_folder, steps
from mlflow_xfer.training.stopping import Signals
from mlflow_xfer.training.tally import Best

Log = Callable[[Mapping[str, float], int], None]
LOGGED = 100  # training losses are logged so many times at most


@cache
def settle_imports() -> None:
    """Take what imports left in memory out of the garbage collector's sight, once a process.

    Trainer collects garbage before each training; over the objects of torch and transformers that takes 0.36
    s, a third of a training on the embedded suite.
    """
    gc.collect()
    gc.freeze()


class FromStep(torch.utils.data.Sampler):
    """All steps from ``first`` on; its length is that of the whole training, as Trainer counts in it."""

    def __init__(self, total: int):
        self.total, self.first = total, 0

    def __len__(self) -> int:
        return self.total

    def __iter__(self):
        return iter(range(self.first, self.total))


class Watch(TrainerCallback):
    """What happens after a step: dev scores, averages, resume states, stopping on a signal."""

    def __init__(self, loop: Loop):
        self.loop = loop

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        loop, step = self.loop, state.global_step
        loop.after_step(step)
        due = loop.ranks.first and loop.save_is_due(step)
        loop.stops, due = loop.ranks.any(loop.is_to_stop, due)
        if loop.stops or due:
            control.should_save = True
        return control

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if self.loop.stops:
            control.should_training_stop = True
        return control


class Loop(Resumable):
    """One training of a :class:`MultiTaskModel` on the batches of ``data``.

    Args:
        folder: where resume states lie.
        log: called with figures and the step they belong to.
        evaluate_at: steps after which ``evaluate_dev`` is called; it returns (metrics,
            score or None, collapsed).
        average_at: steps whose weights go into the average (empty: none is made).
        seed: of dropout.
        rows: those of the embedding that are trained; None: all.
        ranks: among which each step is divided.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        data: TrainingBatches,
        settings: TrainingSettings,
        runtime: RuntimeOptions,
        folder: Path,
        log: Log,
        evaluate_dev: Callable[[], tuple[dict[str, float], float | None, bool]],
        evaluate_at: set[int],
        average_at: set[int],
        seed: int,
        rows: np.ndarray | None = None,
        ranks: Ranks = ALONE,
    ):
        self.settings, self.log_figures = settings, log
        self.evaluate_dev, self.evaluate_at, self.average_at = evaluate_dev, evaluate_at, average_at
        self.log_every = max(1, math.ceil(len(data) / LOGGED))
        self.order = FromStep(len(data))
        self.signals = Signals()
        self.asked: Exception | None = None  # what ``log`` raised to stop the training
        self.stops = False  # whether a rank is to stop, as all of them know
        self.shown = None
        if runtime.compile:
            compile_layers(model.backbone)
        where = pick(runtime.device)
        self.masks = CheapMasks() if where.type == "cpu" and not runtime.compile else None
        if runtime.gradient_checkpointing:
            checkpoint_layers(model.backbone, self.masks)
        with quiet():
            own = arguments(settings, where, folder, len(data), fine_tuning=bool(model.names), seed=seed)
        super().__init__(
            folder, runtime, rows, ranks, model=model, args=own, train_dataset=data, callbacks=[Watch(self)]
        )
        if not ranks.first:  # the first has the seed that Trainer sets
            torch.manual_seed(seed + ranks.rank)
        if ranks.shards:
            ranks.shard(self.multitask, model.backbone)
        for callback in self.callback_handler.callbacks:
            if type(callback).__name__ == "PrinterCallback":
                self.remove_callback(callback)
        self.model_accepts_loss_kwargs = False

    # -- running --------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Train to the end, from the newest whole resume state.

        Raises:
            NotFinite: a loss is infinite or no number.
            Interrupted: after SIGTERM or SIGINT, once the state is saved.
            Exception: what ``log`` raised to stop the training (its ``exit_code`` is 75), once the state is
                saved; not if that was after the last step.
        """
        settle_imports()
        if self.ranks.first:
            self.claim = Claim(self.folder.parent)
        self.multitask.train()  # heads and backbone are loaded in evaluation mode, whatever it says
        found = steps(self.folder)
        start = found[-1] if found else 0
        self.order.first = start
        self.report({"train/total_steps": float(len(self.order))}, 0)
        self.shown = bar(len(self.order), "training", start) if self.ranks.first else None
        try:
            with (
                self.signals,
                quiet(),
                half_norms(self.multitask, self.args.bf16 and self.args.device.type == "cuda"),
                self.read_rows.trained() if self.read_rows else nullcontext(),
            ):
                self.train(resume_from_checkpoint=str(step_folder(self.folder, start)) if start else None)
        finally:
            if self.shown is not None:
                self.shown.close()
        if self.stops and self.state.global_step < len(self.order):
            raise self.asked or Interrupted(
                self.state.global_step, INTERRUPTED if self.signals.caught == signal.SIGINT else TRY_AGAIN
            )
        self._check_last_weights()
        if self.ranks.world == 1:
            self.signals.pass_on()

    @property
    def is_to_stop(self) -> bool:
        return self.signals.caught is not None or self.asked is not None

    def report(self, metrics: Mapping[str, float], step: int) -> None:
        """Hand figures on; whoever takes them may ask to stop, which happens when the step is complete."""
        if not self.ranks.first:
            return
        self.claim.check()
        try:
            self.log_figures(metrics, step)
        except Exception as error:
            if getattr(error, "exit_code", None) != TRY_AGAIN:
                raise
            self.asked = error

    def _wrap_model(self, model: Any, training: bool = True, dataloader: Any = None) -> Any:
        if self.ranks.world == 1 or self.ranks.shards or not training:
            return super()._wrap_model(model, training, dataloader)
        return self.ranks.replicated(model)

    def get_train_dataloader(self) -> torch.utils.data.DataLoader:
        """One item is one batch. The generator is its own: a loader draws a number from it when it starts,
        which must not come from the state that dropout uses."""
        return torch.utils.data.DataLoader(
            cast("TrainingBatches", self.train_dataset),
            batch_size=None,
            sampler=self.order,
            generator=torch.Generator(),
        )

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> Tensor:
        """Forward and backward of this rank's rows of one batch, in micro-batches if asked; their sum, over
        all ranks, is the batch's mean loss exactly."""
        if not model.training:  # walking all modules costs as much as a fifth of a small model's backward
            model.train()
        total: Tensor | None = None
        pieces = self._parts(inputs)
        for number, part in enumerate(pieces, 1):
            with self.ranks.backward(model, last=number == len(pieces)):
                loss = self._loss(model, inputs, part)
                self.accelerator.backward(loss * self.ranks.world if self.ranks.world > 1 else loss)
            total = loss.detach() if total is None else total + loss.detach()
        assert total is not None, "a batch has a part"
        self.tally.add(key_of(inputs["task"]), total, inputs["tokens"])
        return total

    def _parts(self, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
        return parts(batch, self.runtime.micro_batch, self.ranks.rank, self.ranks.world)

    def _loss(self, model: torch.nn.Module, inputs: Mapping[str, Any], part: Mapping[str, Any]) -> Tensor:
        """The share of ``part`` in the mean loss of the batch ``inputs``."""
        placed = {name: to_device(part[name], self.args.device) for name in ("inputs", "targets")}
        if inputs["whole"] and self.ranks.world > 1:
            joined = partial(self.ranks.joined, rows=len(inputs["inputs"]["input_ids"]))
            self.multitask.head(inputs["task"]).together = joined
        with self.compute_loss_context_manager(), self.masks or nullcontext():
            loss = model(inputs["task"], placed["targets"], inputs["count"], **placed["inputs"])
        return loss if part["share"] == 1.0 else loss * part["share"]

    # -- after a step ---------------------------------------------------------------------------------------
    def after_step(self, step: int) -> None:
        if self.shown is not None:
            self.shown.update(1)
        if step % self.log_every == 0 or step == len(self.order):
            self._report_losses(step)
        if step in self.average_at:
            with self.whole():
                self.tally.average(self.ranks.gathered(self.multitask.tensors()))
        if step in self.evaluate_at:
            with self.whole():
                self._evaluate_dev(step)

    def _report_losses(self, step: int) -> None:
        """The mean loss of each task since the last report."""
        self.tally.sums = self.ranks.summed(self.tally.sums)
        pace = {"train/learning_rate": self._get_learning_rate(), "train/tokens": float(self.tally.tokens)}
        self.tally.latest = self.tally.take_losses() | pace
        self._check_finite(self.tally.latest, f"at step {step}")
        self.report(self.tally.latest, step)

    def _diverged(self, what: str) -> NotFinite:
        return NotFinite(
            f"The training diverged: {what} of {len(self.order)}, "
            f"with learning_rate={self.settings.learning_rate:g}.",
            "Give a lower learning_rate, or precision=fp32 where it is another one.",
        )

    def _check_finite(self, figures: Mapping[str, float], when: str) -> None:
        """Looked at with the reported losses: fetching every step's would wait for the GPU."""
        for name, loss in figures.items():
            if name.endswith("/loss") and not math.isfinite(loss):
                raise self._diverged(f"{name} is {loss} {when}")

    @torch.no_grad()
    def _check_last_weights(self) -> None:
        """The loss of the last batch with the weights as they are now: no step has shown what they give."""
        self.multitask.eval()
        batch = cast("TrainingBatches", self.train_dataset)[len(self.order) - 1]
        total = sum(float(self._loss(self.multitask, batch, piece)) for piece in self._parts(batch))
        self._check_finite(self.ranks.summed({"train/loss": total}), f"after step {len(self.order)}")

    def _evaluate_dev(self, step: int) -> None:
        """Score dev and keep the weights if they are the best so far."""
        self.multitask.eval()
        try:
            found = self.ranks.within(self.multitask, self.evaluate_dev)
            metrics, score, collapsed = self.ranks.told(found)
        except NotFinite as error:
            raise self._diverged(f"{error.what.rstrip('.')} after step {step}") from error
        self.multitask.train()
        if metrics:
            self.report(metrics, step)
        # Of equals the later: a saturated dev says nothing, and the learning rate has come down since.
        so_far = self.tally.best.score
        better = score is not None and (so_far is None or score >= so_far)
        if better and self.settings.select_by in BY_SCORE:
            self.keep_best()
        if better or self.settings.select_by not in BY_SCORE:
            self.tally.best = Best(step, score, metrics, collapsed)
