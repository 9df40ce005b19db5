"""Variance components: how much of the variation of scores comes from base checkpoints,
seeds, languages and tasks.

Model: every factor and every interaction is random, independent, with mean 0; the highest interaction
contains the test noise. Closed form (expected mean squares; Searle, Casella & McCulloch 1992, ch. 4) where
every combination is present; MixedLM (REML) else.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.frame import check

FACTORS = ("base_seed", "seed", "language", "task")
PAIR = "task and language"


def closed_form(values: np.ndarray) -> dict[tuple[int, ...], tuple[float, float]]:
    """``{axes: (component, df)}`` of a complete table with one axis per factor;
    components may come out negative.

    ``component_A = sum over B containing A of (-1)^(|B|-|A|) MS_B / (N / n_A)``: the inversion of E[MS_A] =
    sum (N / n_B) component_B.
    """
    axes = [a for a in range(values.ndim) if values.shape[a] > 1]
    subsets = [s for k in range(1, len(axes) + 1) for s in combinations(axes, k)]
    square, df = {}, {}
    for subset in subsets:
        z = values
        for axis in range(values.ndim):
            mean = z.mean(axis, keepdims=True)
            z = z - mean if axis in subset else mean
        df[subset] = float(np.prod([values.shape[a] - 1 for a in subset]))
        cells = np.prod([values.shape[a] for a in subset])
        square[subset] = float((z**2).sum()) * values.size / cells / df[subset]
    variances = {}
    for subset in subsets:
        per_level = values.size / np.prod([values.shape[a] for a in subset])
        signed = sum((-1) ** (len(b) - len(subset)) * square[b] for b in subsets if set(subset) <= set(b))
        variances[subset] = (signed / per_level, df[subset])
    return variances


def components(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """Components of one condition's scores:
    columns source, df, component (points^2, at least 0), raw, sd, share.

    A negative ``raw`` estimate means: too small to tell from 0. The closed form where every combination is
    present; where tasks cover different languages, with the pair of task and language as one factor; MixedLM
    where seeds lack cells.
    """
    checked = check(frame)
    rows = checked[checked["condition"] == condition]
    present = [f for f in FACTORS if rows[f].nunique() > 1]
    if not present:
        raise XferError(
            f"{condition!r} has one score only.", "Variance needs several seeds, languages or tasks."
        )
    if len(rows) != np.prod([rows[f].nunique() for f in present]):
        pairs = rows["task"].astype(str) + " " + rows["language"].astype(str)
        rows = rows.assign(**{PAIR: pairs})
        present = [f for f in ("base_seed", "seed") if f in present] + [PAIR]
        if len(rows) != np.prod([rows[f].nunique() for f in present]):
            return mixed_components(checked, condition)
    sizes = [rows[f].nunique() for f in present]
    values = rows.sort_values(present)["score"].to_numpy().reshape(sizes)
    variances = closed_form(values)
    last = tuple(range(len(present)))
    table = pd.DataFrame(
        [
            (
                " x ".join(present[a] for a in axes) + (" (with test noise)" if axes == last else ""),
                df,
                max(raw, 0.0),
                raw,
            )
            for axes, (raw, df) in variances.items()
        ],
        columns=["source", "df", "component", "raw"],
    )
    return _shares(table)


def _shares(table: pd.DataFrame) -> pd.DataFrame:
    total = table["component"].sum()
    return table.assign(
        sd=np.sqrt(table["component"]), share=table["component"] / total if total > 0 else np.nan
    )


def mixed_components(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """Main components by REML for tables with holes (statsmodels MixedLM,
    crossed effects as one group's variance components).

    Slow beyond some thousand rows and prone to stop at a component of 0; a cross-check where the table is
    complete.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ImportError:
        raise XferError(
            f"The table of {condition!r} has holes; its variance components need statsmodels.",
            "pip install 'mlflow-xfer[stats]', or report complete tasks and languages only.",
        ) from None
    rows = check(frame)
    rows = rows[rows["condition"] == condition].copy()
    present = [f for f in FACTORS if rows[f].nunique() > 1]
    model = MixedLM.from_formula(
        "score ~ 1",
        groups=np.ones(len(rows)),
        vc_formula={f: f"0 + C({f})" for f in present},
        data=rows,
        re_formula="0",
    )
    fitted = model.fit(reml=True)
    names = sorted(present)  # statsmodels orders variance components by name
    values = dict(zip(names, np.asarray(fitted.vcomp), strict=True))
    table = pd.DataFrame(
        [(f, float(rows[f].nunique() - 1), float(values[f]), float(values[f])) for f in present]
        + [("rest (with test noise)", float(fitted.df_resid), float(fitted.scale), float(fitted.scale))],
        columns=["source", "df", "component", "raw"],
    )
    return _shares(table)
