"""Where errors lie: scores by an attribute of the examples, as XTREME-R's fine-grained analysis does.

Ruder et al. 2021 (arXiv 2104.07412) use ExplainaBoard's attributes. Each kind of task says which it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring.score import Metric, metric_of

BUCKETS = 4


@dataclass(frozen=True)
class Bucket:
    """Examples with an attribute from ``low`` to ``high``: their number and score
    (0-100; None without examples)."""

    low: float
    high: float
    n: int
    score: float | None


def edges(values: Sequence[float], buckets: int = BUCKETS) -> list[float]:
    """Bucket borders, lowest and highest value included, so that buckets are about equally full.

    Equal borders are merged: an attribute with few values has fewer buckets. Use the borders of one language
    (or of all together) for every language, else the buckets do not compare.
    """
    if not len(values):
        raise XferError("There is no example to put into buckets.")
    borders = np.quantile(np.asarray(values, float), np.linspace(0, 1, buckets + 1), method="inverted_cdf")
    return list(dict.fromkeys(borders.tolist()))


def which(values: Sequence[float], borders: Sequence[float]) -> np.ndarray:
    """The bucket (from 0) of each value: a bucket includes its upper border; values outside go to the
    ends."""
    inner = np.asarray(borders[1:-1], float)
    return np.searchsorted(inner, np.asarray(values, float), side="left")


def by_example(
    metric: Metric, rows: np.ndarray, values: Sequence[float], borders: Sequence[float]
) -> list[Bucket]:
    """The metric on each bucket, from what each example contributes (``rows``, one for each of
    ``values``)."""
    place, table = which(values, borders), []
    for i, (low, high) in enumerate(limits_of(borders)):
        members = rows[place == i]
        value = float(metric.of(metric.gathered(members))) if len(members) else None
        table.append(Bucket(low, high, len(members), value))
    return table


def limits_of(borders: Sequence[float]) -> list[tuple[float, float]]:
    """The lower and upper border of each bucket; one border alone is a bucket of one value."""
    return list(zip(borders, borders[1:], strict=False)) or [(borders[0], borders[0])]


def by_attribute(
    metric: str | Metric,
    attributes: Mapping[str, Sequence[Mapping[str, float]]],
    predictions: Mapping[str, Sequence],
    references: Mapping[str, Sequence],
) -> list[dict[str, Any]]:
    """Scores by language and attribute: one row for each bucket.

    Borders are those of all languages together, so that languages compare. An attribute that is the same
    everywhere has no buckets.

    Args:
        attributes: by language, those of each example, in the order of ``predictions`` and ``references``.
    """
    chosen = metric_of(metric)
    rows = {
        language: chosen.rows(predictions[language], references[language], language)
        for language in attributes
    }
    table = []
    for name in dict.fromkeys(name for mine in attributes.values() for values in mine for name in values):
        borders = edges([values[name] for mine in attributes.values() for values in mine])
        if len(borders) > 2:
            for language, mine in attributes.items():
                buckets = by_example(chosen, rows[language], [values[name] for values in mine], borders)
                table += as_rows(language, name, buckets)
    return table


def as_rows(language: str, attribute: str, buckets: Sequence[Bucket]) -> list[dict[str, Any]]:
    """Buckets as lines of a table."""
    return [{"language": language, "attribute": attribute, **vars(bucket)} for bucket in buckets]
