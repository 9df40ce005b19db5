"""Charts as drawings: nothing that they say is cut off."""

import re

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.reporting import verdict
from mlflow_xfer.reporting.charts import bars, forest, heat_map
from mlflow_xfer.reporting.drawing import LETTER
from mlflow_xfer.stats.blocks import Cells, unit_weights


@pytest.mark.parametrize("of, name", [("language", "zh"), ("task", "a-task-of-a-rather-long-name")])
def test_names_of_a_heat_map_begin_within_its_frame(of, name):
    drawing = heat_map(pd.DataFrame({"mnli": [1.0, -1.0]}, index=["de", name]), of)
    written = re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="end"[^>]*>([^<]+)</text>', drawing)
    assert len(written) == 2
    for end, text in written:
        assert float(end) - LETTER * len(text) >= 0, text


LONG = "+".join(f"task-{n}" for n in range(12))


def block(name: str, shift: float) -> Cells:
    units = tuple(("t", code) for code in ("de", "fr", "sw", "tr"))
    values = np.random.default_rng(0).normal(50 + shift, 1, (1, 3, 4))
    return Cells(name, values, unit_weights(units), units, (0,), (0, 1, 2))


def contrasts(*pairs: tuple[str, str]) -> list[verdict.Contrast]:
    return verdict.verdicts(
        [block(name, n) for n, (name, _) in enumerate(pairs)], [block(base, -1) for _, base in pairs]
    )


@pytest.mark.parametrize(
    "drawing",
    [
        forest(contrasts(("short", "none"), (LONG[:36], "none"), (LONG, "none"))),
        forest(contrasts((LONG, LONG[:50]), ("short", "none"))),
        bars(["short", LONG[:50], LONG], [1.0, 2.0, 3.0], across="minutes"),
    ],
)
def test_names_of_rows_begin_within_their_frame(drawing):
    written = re.findall(
        r'<text x="([\d.]+)"[^>]*text-anchor="end" font-size="([\d.]+)"[^>]*>([^<]+)</text>', drawing
    )
    assert len(written) >= 3 and any(text.startswith("task-0+task-1+task-2") for _, _, text in written)
    for end, size, text in written:
        assert float(size) >= 9 and float(end) - LETTER / 12 * float(size) * len(text) >= 0, text
