"""The embedded suite `mini`: generated tasks that train in seconds on one CPU thread."""

from __future__ import annotations

from mlflow_xfer.tasks.task import Generated, Recipe, Suite, Task, TaskKind

LANGUAGES = ("en", "de", "es", "id")


def _mini(name: str) -> dict:
    return {"mini": (Generated(name),)}


TASKS = (
    Task(
        name="nli",
        kind=TaskKind.CLASSIFICATION,
        metric="accuracy",
        languages=LANGUAGES,
        sources=_mini("nli"),
        labels=("entailment", "neutral", "contradiction"),
        uses=("intermediate",),
        recipe=Recipe(learning_rate=1e-4, num_train_epochs=2.0, train_batch_size=16, max_seq_length=64),
        skills=("entailment",),
        description="does the second sentence follow from the first?",
    ),
    Task(
        name="pos",
        kind=TaskKind.TAGGING,
        metric="tag_f1",
        languages=LANGUAGES,
        sources=_mini("pos"),
        labels=("ADV", "NOUN", "VERB"),
        recipe=Recipe(learning_rate=5e-4, num_train_epochs=2.0, train_batch_size=16, max_seq_length=64),
        skills=("type",),
        description="parts of speech",
    ),
    Task(
        name="retrieval",
        kind=TaskKind.RETRIEVAL,
        metric="retrieval_accuracy",
        languages=LANGUAGES[1:],
        sources={"mini": (Generated("retrieval", splits=("test",)),)},
        uses=("target",),
        trained=False,
        description="find the English translation",
    ),
)

SUITE = Suite(
    name="mini",
    groups={"tagging": ("pos",), "retrieval": ("retrieval",)},
    description="a small generated world",
)
