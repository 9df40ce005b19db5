"""Correlation of predicted with gold numbers over a whole sample, times 100: -100 to 100.

Where one side is constant nothing varies together, and the correlation is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring.score import Metric, paired


def correlation(name: str, description: str) -> Metric:
    """The metric ``name``, ``pearson`` or ``spearman``, with the other one as a component."""
    return Metric(name, _rows, _figures, (name,), description=description, sample=True)


def _rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
    """``[n, 2]``: predicted, gold."""
    paired(predictions, references, language)
    try:
        rows = np.array([predictions, references], np.float64).T.reshape(-1, 2)
    except (TypeError, ValueError):
        raise XferError(f"{language}: predictions and references of a correlation are numbers.") from None
    if not np.isfinite(rows).all():
        number = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0]) + 1
        raise XferError(f"{language}: example {number} has a value that is not a finite number.")
    return rows


def _figures(samples: np.ndarray) -> dict[str, np.ndarray]:
    from scipy.stats import rankdata

    return {"pearson": pearson(samples), "spearman": pearson(rankdata(samples, axis=-2))}


def pearson(samples: np.ndarray) -> np.ndarray:
    """Pearson's correlation, times 100, of the two columns of samples ``[..., n, 2]``; shape ``[...]``."""
    centred = samples - samples.mean(axis=-2, keepdims=True)
    varies = (np.ptp(samples, axis=-2) > 0).all(axis=-1)
    together = (centred[..., 0] * centred[..., 1]).sum(axis=-1)
    spread = np.sqrt((centred**2).sum(axis=-2)).prod(axis=-1)
    correlations = np.divide(together, spread, out=np.zeros_like(together), where=varies & (spread > 0))
    return 100.0 * np.clip(correlations, -1.0, 1.0)
