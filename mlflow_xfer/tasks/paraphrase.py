"""Paraphrases: do two texts mean the same?"""

from __future__ import annotations

from typing import Any

from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import Files, Hub, Task, codes

SENTENCES = {"text_a": "sentence1", "text_b": "sentence2"}
TRAINED = {"train": "train", "validation": "validation"}
RECIPE = Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=256)
XTREME = Recipe(
    learning_rate=2e-5,
    num_train_epochs=5.0,
    train_batch_size=32,
    max_seq_length=128,
    warmup_ratio=0.0,
    weight_decay=0.0,
)
PAWSX_LANGUAGES = codes("de en es fr ja ko zh")


def _paraphrase(
    name: str, hub: Hub, description: str, labels: tuple[str, ...] = ("0", "1"), **more: Any
) -> Task:
    more = {
        "uses": ("intermediate",),
        "recipe": RECIPE,
        "skills": ("paraphrase",),
        "languages": ("en",),
    } | more
    return Task(
        name=name,
        kind="classification",
        metric="accuracy",
        labels=labels,
        sources={"hub": (hub,)} | more.pop("sources", {}),
        description=description,
        **more,
    )


TASKS = (
    _paraphrase(
        "qqp",
        Hub(
            "nyu-mll/glue",
            config="qqp",
            splits=TRAINED,
            columns={"text_a": "question1", "text_b": "question2", "id": "idx"},
            labels=("not_duplicate", "duplicate"),
        ),
        "are two Quora questions duplicates?",
        ("not_duplicate", "duplicate"),
        licence="non-commercial (Quora)",
        citation="Iyer et al. 2017",
        size=363_846,
        verified=True,
    ),
    _paraphrase(
        "mrpc",
        Hub(
            "nyu-mll/glue",
            config="mrpc",
            columns=SENTENCES | {"id": "idx"},
            labels=("not_equivalent", "equivalent"),
        ),
        "do two news sentences mean the same?",
        ("not_equivalent", "equivalent"),
        licence="research use (Microsoft)",
        citation="Dolan and Brockett 2005",
        size=3_668,
        verified=True,
    ),
    _paraphrase(
        "paws",
        Hub(
            "google-research-datasets/paws",
            config="labeled_final",
            columns=SENTENCES,
            labels=("0", "1"),
        ),
        "pairs with nearly the same words; 1 = same meaning",
        overlaps=("pawsx",),
        family="paws",
        licence="free to use, acknowledgement asked for",
        citation="Zhang et al. 2019",
        size=49_401,
    ),
    _paraphrase(
        "pawsx",
        Hub(
            "google/xtreme",
            config="PAWS-X.{language}",
            columns=SENTENCES,
            languages={"train": PAWSX_LANGUAGES},
        ),
        "XTREME: PAWS in seven languages; 1 = same meaning",
        languages=PAWSX_LANGUAGES,
        uses=("target", "intermediate"),
        recipe=XTREME,
        sources={
            "folder": (
                Files(
                    {
                        "train": "pawsx/train-{language}.tsv",
                        "validation": "pawsx/dev-{language}.tsv",
                        "test": "pawsx/test-{language}.tsv",
                    },
                    columns={"text_a": 0, "text_b": 1, "label": 2},
                ),
            )
        },
        overlaps=("pawsx",),
        family="paws",
        licence="free to use, acknowledgement asked for",
        citation="Yang et al. 2019",
        size=49_401,
        verified=True,
    ),
    _paraphrase(
        "pawsx-translate-train",
        Hub(
            "google-research-datasets/paws-x",
            config="{language}",
            columns=SENTENCES,
            labels=("0", "1"),
            languages={"train": PAWSX_LANGUAGES},
        ),
        "PAWS' training set machine-translated into PAWS-X's languages",
        languages=PAWSX_LANGUAGES,
        train_languages=PAWSX_LANGUAGES,
        overlaps=("pawsx",),
        family="paws",
        licence="free to use, acknowledgement asked for",
        citation="Yang et al. 2019",
        size=49_401,
        verified=True,
    ),
)
