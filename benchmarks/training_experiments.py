"""The experiments of ``training.py``: language modelling and pairs, each arm scored by the same function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from training_arms import joined, run_ours, run_plain
from training_rows import Plan, split
from transformers import DataCollatorForLanguageModeling, DataCollatorWithPadding

from mlflow_xfer.data.encode import encode
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import load_lm, load_tokenizer
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import reading, task_batch
from mlflow_xfer.training.devices import autocast, pick
from mlflow_xfer.training.lm import TEXT, lm_losses
from mlflow_xfer.training.parts import LanguageModelPart, Part

OURS = ("frozen", "ours")  # trained by this package


@dataclass(frozen=True)
class Result:
    """One arm with one seed."""

    arm: str
    seed: int
    tokens_per_s: float
    tokens_per_cpu_s: float
    eval_loss: float
    seconds: float
    tflops: float = 0.0
    peak_mb: float = 0.0


def mlm(model_dir: Path, texts: Sequence[str], plan: Plan, arm: str, seed: int, folder: Path) -> Result:
    tokenizer = load_tokenizer(model_dir)
    train, held = split(texts)
    if arm == "ours":
        part = LanguageModelPart(
            {"all": Dataset.from_list([{"id": str(i), "text": t} for i, t in enumerate(train)])}
        )
        watch, tokens, model = run_ours(model_dir, part, plan, seed, folder)
        lm, asked = model.lm, 0.15
    else:
        lm, asked = load_lm(model_dir), 1.0
        collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
        watch, tokens = run_plain(
            lm, collate, joined(train, tokenizer, plan.length), plan, seed, folder, True, arm == "tuned"
        )
    backbone = getattr(lm, lm.base_model_prefix)
    rows = encode(
        Dataset.from_list([{"id": str(i), "text": t} for i, t in enumerate(held)]),
        TEXT,
        tokenizer,
        plan.length,
    )
    lm.eval()
    with autocast(pick(plan.device), "bf16" if plan.bf16 else "fp32"):
        loss = lm_losses(lm, backbone, tokenizer, {"all": rows})["all"]
    flops = tokens * flops_per_token(backbone.config, asked, plan.length)
    return Result(
        arm, seed, tokens / watch.wall, tokens / watch.cpu, loss, watch.wall, flops / watch.wall / 1e12
    )


def pairs(
    model_dir: Path, task: Task, rows: list[dict], plan: Plan, arm: str, seed: int, folder: Path
) -> Result:
    tokenizer = load_tokenizer(model_dir)
    train, held = split(rows)
    if arm in OURS:
        part, trainable = Part(task, Dataset.from_list(train)), "no-embeddings" if arm == "frozen" else "all"
        watch, tokens, model = run_ours(model_dir, part, plan, seed, folder, trainable)
    else:
        model = build(model_dir, [task], False, seed)
        encoded = tokenizer(
            [r["text_a"] for r in train],
            [r["text_b"] for r in train],
            truncation=True,
            max_length=plan.length,
        )["input_ids"]
        made = [
            {"input_ids": ids, "labels": task.labels.index(r["label"])}
            for ids, r in zip(encoded, train, strict=True)
        ]
        padding = (
            {"padding": "longest"} if arm == "tuned" else {"padding": "max_length", "max_length": plan.length}
        )
        collate = DataCollatorWithPadding(
            tokenizer, **padding, pad_to_multiple_of=8 if plan.device == "cuda" and arm == "tuned" else None
        )
        watch, tokens = run_plain(
            model.head(task.name), collate, made, plan, seed, folder, False, arm == "tuned"
        )
    loss = classification_loss(model, task, Dataset.from_list(held), tokenizer, plan)
    flops = tokens * flops_per_token(model.config, 0.0, plan.length)
    return Result(
        arm, seed, tokens / watch.wall, tokens / watch.cpu, loss, watch.wall, flops / watch.wall / 1e12
    )


@torch.inference_mode()
def classification_loss(model: Any, task: Task, held: Dataset, tokenizer: Any, plan: Plan) -> float:
    """Mean cross-entropy on the held-out pairs."""
    model.eval()
    where = next(model.parameters()).device
    encoded = encode(held, task, tokenizer, plan.length)
    how = reading(tokenizer, model.config, False)
    total = 0.0
    with autocast(pick(plan.device), "bf16" if plan.bf16 else "fp32"):
        for begin in range(0, len(encoded), 64):
            batch = task_batch(
                task.name, task.kind, encoded, list(range(begin, min(begin + 64, len(encoded)))), how
            )
            placed = [{k: t.to(where) for k, t in batch[name].items()} for name in ("inputs", "targets")]
            total += float(model(task.name, placed[1], 1.0, **placed[0]))
    return total / len(encoded)


def flops_per_token(config: Any, asked: float, length: int = 128) -> float:
    """Multiply-adds × 2 of forward and backward (× 3) for a token;
    the LM head for a share ``asked`` of them.
    """
    d, inner = config.hidden_size, config.intermediate_size
    body = config.num_hidden_layers * (4 * d * d + 2 * d * inner + 2 * length * d)
    return 6.0 * (body + asked * (d * d + d * config.vocab_size))
