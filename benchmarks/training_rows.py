"""What ``training.py`` trains and what on: its plan, texts, pairs and the model of random weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlflow_xfer.models.load import save
from mlflow_xfer.models.scratch import SIZES, random_lm
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.tasks.task import Task

BASE = {"hidden": 768, "layers": 12, "heads": 12, "inner": 3072, "std": 0.02}  # XLM-R base
HELD_OUT = 20  # every so many-th text, and pair, is for evaluation


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    size: str = "mini"
    device: str = "cpu"
    bf16: bool = False
    batch: int = 32
    updates: int = 200
    warm_up: int = 20
    learning_rate: float = 1e-3
    vocab_size: int = 32_000
    workers: int = 0
    compile: bool = False
    length: int = 128
    model: str = ""


def read_texts(folder: Path) -> list[str]:
    """All lines of ``<language>.txt``, mixed."""
    lines = [
        line
        for file in sorted(folder.glob("*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    return [lines[i] for i in np.random.default_rng(0).permutation(len(lines))]


def read_pairs(file: Path | None, texts: Sequence[str]) -> tuple[Task, list[dict]]:
    """Labelled pairs of ``file`` (premise, hypothesis, label), else halves of texts:
    do they belong together?
    """
    if file:
        raw = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        rows = [{"text_a": r["premise"], "text_b": r["hypothesis"], "label": str(r["label"])} for r in raw]
    else:
        halves = [(t[: len(t) // 2], t[len(t) // 2 :]) for t in texts if len(t) > 40]
        others = halves[1:] + halves[:1]
        rows = [
            {"text_a": a, "text_b": b if i % 2 else other, "label": "same" if i % 2 else "other"}
            for i, ((a, b), (_, other)) in enumerate(zip(halves, others, strict=True))
        ]
    labels = tuple(sorted({row["label"] for row in rows}))
    task = Task(
        name="pairs",
        kind="classification",
        metric="accuracy",
        languages=("en",),
        sources={},
        labels=labels,
    )
    return task, [{"id": str(i), **row} for i, row in enumerate(rows)]


def split(rows: Sequence[Any]) -> tuple[list, list]:
    """(training, held out)."""
    return [r for i, r in enumerate(rows) if i % HELD_OUT], [
        r for i, r in enumerate(rows) if i % HELD_OUT == 0
    ]


def make_model(folder: Path, texts: Sequence[str], plan: Plan) -> Path:
    """A model with random weights and a tokenizer trained on ``texts``, filled up to the size asked for."""
    from transformers import XLMRobertaConfig

    tokenizer = train_tokenizer(texts, plan.vocab_size, "xlm-roberta")
    missing = plan.vocab_size - len(tokenizer)
    if missing > 0:  # texts too few for so many pieces: the rows of the embedding count, not what they mean
        tokenizer.add_tokens([f"<unused{i}>" for i in range(missing)])
    row = BASE if plan.size == "base" else SIZES[plan.size]
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=row["hidden"],
        num_hidden_layers=row["layers"],
        num_attention_heads=row["heads"],
        intermediate_size=row["inner"],
        initializer_range=row["std"],
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
    )
    return save(random_lm(config, 0), tokenizer, folder)
