"""Few-shot curves: where the curve without a task reaches what the task gives for nothing."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.studies.figures import figures
from mlflow_xfer.studies.found import study
from mlflow_xfer.studies.line_chart import Line
from mlflow_xfer.studies.shots import _worth, rows_worth


def test_rows_worth_lie_on_the_curve():
    across, up = (0, 4, 16), (50.0, 60.0, 66.0)
    assert rows_worth(across, up, 50.0) == 0 and rows_worth(across, up, 55.0) == pytest.approx(2)
    assert rows_worth(across, up, 63.0) == pytest.approx(10) and rows_worth(across, up, 67.0) is None
    assert rows_worth(across, (50.0, 45.0, 66.0), 50.5) == pytest.approx(4 + 12 * 5.5 / 21)


def test_curves_that_begin_with_rows_give_nothing_for_nothing():
    alone = Line("none", (4, 16), (50.0, 62.0))
    assert _worth(alone, 56.0, "rows") == (
        "what it gives with 4 rows takes about 10 rows of each language without it."
    )
    assert _worth(alone, 40.0, "rows") == "with 4 labelled rows it gives no more than none."
    assert _worth(alone, 70.0, "rows").startswith("what it gives with 4 rows is more than 16 rows")


@pytest.mark.parametrize(
    ("gain", "said"), [(9, "takes about 11 rows"), (30, "more than 16 rows give"), (-1, "no more than none")]
)
def test_a_planted_worth_is_told_with_intervals(gain, said):
    asked = study("few-shot")
    draws = np.random.default_rng(0)
    height = {arm.name: 50 + 3 * np.log2(1 + arm.facts["rows"]) for arm in asked.arms}
    height["none, 4 rows"], height["none, 16 rows"] = 55.0, 62.0
    rows = [
        (arm.name, target, code, 0, seed, height[arm.name] + more + draws.normal(0, 0.01), 300)
        for arm in asked.arms
        for more in [gain * ("none" not in arm.name)]
        for target in asked.targets()
        for code in ("en", "de", "tr")
        for seed in range(3)
    ]
    columns = ["condition", "task", "language", "base_seed", "seed", "score", "n"]
    frame = pd.DataFrame(rows, columns=columns).assign(metric="accuracy")
    ((name, drawing, shown),) = figures(asked, frame, [])
    text = re.sub(r"<[^>]+>", " ", str(shown))
    assert name == "shots" and str(drawing).startswith("<svg") and said in text
    assert len(re.findall(r"\d to [−+\d]", text)) == 9, "of six scores and three gains"
