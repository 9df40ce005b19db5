"""Graded pairs: how alike are two sentences?"""

from __future__ import annotations

from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import Files, Hub, Task

# Devlin et al. 2019's fine-tuning of STS-B, a learning rate of the middle of their range.
RECIPE = Recipe(learning_rate=3e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=128)

TASKS = (
    Task(
        name="stsb",
        kind="regression",
        metric="pearson",
        languages=("en",),
        sources={
            "hub": (
                Hub(
                    "nyu-mll/glue",
                    config="stsb",
                    splits={"train": "train", "validation": "validation"},
                    columns={"text_a": "sentence1", "text_b": "sentence2", "id": "idx"},
                ),
            )
        },
        uses=("intermediate",),
        recipe=RECIPE,
        skills=("paraphrase",),
        description="similarity of two sentences, 0 to 5",
        licence="not stated",
        citation="Cer et al. 2017",
        size=5_749,
        verified=True,
    ),
    Task(
        name="sick-relatedness",
        kind="regression",
        metric="pearson",
        languages=("en",),
        sources={
            "folder": (
                Files(
                    {
                        "train": "sick/SICK_train.txt",
                        "validation": "sick/SICK_trial.txt",
                        "test": "sick/SICK_test_annotated.txt",
                    },
                    format="tsv",
                    header=True,
                    columns={
                        "id": "pair_ID",
                        "text_a": "sentence_A",
                        "text_b": "sentence_B",
                        "label": "relatedness_score",
                    },
                ),
            )
        },
        recipe=RECIPE,
        skills=("paraphrase", "inference"),
        description="relatedness of two sentences, 1 to 5; SemEval 2014's files",
        licence="CC BY-NC-SA 3.0",
        citation="Marelli et al. 2014",
        size=4_500,
        verified=True,
    ),
)
