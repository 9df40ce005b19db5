"""Entries for the tasks that XTREME scores, with few languages, and suites of them."""

from __future__ import annotations

from mlflow_xfer.tasks.task import Suite, Task, TaskKind


def entry(name: str, kind: TaskKind, metric: str, languages: str, trained: bool = True) -> Task:
    return Task(
        name=name,
        kind=kind,
        metric=metric,
        languages=tuple(languages.split()),
        sources={},
        labels=(),
        trained=trained,
    )


KINDS = {
    "xnli": entry("xnli", TaskKind.CLASSIFICATION, "accuracy", "de en sw"),
    "pawsx": entry("pawsx", TaskKind.CLASSIFICATION, "accuracy", "de zh"),
    "udpos": entry("udpos", TaskKind.TAGGING, "tag_f1", "de en"),
    "panx": entry("panx", TaskKind.TAGGING, "entity_f1", "de en"),
    "xquad": entry("xquad", TaskKind.SPAN_QA, "squad", "ar de el en es hi ru th tr vi zh"),
    "mlqa": entry("mlqa", TaskKind.SPAN_QA, "mlqa", "ar de en es hi vi zh"),
    "tydiqa": entry("tydiqa", TaskKind.SPAN_QA, "squad", "ar bn en fi id ko ru sw te"),
    "bucc2018": entry("bucc2018", TaskKind.RETRIEVAL, "bucc_f1", "de fr ru zh", trained=False),
    "tatoeba": entry("tatoeba", TaskKind.RETRIEVAL, "retrieval_accuracy", "de sw", trained=False),
    "xcopa": entry("xcopa", TaskKind.MULTIPLE_CHOICE, "accuracy", "et th"),
    "mewslix": entry("mewslix", TaskKind.RETRIEVAL, "map_at_20", "ar de en es fa ja pl ro ta tr uk"),
}


def suite_of(*names: str) -> Suite:
    return Suite(name="toy", groups={"all": names}, languages={name: KINDS[name].languages for name in names})
