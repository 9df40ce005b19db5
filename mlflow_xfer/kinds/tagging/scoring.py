"""How tags are judged: XTREME's F1, entity F1 or accuracy, filed one tag a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from mlflow_xfer.kinds.tagging import schemes
from mlflow_xfer.kinds.tagging.entities import (
    CONSISTENCIES,
    LENGTHS,
    by_entity,
    label_consistency,
    sentence_attributes,
)
from mlflow_xfer.kinds.tagging.f1 import (
    chunks,
    entity_figures,
    rows,
    rows_by,
    scheme_figures,
    strict_figures,
    tag_figures,
)
from mlflow_xfer.kinds.tagging.files import TAGS
from mlflow_xfer.kinds.tagging.schemes import BARE, XTREME
from mlflow_xfer.scoring.baselines import mean_of_draws, most_frequent, value_of
from mlflow_xfer.scoring.buckets import as_rows, by_attribute
from mlflow_xfer.scoring.evaluation import Answered, Compared
from mlflow_xfer.scoring.formats import Format
from mlflow_xfer.scoring.score import Metric
from mlflow_xfer.tasks.task import Task

ENTITIES = "entity_f1"


def _metric(name: str, figures: Callable, value: str, description: str) -> Metric:
    return Metric(name, rows, figures, (value,), description=description)


@cache
def _by_scheme(name: str, scheme: str) -> Metric:
    figures = strict_figures if name == ENTITIES and scheme != BARE else scheme_figures
    value = "accuracy" if name == "tag_accuracy" else "f1"
    return Metric(name, rows_by(scheme), figures, (value,), description=f"of tags by the scheme {scheme}")


class Tagging(Answered):
    name = "tagging"
    metrics = {
        "tag_f1": _metric("tag_f1", tag_figures, "f1", "XTREME's F1 of part-of-speech tags (UDPOS)"),
        "tag_accuracy": _metric(
            "tag_accuracy", tag_figures, "accuracy", "share of words with the right tag (CCG supertags)"
        ),
        ENTITIES: _metric(ENTITIES, entity_figures, "f1", "entity F1 over BIO tags (PAN-X)"),
    }
    gold = "tags"
    between = " "

    def metric(self, task: Task) -> Metric:
        """XTREME's rule for XTREME's tags; those of users by their scheme."""
        scheme = task.option("scheme")
        return self.metrics[task.metric] if scheme == XTREME else _by_scheme(task.metric, scheme)

    def options_of(self, references: Sequence) -> Mapping[str, Any]:
        tagged = [self.value(one) for one in references]
        tags = {tag for one in tagged if isinstance(one, list) for tag in one if isinstance(tag, str)}
        return {"scheme": schemes.scheme_of(sorted(tags))}

    def value(self, given: Any) -> Any:
        """Tags may be given as a text with blanks between them."""
        return given.split() if isinstance(given, str) else given

    def undeclared(self, task: Task, right: Sequence[Any]) -> list[Any]:
        tags = [tag for sentence in right if isinstance(sentence, list) for tag in sentence]
        return [tag for tag in dict.fromkeys(tags) if tag not in task.labels] if task.labels else []

    def alien(self, task: Task, predictions: Sequence[Any]) -> bool:
        tags = {tag for sentence in predictions if isinstance(sentence, list) for tag in sentence}
        return bool(task.labels) and tags.isdisjoint(task.labels)

    def baselines(
        self,
        metric: str | Metric,
        references: Sequence,
        training: Sequence | None,
        options: Sequence[str] | None,
        language: str,
        rng: Any,
    ) -> dict[str, float]:
        gold = [list(tags) for tags in references]
        majority = most_frequent(tag for sentence in training or gold for tag in sentence)
        tags = np.array(sorted(options or {tag for sentence in gold for tag in sentence}), dtype=object)

        def draw() -> list[list[str]]:
            return [list(tags[rng.integers(0, len(tags), len(sentence))]) for sentence in gold]

        return {
            "chance": mean_of_draws(draw, metric, gold, language),
            "majority": value_of(metric, [[majority] * len(sentence) for sentence in gold], gold, language),
        }

    def buckets(
        self, task: Task, found: Mapping[str, Compared], trained_on: Callable[[], Sequence[Any]]
    ) -> list[dict[str, Any]]:
        """By length of sentences and density of entities; entities also by length and consistency: how surely
        one had its type in the rows that the target was trained on."""
        of_sentences = by_attribute(
            self.metric(task),
            {code: [sentence_attributes(example) for example in one.split] for code, one in found.items()},
            {code: one.predictions for code, one in found.items()},
            {code: one.references for code, one in found.items()},
        )
        if task.metric != ENTITIES:
            return of_sentences
        read = trained_on()
        seen = [[value for split in read for value in split[column][:]] for column in ("words", "tags")]
        scheme = task.option("scheme")
        find = chunks if scheme == XTREME else partial(schemes.chunks, scheme=scheme)
        consistency = label_consistency(seen[0], seen[1], find) if read else None
        of_entities: list[dict[str, Any]] = []
        for language, one in found.items():
            sides = one.predictions, one.references
            of_entities += as_rows(language, "entity_length", by_entity(*sides, LENGTHS, find=find))
            if consistency:
                words = [example["words"] for example in one.split]
                by = by_entity(*sides, CONSISTENCIES, consistency, words, find)
                of_entities += as_rows(language, "label_consistency", by)
        return of_sentences + of_entities

    def file_format(self, task: Task) -> Format:
        return TAGS


KIND = Tagging()
