"""LoRA and QLoRA on a real model: the loss on held-out MNLI before and after a few hundred steps.

``python benchmarks/adapters.py MODEL MNLI.jsonl --steps 200``: rows with ``premise``, ``hypothesis`` and
``label``.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset

from mlflow_xfer.data.encode import encode
from mlflow_xfer.kinds import kind
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture, Task
from mlflow_xfer.training.batches import reading
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.trainer import Training

LABELS = ("entailment", "neutral", "contradiction")
TASK = Task(
    name="mnli", kind="classification", metric="accuracy", languages=("en",), sources={}, labels=LABELS
)
LENGTH, DEV = 48, 32


def pairs(file: Path, longest: int) -> list[dict]:
    """Pairs of at most ``longest`` characters, shuffled."""
    found = []
    for n, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        label = row["label"] if isinstance(row["label"], str) else LABELS[row["label"]]
        if len(row["premise"] + row["hypothesis"]) <= longest:
            found.append(
                {"id": str(n), "text_a": row["premise"], "text_b": row["hypothesis"], "label": label}
            )
    random.Random(0).shuffle(found)
    return found


@torch.no_grad()
def dev_loss(training: Training, rows: list[dict]) -> float:
    """Mean cross-entropy of ``rows``."""
    model, made = training.model.eval(), kind.model(TASK.kind)
    encoded = encode(Dataset.from_list(rows), TASK, training.tokenizer, LENGTH, decoder=model.decoder)
    how = reading(training.tokenizer, model.config, model.decoder, torch.cuda.is_available())
    numbers = list(range(len(rows)))
    inputs = made.inputs(encoded, numbers, how)
    targets, count = made.targets(encoded, numbers, inputs)
    device = next(model.parameters()).device
    placed = [{name: tensor.to(device) for name, tensor in one.items()} for one in (inputs, targets)]
    return float(model(TASK.name, placed[1], count, **placed[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("mnli", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--longest", type=int, default=120, help="characters of a pair")
    asked = parser.parse_args()
    rows = pairs(asked.mnli, asked.longest)
    dev, train = rows[:DEV], rows[DEV:]
    for quantize in ("none", "nf4"):
        settings = TrainingSettings(
            max_steps=asked.steps, train_batch_size=asked.batch, max_seq_length=LENGTH, learning_rate=3e-4,
            select_by="last", trainable="lora", quantize=quantize,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as work:
            part = Part(TASK, Dataset.from_list(train), {})
            training = Training(
                asked.model, [part], Mixture((TASK.name,)), settings, RuntimeOptions(save_every_s=1e9),
                Path(work), lambda metrics, step: None,
            )  # fmt: skip
            before, begun = dev_loss(training, dev), time.monotonic()
            training.loop().run()
            took = (time.monotonic() - begun) / asked.steps
            after = dev_loss(training, dev)
            print(
                f"quantize={quantize}: dev loss {before:.3f} -> {after:.3f}, {took:.2f} s a step", flush=True
            )


if __name__ == "__main__":
    main()
