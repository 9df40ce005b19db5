"""Legal tasks."""

from __future__ import annotations

from typing import Any

from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import Hub, Task

RECIPE = Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=256)
PROVISIONS = tuple(str(number) for number in range(100))
CONTRACT_LABELS = ("contradiction", "entailment", "neutral")
FAIRNESS = ("potentially unfair", "clearly unfair", "clearly fair", "untagged")


def _legal(name: str, kind: str, hub: Hub, description: str, **more: Any) -> Task:
    more = {"metric": "accuracy", "languages": ("en",), "uses": ("intermediate",), "recipe": RECIPE} | more
    return Task(
        name=name, kind=kind, sources={"hub": (hub,)}, domain="legal", description=description, **more
    )


TASKS = (
    _legal(
        "casehold",
        "multiple_choice",
        Hub(
            "coastalcph/lex_glue",
            config="case_hold",
            columns={"choices": "endings"},
        ),
        "which holding does a US court decision cite?",
        skills=("reading",),
        licence="CC BY 4.0",
        citation="Zheng et al. 2021; Chalkidis et al. 2022",
        size=45_000,
        verified=True,
    ),
    _legal(
        "contractnli",
        "classification",
        Hub(
            "kiddothe2b/contract-nli",
            config="contractnli_a",
            revision="refs/convert/parquet",
            columns={"text_a": "premise", "text_b": "hypothesis"},
            labels=CONTRACT_LABELS,
        ),
        "does a clause of a non-disclosure agreement entail a statement?",
        labels=CONTRACT_LABELS,
        skills=("inference",),
        licence="CC BY-NC-SA 4.0",
        citation="Koreeda and Manning 2021",
        size=6_820,
    ),
    _legal(
        "ledgar",
        "classification",
        Hub(
            "coastalcph/lex_glue",
            config="ledgar",
            columns={"text_a": "text"},
        ),
        "which of 100 provisions is a contract paragraph? (labels are the data set's numbers)",
        labels=PROVISIONS,
        skills=("topic",),
        licence="CC BY 4.0",
        citation="Tuggener et al. 2020; Chalkidis et al. 2022",
        size=60_000,
        verified=True,
    ),
    _legal(
        "unfair-tos",
        "classification",
        Hub(
            "coastalcph/lex_glue",
            config="unfair_tos",
            columns={"text_a": "text", "label": "labels"},
            labels={"[]": "fair", "*": "unfair"},
        ),
        (
            "is a sentence of terms of service unfair to the consumer? (the eight kinds of unfairness taken "
            "together)"
        ),
        labels=("fair", "unfair"),
        skills=("topic",),
        licence="CC BY 4.0",
        citation="Lippi et al. 2019; Chalkidis et al. 2022",
        size=5_532,
        verified=True,
    ),
    _legal(
        "terms-of-service",
        "classification",
        Hub(
            "joelito/lextreme",
            config="online_terms_of_service_unfairness_levels",
            revision="refs/convert/parquet",
            columns={"text_a": "input"},
            labels=FAIRNESS,
            where={"language": "{language}"},
        ),
        "LEXTREME: how unfair is a sentence of terms of service, in four languages?",
        labels=FAIRNESS,
        languages=("de", "en", "it", "pl"),
        uses=("target",),
        skills=("topic",),
        licence="CC BY-NC 4.0",
        citation="Drawzeski et al. 2021; Niklaus et al. 2023",
    ),
)
