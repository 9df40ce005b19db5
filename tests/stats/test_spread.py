import math

import numpy as np
import pytest
from scipy import stats

from mlflow_xfer.stats import spread
from tests.stats.score_tables import table


def test_gini_by_its_definition():
    x = np.array([1.0, 4, 2, 9])
    assert spread.gini(x) == pytest.approx(np.abs(x[:, None] - x).sum() / (2 * len(x) ** 2 * x.mean()))
    assert spread.gini(np.full(4, 3.0)) == pytest.approx(0) and math.isnan(spread.gini(np.zeros(3)))
    assert spread.gini(7 * x) == pytest.approx(spread.gini(x))


def test_descriptions_leave_english_out_of_the_spread_and_in_the_gap():
    frame = table({"none": 0}, seed_sd=0, cell_sd=0)
    scores = frame[(frame["task"] == "xnli") & (frame["seed"] == 1)].set_index("language")["score"]
    row = spread.describe(frame, "none").set_index("task").loc["xnli"]
    others = scores.drop("en")
    assert row["gap"] == pytest.approx(scores["en"] - others.mean())
    assert (row["sd"], row["min"], row["languages"]) == pytest.approx((others.std(), others.min(), 7))
    assert row["worst_mean"] == pytest.approx(others.nsmallest(3).mean()) and row["iqr"] == pytest.approx(
        stats.iqr(others)
    )
    correlations = spread.describe(frame.assign(score=frame["score"] - 70, metric="pearson"), "none")
    assert correlations["sd"].notna().all() and correlations[["tau", "cv", "gini"]].isna().all(axis=None)
    alone = spread.describe(frame[frame["language"] == "de"], "none")
    assert alone["sd"].isna().all() and alone["gap"].isna().all()
    called = spread.describe(frame.replace({"language": {"en": "eng"}}), "none").set_index("task")
    assert called.loc["xnli"].to_dict() == pytest.approx(row.to_dict())
