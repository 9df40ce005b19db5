"""One training step of a task on a tiny model, and a scored prediction, without the trainer around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.packing import Masking, Packer
from mlflow_xfer.data.retrieval import golds, pairs
from mlflow_xfer.kinds import kind
from mlflow_xfer.kinds.retrieval.mining import Side, mine
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.scoring.score import score
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import lm_batch, reading, task_batch
from mlflow_xfer.training.lm import TEXT
from mlflow_xfer.training.predict import predict, predict_with

LIMIT = 48


def step_and_score(
    folder: Path, task: Task, train: Any, test: Any, language: str, pool: Any = None
) -> float | None:
    """The score of ``test`` (None: nothing to score),
    after a step on ``train`` (None: the task is not trained).
    """
    if task.kind == "language_model":
        return _language_model(folder, train)
    if train is None:
        return _untrained(folder, task, test, language)
    tokenizer = load_tokenizer(folder)
    if task.kind == "retrieval":
        train = pairs(train, pool, task.name)
    model = build(folder, [task], lm=False, seed=0)
    encoded = encode(
        train.select(range(min(8, len(train)))), task, tokenizer, LIMIT, decoder=model.decoder, cached=False
    )
    how = reading(tokenizer, model.config, model.decoder)
    _step(model, task_batch(task.name, task.kind, encoded, list(range(min(4, len(encoded)))), how))
    if test is None or task.metric not in kind.scoring(task.kind).metrics:
        return None
    model.eval()
    splits = {language: test} | ({"pool": pool} if pool is not None else {})
    found = predict_with(model.head(task.name), tokenizer, task, splits, LIMIT)[language]
    if task.kind != "retrieval":
        return score(
            task.metric, found, kind.data(task.kind).gold(task, {language: test})[language], language
        ).value
    asked = [
        (ranks, gold)
        for ranks, gold in zip(found, golds({language: test}, task.option("pooled"))[language], strict=True)
        if gold
    ]
    return score(task.metric, [ranks for ranks, _ in asked], [gold for _, gold in asked], language).value


def _step(model: Any, batch: dict) -> None:
    """One step of plain gradient descent: the loss is finite and the backbone moves."""
    before = model.backbone.get_input_embeddings().weight.detach().clone()
    loss = model(batch["task"], batch["targets"], batch["count"], **batch["inputs"])
    assert 0 < loss.item() < float("inf")
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad
    assert not torch.equal(before, model.backbone.get_input_embeddings().weight)


def _language_model(folder: Path, train: Any) -> None:
    tokenizer, model = load_tokenizer(folder), build(folder, [], lm=True, seed=0)
    encoded = encode(train.select(range(8)), TEXT, tokenizer, LIMIT, cached=False)
    masking = (
        None
        if model.decoder
        else Masking(tokenizer.mask_token_id, len(tokenizer), tuple(tokenizer.all_special_ids), 0.5)
    )
    _step(
        model,
        lm_batch(
            Packer({"en": encoded}, LIMIT, 1.0, 0),
            range(2),
            reading(tokenizer, model.config, model.decoder),
            masking,
            0,
            0,
        ),
    )


def _untrained(folder: Path, task: Task, test: Any, language: str) -> float:
    if task.metric == "retrieval_accuracy":
        return score(
            task.metric, predict(folder, task, {language: test})[language], list(range(len(test))), language
        ).value
    found = kind.model(task.kind).vectors(folder, task, {language: test})[language]
    gold = [(name, right) for name, golds_ in zip(test["id"], test["gold"], strict=True) for right in golds_]
    sides = [
        Side([test["id"][n] for n in side.rows], [test[name][n] for n in side.rows], side.vectors)
        for name, side in (("source", found.source), ("target", found.target))
    ]
    return score(task.metric, mine(*sides, gold=gold)[0], gold, language).value
