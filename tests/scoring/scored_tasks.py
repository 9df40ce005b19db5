"""Entries for the tasks that XTREME scores, with few languages, and suites of them."""

from __future__ import annotations

from mlflow_xfer.tasks.task import Suite, Task


def entry(name: str, kind: str, metric: str, languages: str, trained: bool = True) -> Task:
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
    "xnli": entry("xnli", "classification", "accuracy", "de en sw"),
    "pawsx": entry("pawsx", "classification", "accuracy", "de zh"),
    "udpos": entry("udpos", "tagging", "tag_f1", "de en"),
    "panx": entry("panx", "tagging", "entity_f1", "de en"),
    "xquad": entry("xquad", "span_qa", "squad", "ar de el en es hi ru th tr vi zh"),
    "mlqa": entry("mlqa", "span_qa", "mlqa", "ar de en es hi vi zh"),
    "tydiqa": entry("tydiqa", "span_qa", "squad", "ar bn en fi id ko ru sw te"),
    "bucc2018": entry("bucc2018", "retrieval", "bucc_f1", "de fr ru zh", trained=False),
    "tatoeba": entry("tatoeba", "retrieval", "retrieval_accuracy", "de sw", trained=False),
    "xcopa": entry("xcopa", "multiple_choice", "accuracy", "et th"),
    "mewslix": entry("mewslix", "retrieval", "map_at_20", "ar de en es fa ja pl ro ta tr uk"),
}


def suite_of(*names: str) -> Suite:
    return Suite(name="toy", groups={"all": names}, languages={name: KINDS[name].languages for name in names})
