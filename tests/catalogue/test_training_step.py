"""Every task of the hub from its own schema through encoding, one training step, prediction and score.

On an encoder and on a decoder with tiny random weights. The figures mean nothing; that each step can be made is the test.
"""

from __future__ import annotations

import math

import pytest
import torch
from test_catalogue import ON_HUB, mirror  # noqa: F401  (a fixture)

from mlflow_xfer.data import sources
from mlflow_xfer.data.encode import encode
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import build_scratch, load_tokenizer
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases.evaluate import in_order, references
from mlflow_xfer.scoring.score import score
from mlflow_xfer.tasks.task import SPLITS, TaskKind, part_of
from mlflow_xfer.training.batches import padded, reading, task_batch
from mlflow_xfer.training.predict import predict_with

pytestmark = pytest.mark.slow_ci

LENGTH, ROWS = 64, 8
HEADS = (TaskKind.CLASSIFICATION, TaskKind.TAGGING, TaskKind.MULTIPLE_CHOICE, TaskKind.SPAN_QA)
LANGUAGE_MODELS = (TaskKind.MASKED_LM, TaskKind.CAUSAL_LM)
stepped: set[tuple[str, str]] = set()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    found = {}
    for architecture in ("xlm-roberta", "llama"):
        folder = tmp_path_factory.mktemp(architecture)
        tokenizer = train_tokenizer((f"premise {n} hypothesis question {n} context answer choice text" for n in range(200)), 400, architecture)
        build_scratch(architecture, "tiny", tokenizer, 0).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        found[architecture] = folder
    return found


def rows_of(task, split, mirror):  # noqa: F811
    """A few rows of the first language that has the split, or None."""
    for language in sources.available(task, split, "hub")[:1]:
        for source in task.sources["hub"]:
            if part_of(source, split, language):
                for one in (source, *source.also):
                    mirror(one, language)
        found = sources.read(task, sources.locate(task, split, language, "hub"))
        return found.select(range(min(ROWS, len(found))))
    return None


def step(model, task, tokenizer, rows) -> None:
    """One optimiser step on the task's own loss."""
    encoded, how = encode(rows, task, tokenizer, LENGTH, decoder=model.decoder), reading(tokenizer, model.config, model.decoder)
    numbers = range(min(ROWS, len(encoded)))
    if task.kind in LANGUAGE_MODELS:
        inputs = padded(encoded, numbers, how)
        positions = torch.arange(inputs["input_ids"].numel())
        loss = model("lm", targets={"positions": positions, "labels": inputs["input_ids"].flatten()}, count=len(positions), **inputs)
    else:
        batch = task_batch(task.name, task.kind, encoded, numbers, how)
        loss = model(task.name, targets=batch["targets"], count=batch["count"], **batch["inputs"])
    assert math.isfinite(loss.item()) and loss.item() > 0
    before = {name: tensor.clone() for name, tensor in model.tensors().items()}
    loss.backward()
    torch.optim.AdamW(model.parameters(), lr=1e-3).step()
    assert any(not torch.equal(tensor, before[name]) for name, tensor in model.tensors().items())


@pytest.mark.parametrize("task", [task for task in ON_HUB if task.kind in (*HEADS, *LANGUAGE_MODELS)], ids=lambda task: task.name)
def test_a_step_predictions_and_a_score(task, mirror, models):  # noqa: F811
    splits = {split: rows for split in SPLITS if (rows := rows_of(task, split, mirror)) is not None}
    train, test = splits.get("train", next(iter(splits.values()))), splits.get("test", next(reversed(splits.values())))
    for architecture, folder in models.items():
        tokenizer = load_tokenizer(folder)
        model = build(folder, [] if task.kind in LANGUAGE_MODELS else [task], lm=task.kind in LANGUAGE_MODELS, seed=0)
        step(model, task, tokenizer, train)
        if task.kind in HEADS:
            predicted = predict_with(model.head(task.name).eval(), tokenizer, task, {"en": test}, LENGTH)["en"]
            found = score(task.metric, in_order(predicted, test), references(task, test), "en")
            assert 0 <= found.low <= found.value <= found.high <= 100 and found.n == len(test)
        stepped.add((task.name, architecture))


def test_all_of_them_were_stepped():
    if len(stepped) > 2:
        print(f"{len(stepped)} pairs of task and architecture")
        assert len(stepped) == 2 * sum(task.kind in (*HEADS, *LANGUAGE_MODELS) for task in ON_HUB)
