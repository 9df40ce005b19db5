"""Paraphrases."""

from __future__ import annotations

from mlflow_xfer.tasks.task import Files, Hub, Recipe, Task, TaskKind

PAWSX_LANGUAGES = tuple("de en es fr ja ko zh".split())

TASKS = (
    Task(
        name="pawsx",
        kind=TaskKind.CLASSIFICATION,
        metric="accuracy",
        languages=PAWSX_LANGUAGES,
        labels=("0", "1"),
        sources={
            "hub": (
                Hub(
                    "google/xtreme",
                    config="PAWS-X.{language}",
                    columns={"text_a": "sentence1", "text_b": "sentence2"},
                    languages={"train": PAWSX_LANGUAGES},
                ),
            ),
            "folder": (
                Files(
                    {"train": "pawsx/train-{language}.tsv", "validation": "pawsx/dev-{language}.tsv", "test": "pawsx/test-{language}.tsv"},
                    columns={"text_a": 0, "text_b": 1, "label": 2},
                ),
            ),
        },
        uses=("target", "intermediate"),
        recipe=Recipe(learning_rate=2e-5, num_train_epochs=5.0, train_batch_size=32, max_seq_length=128, warmup_ratio=0.0, weight_decay=0.0),
        skills=("paraphrase",),
        description="XTREME: do two sentences mean the same? (1 = yes)",
        licence="free to use, acknowledgement asked for (PAWS-X notice)",
        citation="Yang et al. 2019",
        size=49_401,
    ),
)
