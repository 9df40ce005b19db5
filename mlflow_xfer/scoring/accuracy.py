"""Accuracy, for every kind that has one right answer: a label, a choice, the row of a translation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlflow_xfer.scoring.score import Metric, paired, ratio


def plain(value: object) -> str:
    """A label as XTREME's files spell it: text without outer white space, numbers in
    decimals (``3``, not ``3.0``)."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


def _rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
    """``[n, 2]``: right (0 or 1), and 1."""
    paired(predictions, references, language)
    right = [plain(p) == plain(r) for p, r in zip(predictions, references, strict=True)]
    return np.array([right, [1] * len(right)], dtype=np.int64).T


def _figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {"accuracy": ratio(sums[..., 0], sums[..., 1])}


def accuracy(name: str, description: str) -> Metric:
    """The share of examples with the right label, as a metric called ``name``."""
    return Metric(name, _rows, _figures, ("accuracy",), "wilson", description)
