"""The training loop: transformers' Trainer, with its own batches, dev scores and resume state.

What is left to ``Trainer``: device and precision, gradients, clipping, optimizer and schedule, the step loop. What it
does differently here, and why (measured with transformers 5.23):

- ``save_model`` fails on heads that share a backbone, and ``training_args.bin`` is a pickle: :meth:`Loop._save_checkpoint`.
- a half-written ``checkpoint-N`` crashes a resume: folders count only when whole (``state.py``).
- losses logged after a resume would lack the steps before the kill: sums are part of the resume state.
- ``logging_nan_inf_filter`` and the progress of each step would wait for the GPU: off.
"""

from __future__ import annotations

import gc
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments

from mlflow_xfer.errors import INTERRUPTED, TRY_AGAIN
from mlflow_xfer.models.heads import MultiTaskModel
from mlflow_xfer.training.batches import Steps
from mlflow_xfer.training.devices import half_norms, pick, resolved
from mlflow_xfer.training.progress import bar
from mlflow_xfer.training.settings import BY_SCORE, Interrupted, Placement, Settings
from mlflow_xfer.training.state import is_whole, prune, step_folder, steps, write_json, write_whole

Log = Callable[[Mapping[str, float], int], None]
KEPT = 2  # resume states: the newest and the one before it
SAVING_SHARE = 0.05  # writing resume states takes at most this share of the time
LOGGED = 100  # training losses are logged so many times at most
WEIGHTS, STATE = "model.safetensors", "xfer_state.json"


@cache
def settle_imports() -> None:
    """Take what imports left in memory out of the garbage collector's sight, once a process.

    Trainer collects garbage before each training; over the objects of torch and transformers that takes 0.36 s, a
    third of a training on the embedded suite.
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
        if loop.is_to_stop or loop.save_is_due(step):
            control.should_save = True
        return control

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if self.loop.is_to_stop:
            control.should_training_stop = True
        return control


class Loop(Trainer):
    """One training of a :class:`MultiTaskModel` on the batches of ``data``.

    Args:
        evaluate_at: steps after which ``evaluate_dev`` is called; it returns (metrics, score or None, collapsed).
        average_at: steps whose weights go into the average (empty: none is made).
        folder: where resume states lie.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        data: Steps,
        settings: Settings,
        placement: Placement,
        folder: Path,
        log: Log,
        evaluate_dev: Callable[[], tuple[dict[str, float], float | None, bool]],
        evaluate_at: set[int],
        average_at: set[int],
    ):
        total, device = len(data), pick(placement.device)
        precision = resolved(settings.precision, device)
        self.folder, self.settings, self.placement = folder, settings, placement
        self.log_figures, self.evaluate_dev, self.evaluate_at, self.average_at = log, evaluate_dev, evaluate_at, average_at
        self.log_every = max(1, math.ceil(total / LOGGED))
        self.order = FromStep(total)
        self.signalled: int | None = None
        self.asked: Exception | None = None  # what ``log`` raised to stop the training
        self.sums: dict[str, Tensor | float] = {}  # since the last log: summed loss of each task
        self.counts: dict[str, int] = {}
        self.tokens = 0
        self.best: dict[str, Any] = {"step": 0, "score": None, "metrics": {}, "collapsed": False}
        self.latest: dict[str, float] = {}
        self.mean: dict[str, Tensor] = {}
        self.averaged = 0
        self._saved_at, self._saving_took = time.monotonic(), 0.0
        if placement.compile:
            compile_layers(model.backbone)
        arguments = TrainingArguments(
            output_dir=str(folder),
            max_steps=total,
            per_device_train_batch_size=1,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=math.ceil(total * settings.warmup_ratio),
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            adam_beta2=0.98
            if not model.names
            else 0.999,  # language modelling (Liu et al. 2019 §3.1) is not fine-tuning
            optim="adamw_torch_fused",
            bf16=precision == "bf16",
            fp16=precision == "fp16",
            use_cpu=device.type == "cpu",
            seed=settings.seed,
            save_strategy="no",
            eval_strategy="no",
            logging_strategy="no",
            logging_nan_inf_filter=False,
            report_to=[],
            disable_tqdm=True,
            ignore_data_skip=True,  # batches are asked for by their step: nothing is skipped
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        if arguments.n_gpu > 1:
            arguments._n_gpu = (
                1  # else Trainer splits a batch over all GPUs it sees, which these batches are not made for
            )
        super().__init__(model=model, args=arguments, train_dataset=data, callbacks=[Watch(self)])
        for callback in self.callback_handler.callbacks:
            if type(callback).__name__ == "PrinterCallback":
                self.remove_callback(callback)
        self.model_accepts_loss_kwargs = False
        self.shown = None

    # -- running -----------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Train to the end, from the newest whole resume state.

        Raises:
            Interrupted: after SIGTERM or SIGINT, once the state is saved.
            Exception: what ``log`` raised to stop the training (its ``exit_code`` is 75), once the state is saved;
                not if that was after the last step.
        """
        from mlflow_xfer.models.load import quiet

        settle_imports()
        self.model.train()  # heads and backbone come from loading in evaluation mode, whatever this container says
        found = steps(self.folder)
        start = found[-1] if found else 0
        self.order.first = start
        self.report({"train/total_steps": float(len(self.order))}, 0)
        self.shown = bar(len(self.order), "training", start)
        try:
            with _signals(self), quiet(), half_norms(self.model, self.args.bf16 and self.args.device.type == "cuda"):
                self.train(resume_from_checkpoint=str(step_folder(self.folder, start)) if start else None)
        finally:
            self.shown.close()
        if self.signalled is not None and self.state.global_step < len(self.order):
            raise Interrupted(self.state.global_step, INTERRUPTED if self.signalled == signal.SIGINT else TRY_AGAIN)
        if self.asked is not None and self.state.global_step < len(self.order):
            raise self.asked

    @property
    def is_to_stop(self) -> bool:
        return self.signalled is not None or self.asked is not None

    def report(self, metrics: Mapping[str, float], step: int) -> None:
        """Hand figures on; whoever takes them may ask to stop, which happens when the step is complete."""
        try:
            self.log_figures(metrics, step)
        except Exception as error:
            if getattr(error, "exit_code", None) != TRY_AGAIN:
                raise
            self.asked = error

    def get_train_dataloader(self) -> torch.utils.data.DataLoader:
        """One item is one batch. The generator is its own: a loader draws a number from it when it starts, which must
        not come from the state that dropout uses."""
        return torch.utils.data.DataLoader(
            self.train_dataset, batch_size=None, sampler=self.order, generator=torch.Generator()
        )

    def training_step(self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward of one batch, in micro-batches if asked; their sum is the batch's mean loss exactly."""
        if not model.training:  # walking all modules costs as much as a fifth of a small model's backward
            model.train()
        total: Tensor | float = 0.0
        for part in parts(inputs, self.placement.micro_batch):
            placed = {name: self._placed(part[name]) for name in ("inputs", "targets")}
            with self.compute_loss_context_manager():
                loss = model(
                    inputs["task"],
                    placed["targets"],
                    inputs["count"],
                    **placed["inputs"],
                )
            self.accelerator.backward(loss)
            total = total + loss.detach()
        self.tokens += inputs["tokens"]
        task = inputs["task"]
        self.sums[task] = self.sums.get(task, 0.0) + total.float()
        self.counts[task] = self.counts.get(task, 0) + 1
        return total

    def _placed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        device = self.args.device
        if device.type == "cpu":
            return dict(tensors)
        return {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}  # pinned already

    # -- after a step ------------------------------------------------------------------------------------------------
    def after_step(self, step: int) -> None:
        if self.shown is not None:
            self.shown.update(1)
        if step % self.log_every == 0 or step == len(self.order):
            self._report_losses(step)
        if step in self.average_at:
            self._average()
        if step in self.evaluate_at:
            self._evaluate_dev(step)

    def _report_losses(self, step: int) -> None:
        """The mean loss of each task since the last report."""
        losses = {task: float(total) / self.counts[task] for task, total in self.sums.items()}
        overall = sum(float(total) for total in self.sums.values()) / max(sum(self.counts.values()), 1)
        self.latest = {
            "train/loss": overall,
            "train/learning_rate": self._get_learning_rate(),
            "train/tokens": float(self.tokens),
        }
        if len(losses) > 1:
            self.latest |= {f"train/{task}/loss": loss for task, loss in losses.items()}
        self.sums, self.counts = {}, {}
        self.report(self.latest, step)

    def _average(self) -> None:
        """The running mean of the weights, on the CPU in float32."""
        self.averaged += 1
        for name, tensor in self.model.tensors().items():
            value = tensor.float().cpu()
            held = self.mean.get(name)
            self.mean[name] = value.clone() if held is None else held.add_(value - held, alpha=1.0 / self.averaged)

    def _evaluate_dev(self, step: int) -> None:
        """Score dev and keep the weights if they are the best so far."""
        self.model.eval()
        metrics, score, collapsed = self.evaluate_dev()
        self.model.train()
        if metrics:
            self.report(metrics, step)
        # Of equals the later: a saturated dev says nothing, and the learning rate has come down since.
        better = score is not None and (self.best["score"] is None or score >= self.best["score"])
        if better and self.settings.select_by in BY_SCORE:
            write_whole(step_folder(self.best_folder, step), self._write_weights)
        if better or self.settings.select_by not in BY_SCORE:
            self.best = {"step": step, "score": score, "metrics": metrics, "collapsed": collapsed}

    @property
    def best_folder(self) -> Path:
        return self.folder.with_name("best")

    def _write_weights(self, folder: Path) -> None:
        from safetensors.torch import save_file

        folder.mkdir(parents=True)
        save_file({n: t.contiguous().cpu() for n, t in self.model.tensors().items()}, folder / WEIGHTS)

    def load_best(self) -> None:
        """Put the best weights into the model, if they are not the last ones."""
        from safetensors.torch import load_file

        if self.best["step"] and self.best["step"] != self.state.global_step:
            self.model.load_tensors(load_file(step_folder(self.best_folder, self.best["step"]) / WEIGHTS))

    def load_average(self) -> None:
        own = self.model.tensors()
        self.model.load_tensors({name: self.mean[name].to(own[name].dtype) for name in own})

    # -- resume state ------------------------------------------------------------------------------------------------
    def save_is_due(self, step: int) -> bool:
        if step >= len(self.order):
            return True  # so that a kill while the result is being published loses nothing
        if self.placement.save_every_steps:
            return step % self.placement.save_every_steps == 0
        wait = max(self.placement.save_every_s, self._saving_took / SAVING_SHARE)
        return time.monotonic() - self._saved_at >= wait

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        begun, step = time.monotonic(), self.state.global_step
        write_whole(step_folder(self.folder, step), self._write_state)
        kept = set(steps(self.folder)[-KEPT:])
        prune(self.folder, kept)
        # A state that is still kept may name an earlier best.
        named = {json.loads((step_folder(self.folder, s) / STATE).read_text())["best"]["step"] for s in kept}
        prune(self.best_folder, named)
        self._saved_at, self._saving_took = time.monotonic(), time.monotonic() - begun

    def _write_state(self, folder: Path) -> None:
        from safetensors.torch import save_file

        self._write_weights(folder)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / "trainer_state.json"))
        if self.mean:
            save_file(self.mean, folder / "mean.safetensors")
        own = {
            "tokens": self.tokens,
            "best": self.best,
            "latest": self.latest,
            "averaged": self.averaged,
            "sums": {task: float(total) for task, total in self.sums.items()},
            "counts": self.counts,
        }
        write_json(folder / STATE, own)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        from safetensors.torch import load_file

        folder = Path(resume_from_checkpoint)
        if not is_whole(folder):
            raise ValueError(f"{folder} is not whole")
        self.model.load_tensors(load_file(folder / WEIGHTS))
        own = json.loads((folder / STATE).read_text(encoding="utf-8"))
        self.tokens, self.best, self.latest, self.averaged = own["tokens"], own["best"], own["latest"], own["averaged"]
        device = self.args.device
        # Sums were float32 tensors: as such they go on, to the bit.
        self.sums = {
            task: torch.tensor(total, dtype=torch.float32, device=device) for task, total in own["sums"].items()
        }
        self.counts = own["counts"]
        if (folder / "mean.safetensors").is_file():
            self.mean = load_file(folder / "mean.safetensors")


def compile_layers(backbone: torch.nn.Module) -> None:
    """Compile each layer in place: they are alike, so one compilation serves all of them."""
    depth = backbone.config.num_hidden_layers
    for module in backbone.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth:
            for layer in module:
                layer.compile()
            return


def parts(batch: Mapping[str, Any], rows: int) -> list[dict[str, Any]]:
    """``batch`` cut into parts of at most ``rows`` rows (0: whole); retrieval stays whole, its rows being negatives of
    one another."""
    n = len(batch["inputs"]["input_ids"])
    if not rows or n <= rows or "positive" in batch["targets"]:
        return [{"inputs": batch["inputs"], "targets": batch["targets"]}]
    width = batch["inputs"]["input_ids"].shape[1]
    cut = []
    for begin in range(0, n, rows):
        piece = slice(begin, begin + rows)
        inputs = {name: tensor[piece] for name, tensor in batch["inputs"].items()}
        if "positions" in batch["targets"]:  # of the flattened batch
            at = batch["targets"]["positions"]
            mine = (at >= begin * width) & (at < (begin + rows) * width)
            targets = {"positions": at[mine] - begin * width, "labels": batch["targets"]["labels"][mine]}
        else:
            targets = {name: tensor[piece] for name, tensor in batch["targets"].items()}
        cut.append({"inputs": inputs, "targets": targets})
    return cut


class _signals:
    """SIGTERM and SIGINT set ``loop.signalled`` while training; a second SIGINT interrupts at once."""

    def __init__(self, loop: Loop):
        self.loop, self.before = loop, {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self.before[number] = signal.signal(number, self._caught)

    def _caught(self, number: int, frame: Any) -> None:
        if number == signal.SIGINT and self.loop.signalled == number:
            raise KeyboardInterrupt
        self.loop.signalled = number

    def __exit__(self, *exc: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
