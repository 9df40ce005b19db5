"""LoRA and QLoRA on a real model: the loss on held-out MNLI before and after a few hundred steps.

``python benchmarks/adapters.py MODEL MNLI.jsonl --work FOLDER``: rows with ``premise``, ``hypothesis`` and
``label``. Killed, it goes on from its last state in FOLDER. Chance is a loss of ln 3 = 1.099.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
from datasets import Dataset

from mlflow_xfer.data.encode import encode
from mlflow_xfer.errors import TRY_AGAIN
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.heads import run
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture, Task
from mlflow_xfer.training.batches import reading
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.trainer import Training

LABELS = ("entailment", "neutral", "contradiction")
TASK = Task(
    name="mnli", kind="classification", metric="accuracy", languages=("en",), sources={}, labels=LABELS
)
LENGTH, DEV = 64, 256


class Enough(Exception):
    """Stops a training once its state is saved."""

    exit_code = TRY_AGAIN


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
def scores(training: Training, rows: list[dict]) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (0-100) of ``rows``."""
    model, made = training.model.eval(), kind.model(TASK.kind)
    encoded = encode(Dataset.from_list(rows), TASK, training.tokenizer, LENGTH, decoder=model.decoder)
    how = reading(training.tokenizer, model.config, model.decoder, torch.cuda.is_available())
    device = next(model.parameters()).device
    loss, right = 0.0, 0
    for begin in range(0, len(rows), 32):
        numbers = list(range(begin, min(begin + 32, len(rows))))
        inputs = made.inputs(encoded, numbers, how)
        targets, _ = made.targets(encoded, numbers, inputs)
        inputs, targets = (
            {name: tensor.to(device) for name, tensor in one.items()} for one in (inputs, targets)
        )
        output = run(model.head(TASK.name), inputs, model.decoder)
        loss += float(made.loss_sum(output, targets))
        right += int((output.logits.argmax(-1) == targets["labels"]).sum())
    return loss / len(rows), 100 * right / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("mnli", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="where states lie")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--until", type=int, default=0, help="score after so many of the steps, and stop")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--longest", type=int, default=120, help="characters of a pair")
    parser.add_argument("--quantize", choices=("none", "nf4"), default="none")
    asked = parser.parse_args()
    rows = pairs(asked.mnli, asked.longest)
    dev, train = rows[:DEV], rows[DEV:]
    settings = TrainingSettings(
        max_steps=asked.steps, train_batch_size=asked.batch, max_seq_length=LENGTH, learning_rate=asked.rate,
        select_by="last", trainable="lora", quantize=asked.quantize,
    )  # fmt: skip
    print(f"{len(train)} training and {len(dev)} dev pairs, {settings.stated()}", flush=True)
    begun = time.process_time()

    def log(metrics: dict[str, float], step: int) -> None:
        if step and step % 10 == 0:
            shown = f"{metrics.get('train/loss', math.nan):.3f}"
            print(f"  step {step}: loss {shown}, {time.process_time() - begun:.0f} s", flush=True)
        if asked.until and step >= asked.until:
            raise Enough(step)

    training = Training(
        asked.model, [Part(TASK, Dataset.from_list(train), {})], Mixture((TASK.name,)), settings,
        RuntimeOptions(save_every_s=120.0), asked.work, log,
    )  # fmt: skip
    before = scores(training, dev)
    done = asked.steps
    try:
        training.loop().run()
    except Enough as stopped:
        done = stopped.args[0]
    after = scores(training, dev)
    print(
        f"quantize={asked.quantize}, {done} steps: dev loss {before[0]:.3f} -> {after[0]:.3f}, "
        f"accuracy {before[1]:.1f} -> {after[1]:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
