"""Natural language inference."""

from __future__ import annotations

from mlflow_xfer.tasks.task import Files, Hub, Recipe, Task, TaskKind

LABELS = ("entailment", "neutral", "contradiction")
PAIR = {"text_a": 0, "text_b": 1, "label": 2}
# Raw XNLI and MultiNLI translations say "contradictory" (protocol: google-research/xtreme, utils_preprocess.py).
SAID = {"contradictory": "contradiction"}

XNLI_LANGUAGES = tuple("ar bg de el en es fr hi ru sw th tr ur vi zh".split())

MNLI_HUB = Hub(
    "nyu-mll/glue",
    config="mnli",
    splits={"train": "train", "validation": "validation_matched"},
    columns={"text_a": "premise", "text_b": "hypothesis", "id": "idx"},
    labels=LABELS,
    languages={"validation": ("en",)},
)

TASKS = (
    Task(
        name="mnli",
        kind=TaskKind.CLASSIFICATION,
        metric="accuracy",
        languages=("en",),
        labels=LABELS,
        sources={
            "hub": (MNLI_HUB,),
            "folder": (
                Files(
                    {"train": "xnli/train-{language}.tsv", "validation": "xnli/dev-{language}.tsv"},
                    columns=PAIR,
                    labels=SAID,
                    languages={"train": ("en",), "validation": ("en",)},
                ),
            ),
        },
        uses=("intermediate",),
        recipe=Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=256),
        skills=("inference",),
        overlaps=("xnli", "xtreme-xnli"),
        description="does the hypothesis follow from the premise? (MultiNLI; in a folder: XNLI's English part)",
        licence="OANC and others, per genre (MultiNLI)",
        citation="Williams et al. 2018",
        size=392_702,
        verified=True,
    ),
    Task(
        name="xnli",
        kind=TaskKind.CLASSIFICATION,
        metric="accuracy",
        languages=XNLI_LANGUAGES,
        labels=LABELS,
        sources={
            "hub": (
                MNLI_HUB,
                Hub(
                    "google/xtreme",
                    config="XNLI",
                    splits={"validation": "validation", "test": "test"},
                    columns={"text_a": "sentence1", "text_b": "sentence2", "label": "gold_label"},
                    where={"language": "{language}"},
                ),
            ),
            "folder": (
                Files(
                    {"train": "xnli/train-{language}.tsv", "validation": "xnli/dev-{language}.tsv", "test": "xnli/test-{language}.tsv"},
                    columns=PAIR,
                    labels=SAID,
                ),
            ),
        },
        uses=("target",),
        recipe=Recipe(learning_rate=3e-5, num_train_epochs=5.0, train_batch_size=32, max_seq_length=128, warmup_ratio=0.0, weight_decay=0.0),
        skills=("inference",),
        description="XTREME: natural language inference in 15 languages; trained on MNLI",
        licence="CC BY-NC 4.0",
        citation="Conneau et al. 2018",
        size=392_702,
    ),
)
