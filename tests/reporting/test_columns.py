"""What commands show at their end: aligned columns in pipes, drawn ones on a terminal, JSON for programs."""

from __future__ import annotations

import json
import math
import re
import sys
from io import StringIO

import numpy as np
import pytest

from mlflow_xfer.reporting.columns import Summary, Table, points, shown, significant

FOUND = Summary(
    "attribute → choice 2 seeds",
    [
        Table(
            "Scores by task",
            ("task", "data", "mean", "95 % interval", "difference", "seeds"),
            [
                ("choice", "mini v4", 70.25, (60.0, 80.5), 21.34, 2),
                ("pos", "mini v4", 8.0, (math.nan, math.nan), -0.51, 2),
                ("mean", "", 39.1, None, math.nan, 2),
            ],
            ("difference",),
        )
    ],
    ["A demonstration: 2 seeds decide little."],
)
PIPE = """\
attribute → choice 2 seeds

Scores by task
task    data     mean  95 % interval  difference  seeds
choice  mini v4  70.2    60.0 … 80.5       +21.3      2
pos     mini v4   8.0              –        −0.5      2
mean             39.1              –           –      2

A demonstration: 2 seeds decide little."""
TERMINAL = """\
attribute → choice 2 seeds
Scores by task

  task     data      mean   95 % interval   difference   seeds
 ──────────────────────────────────────────────────────────────
  choice   mini v4   70.2     60.0 … 80.5        +21.3       2
  pos      mini v4    8.0               –         −0.5       2
  mean               39.1               –            –       2

A demonstration: 2 seeds decide little."""


class Screen(StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_pipe():
    assert FOUND.text() == FOUND.plain() == PIPE


def test_on_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", Screen())
    said = FOUND.text()
    assert "\x1b[1m" in said, "what it is about is bold"
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", said).splitlines()]
    assert "\n".join(lines) == TERMINAL


def test_for_programs():
    found = json.loads(json.dumps(FOUND.as_dict(), allow_nan=False))
    choice, pos, mean = found["tables"]["Scores by task"]
    assert choice["mean"] == 70.25 and choice["95 % interval"] == [60.0, 80.5] and choice["seeds"] == 2
    assert pos["95 % interval"] == [None, None] and mean["difference"] is None
    assert found["remarks"] == list(FOUND.remarks)


def test_cells():
    assert [shown(value, True) for value in (1.26, -1.26, 0.0, None, 3, "x")] == [
        "+1.3",
        "−1.3",
        "0.0",
        "–",
        "3",
        "x",
    ]


def test_figures_for_reading_are_the_same_number_of_points():
    given = {"a": 46.70578901925153, "b": -0.00123456, "n": 3, "none": math.nan, "c": 2.3496, "d": 45.24997}
    found = significant(given)
    assert (found["a"], found["b"], found["n"]) == (46.71, -0.001235, 3) and math.isnan(found["none"])
    assert found["c"] == 2.3496 and found["d"] == 45.25, "2.35 would be read as 2.4"
    assert significant({"": 75.14999999999999}) == {"": 75.149}
    for value in np.random.default_rng(0).normal(0, 40, 2000):
        (short,) = significant({"": value}).values()
        assert points(short) == points(value) and short == pytest.approx(value, rel=1e-3)
