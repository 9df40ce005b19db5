"""Classification of single texts, and yes/no questions."""

from __future__ import annotations

from typing import Any

from mlflow_xfer import languages
from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import Hub, Task

RECIPE = Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=256)
TRAINED = {"train": "train", "validation": "validation"}
FLORES = {code: language.flores_code for code, language in languages.table().items() if language.flores_code}
SIB_TOPICS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")


def _text(name: str, hub: Hub, labels: tuple[str, ...], description: str, **more: Any) -> Task:
    more = {"uses": ("intermediate",), "recipe": RECIPE, "languages": ("en",)} | more
    return Task(
        name=name,
        kind="classification",
        metric="accuracy",
        labels=labels,
        sources={"hub": (hub,)},
        description=description,
        **more,
    )


TASKS = (
    _text(
        "sst2",
        Hub(
            "nyu-mll/glue",
            config="sst2",
            splits=TRAINED,
            columns={"text_a": "sentence", "id": "idx"},
            labels=("negative", "positive"),
        ),
        ("negative", "positive"),
        "sentiment of film reviews",
        skills=("sentiment",),
        licence="not stated",
        citation="Socher et al. 2013",
        size=67_349,
        verified=True,
    ),
    _text(
        "cola",
        Hub(
            "nyu-mll/glue",
            config="cola",
            splits=TRAINED,
            columns={"text_a": "sentence", "id": "idx"},
            labels=("unacceptable", "acceptable"),
        ),
        ("unacceptable", "acceptable"),
        "is a sentence grammatical?",
        skills=("morphosyntax",),
        licence="not stated",
        citation="Warstadt et al. 2019",
        size=8_551,
        verified=True,
    ),
    _text(
        "boolq",
        Hub(
            "aps/super_glue",
            config="boolq",
            splits=TRAINED,
            columns={"text_a": "passage", "text_b": "question", "id": "idx"},
            labels=("no", "yes"),
        ),
        ("no", "yes"),
        "yes/no questions about a passage",
        skills=("inference", "reading"),
        licence="CC BY-SA 3.0",
        citation="Clark et al. 2019",
        size=9_427,
        verified=True,
    ),
    _text(
        "sib200",
        Hub(
            "Davlan/sib200",
            config="{language}",
            columns={"text_a": "text", "label": "category", "id": "index_id"},
            codes=FLORES,
            languages={"train": tuple(FLORES)},
        ),
        SIB_TOPICS,
        "topics of FLORES sentences; the rows are translations of one another",
        languages=tuple(FLORES),
        train_languages=tuple(FLORES),
        uses=("target",),
        overlaps=("sib200",),
        skills=("topic",),
        recipe=Recipe(learning_rate=1e-5, num_train_epochs=20.0, train_batch_size=16, max_seq_length=164),
        licence="CC BY-SA 4.0",
        citation="Adelani et al. 2024",
        size=701,
        verified=True,
    ),
)
