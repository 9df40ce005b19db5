"""How unequal scores are across languages, by tau and by the usual measures beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.stats.blocks import cells
from mlflow_xfer.stats.dispersion import levels, sizes_of
from mlflow_xfer.stats.frame import check, correlated


def gini(values: np.ndarray) -> float:
    """Gini coefficient of non-negative values; 0 = all alike, ``nan`` if all are 0."""
    x = np.sort(np.asarray(values, float))
    if x.sum() == 0:
        return math.nan
    rank = np.arange(1, len(x) + 1)
    return float(((2 * rank - len(x) - 1) * x).sum() / (len(x) * x.sum()))


def describe(
    frame: pd.DataFrame, condition: str, *, exclude: Sequence[str] = ("en",), worst: int = 3
) -> pd.DataFrame:
    """Spread across languages per task: tau (logit, noise removed) first, the plain measures beside it.

    Columns: task, languages, mean, tau, sd, iqr, mad, cv, range, min, worst_mean (of the ``worst`` lowest),
    gini, gap (en - mean of the others; ``nan`` without English). Scores are seed means. Correlations, which
    can be negative, have no tau, cv and gini.
    """
    checked = check(frame)
    block = cells(checked, condition)
    sizes = sizes_of(checked, condition, block.units)
    correlations = set(checked.loc[correlated(checked), "task"])
    score = block.values.mean((0, 1))
    rows, outside = [], set(map(languages.named, exclude))
    codes = languages.codes_of(language for _, language in block.units)
    for task in block.tasks:
        own = [(i, codes[language]) for i, (t, language) in enumerate(block.units) if t == task]
        inside = [i for i, code in own if code not in outside]
        english = [i for i, code in own if code == "en"]
        x = score[inside]
        if len(x) == 0:
            continue
        several, shares = len(x) > 1, task not in correlations
        level = (
            levels(block.values.mean(0)[:, inside], None if sizes is None else sizes[inside])
            if several and shares
            else None
        )
        quartiles = np.percentile(x, [25, 75])
        rows.append(
            {
                "task": task,
                "languages": len(x),
                "mean": x.mean(),
                "tau": math.sqrt(max(float(level.tau2()), 0)) if level else math.nan,
                "sd": x.std(ddof=1) if several else math.nan,
                "iqr": quartiles[1] - quartiles[0],
                "mad": np.median(np.abs(x - np.median(x))),
                "cv": x.std(ddof=1) / x.mean() if several and shares and x.mean() else math.nan,
                "range": np.ptp(x),
                "min": x.min(),
                "worst_mean": np.sort(x)[:worst].mean(),
                "gini": gini(x) if shares else math.nan,
                "gap": score[english[0]] - x.mean() if english else math.nan,
            }
        )
    return pd.DataFrame(rows)
