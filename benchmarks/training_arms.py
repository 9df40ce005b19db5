"""One training of ``training.py``, by a plain Trainer or by this package, against the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from training_rows import Plan
from transformers import Trainer, TrainerCallback, TrainingArguments

from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture
from mlflow_xfer.training.parts import LanguageModelPart, Part
from mlflow_xfer.training.trainer import Training

LOGGED_EVERY = 10  # updates; reading a loss waits for the GPU


class Stopwatch(TrainerCallback):
    """Seconds between the end of the warm-up and the last update."""

    def __init__(self, plan: Plan):
        self.plan, self.cuda = plan, plan.device == "cuda"

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in (self.plan.warm_up, self.plan.updates):
            if self.cuda:
                torch.cuda.synchronize()
            now = (time.perf_counter(), time.process_time())
            if state.global_step == self.plan.warm_up:
                self.begun = now
            else:
                self.wall, self.cpu = (end - begin for end, begin in zip(now, self.begun, strict=True))


class Rows(torch.utils.data.Dataset):
    """Rows that are mappings."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Mapping[str, Any]:
        return self.rows[i]


def arguments(plan: Plan, seed: int, folder: Path, lm: bool, tuned: bool) -> TrainingArguments:
    """The same optimizer and schedule for all; what ``tuned`` adds."""
    extra: dict[str, Any] = {}
    if tuned:
        extra = {
            "torch_compile": plan.compile,
            "bf16": plan.bf16,
            "dataloader_num_workers": plan.workers,
            "logging_nan_inf_filter": False,
            "tf32": True if plan.device == "cuda" else None,
        }
        if not lm:
            extra["train_sampling_strategy"] = "group_by_length"
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=plan.updates,
        per_device_train_batch_size=plan.batch,
        learning_rate=plan.learning_rate,
        warmup_steps=int(0.1 * plan.updates),
        weight_decay=0.01,
        adam_beta2=0.98 if lm else 0.999,
        use_cpu=plan.device == "cpu",
        seed=seed,
        save_strategy="no",
        logging_steps=LOGGED_EVERY,
        report_to=[],
        disable_tqdm=True,
        **extra,
    )


def joined(texts: Sequence[str], tokenizer: Any, length: int) -> list[dict]:
    """run_mlm.py's group_texts: all texts one after the other, cut every ``length`` tokens."""
    ids = np.concatenate([np.asarray(row) for row in tokenizer(list(texts), verbose=False)["input_ids"]])
    n = len(ids) // length * length
    return [{"input_ids": row.tolist()} for row in ids[:n].reshape(-1, length)]


def run_plain(
    model: nn.Module,
    collate: Callable,
    rows: list,
    plan: Plan,
    seed: int,
    folder: Path,
    lm: bool,
    tuned: bool,
) -> tuple[Stopwatch, int]:
    """(times, useful tokens between them) of a plain Trainer."""
    watch = Stopwatch(plan)
    seen: list[int] = []

    def counted(batch: list) -> Any:
        made = collate(batch)
        made["useful"] = torch.tensor(sum(len(row["input_ids"]) for row in batch))
        return made

    class Counting(Trainer):
        def training_step(
            self, model: nn.Module, inputs: dict, num_items_in_batch: Any = None
        ) -> torch.Tensor:
            seen.append(inputs.pop("useful"))
            return super().training_step(model, inputs, num_items_in_batch)

    args = arguments(plan, seed, folder, lm, tuned)
    args.remove_unused_columns = False
    trainer = Counting(
        model=model, args=args, train_dataset=Rows(rows), data_collator=counted, callbacks=[watch]
    )
    silence(trainer)
    trainer.train()
    return watch, int(sum(int(n) for n in seen[plan.warm_up :]))


def silence(trainer: Trainer) -> None:
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            trainer.remove_callback(callback)


def run_ours(
    model_dir: Path,
    part: Part | LanguageModelPart,
    plan: Plan,
    seed: int,
    folder: Path,
    trainable: str = "all",
) -> tuple[Stopwatch, int, nn.Module]:
    settings = TrainingSettings(
        learning_rate=plan.learning_rate,
        max_steps=plan.updates,
        train_batch_size=plan.batch,
        max_seq_length=plan.length,
        warmup_ratio=0.1,
        weight_decay=0.01,
        precision="bf16" if plan.bf16 else "fp32",
        select_by="last",
        alpha=1.0,
        trainable=trainable,
    )
    runtime = RuntimeOptions(device=plan.device, save_every_s=1e9, compile=plan.compile)
    training = Training(
        model_dir,
        [part],
        Mixture((part.name,)),
        settings,
        runtime,
        folder,
        lambda metrics, step: None,
        seed,
    )
    loop, watch, at = training.loop(), Stopwatch(plan), {}
    loop.save_is_due = lambda step: False
    loop.log_every = LOGGED_EVERY
    original = loop.after_step

    def after_step(step: int) -> None:
        at[step] = loop.tally.tokens
        original(step)

    loop.after_step = after_step
    loop.add_callback(watch)
    loop.run()
    return watch, at[plan.updates] - at[plan.warm_up], training.model
