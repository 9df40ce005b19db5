"""How a gain goes with the language: its distance to English, its text in pre-training, its script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from real_models_found import SCORES, Found
from real_models_shapes import BASELINE, Stage

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting import charts
from mlflow_xfer.reporting.by_task import bracketed
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.hypertext import Raw
from mlflow_xfer.stats import interaction
from mlflow_xfer.stats.frame import check

ENOUGH = 5
"""Languages from which on slopes are worked out."""


def said_of(found: Found, stage: Stage, task: str, name: str, gain: pd.Series) -> tuple[str, dict[str, Raw]]:
    """In a sentence, and as drawings by property."""
    rows = check(found.of(stage, task)[SCORES].query("condition in [@name, @BASELINE]"))
    rows = rows[rows["seed"].isin(found.blocks(stage, task, (name, BASELINE))[0].seeds)]
    said, drawn = [], {}
    for about, values in _properties(gain.index).items():
        try:
            slope = interaction.covariate_slope(rows, name, BASELINE, values, missing="drop")
        except XferError as error:
            said.append(f"{about}: {error.what.splitlines()[0]}")
            continue
        said.append(f"{bracketed(slope.estimate, slope.low, slope.high)} points per sd of {about}")
        drawn[about] = _scatter(gain, values, slope.estimate, about, f"gain on {task}")
    return "; ".join([*said, f"by script {_by_script(gain)}"]), drawn


def _properties(codes: Iterable[str]) -> dict[str, dict[str, float | None]]:
    """What is known of each language that a gain may go with."""
    sizes = {code: languages.get(code).value("xlmr_pretraining_gib") for code in codes}
    return {
        "syntactic distance to English": {code: languages.distance(code) for code in sizes},
        "pre-training text (log10 of GiB)": {
            code: math.log10(size) if size else None for code, size in sizes.items()
        },
    }


def _scatter(gain: pd.Series, values: Mapping[str, float | None], slope: float, across: str, up: str) -> Raw:
    known = {code: value for code in gain.index if code != "en" and (value := values[code]) is not None}
    x, y = np.array(list(known.values())), gain[list(known)].to_numpy()
    return charts.scatter(list(known), x, y, slope, across=across, up=up)


def _by_script(gain: pd.Series) -> str:
    groups = gain.groupby([languages.get(code).script or "unknown" for code in gain.index])
    return ", ".join(f"{script} {points(of.mean(), True)} (n = {len(of)})" for script, of in groups)
