"""Gains by distance: the points, the slope and the sentence below them are of the same numbers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting import report
from mlflow_xfer.reporting.analysing import analyse
from mlflow_xfer.reporting.analysis import distance_points
from mlflow_xfer.stats.left_out import leave_one_language_out
from mlflow_xfer.stats.typology import distances

NEAR = ("sv", "de", "nl", "pt", "es", "bg", "it", "fr", "et")
FAR = ("ru", "el", "he", "id", "vi", "zh", "th", "hi", "ar", "eu", "ko", "ja", "ta", "te", "tr", "sw")


def scores(gains, *, seeds=5, **tasks) -> pd.DataFrame:
    """Scores of 50 plus ``gains(condition, task, language)`` and a little noise."""
    rng = np.random.default_rng(0)
    rows = [
        (condition, task, code, seed, 50 + gains(condition, task, code) + rng.normal(0, 0.3))
        for condition in ("none", "random", "mnli")
        for task, codes in tasks.items()
        for code in codes
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=["condition", "task", "language", "seed", "score"])


def fitted(x, y):
    """Points per standard deviation of distance."""
    return np.polyfit(x, y, 1)[0] * np.std(x, ddof=1)


def test_points_are_adjusted_for_the_tasks_that_cover_a_language_like_the_slope():
    """All gain 20 points on one task and none on the other, which only the near languages have."""
    frame = scores(
        lambda condition, task, code: 20.0 * (condition == "mnli" and task == "tatoeba"),
        xnli=("en", *NEAR),
        tatoeba=("en", *NEAR, *FAR),
    )
    frame = frame[frame["condition"] != "random"]
    found = analyse(frame)
    codes, x, y = distance_points(found, "mnli")
    curve = found.slopes["mnli"]
    slope = curve.loc[curve["primary"], "slope"].item()
    assert set(codes) == {*NEAR, *FAR} and np.ptp(y) < 2
    assert abs(slope) < 0.3 and fitted(x, y) == pytest.approx(slope)
    raw = found.differences("by_language")["mnli"]
    assert "distance foretells" in leave_one_language_out(raw.to_dict()).sentence, "what raw means would say"
    said = re.search(r"Each of 25 languages left out once[^<]*", report(frame).html)
    assert said and "distance foretells" not in said[0] and "no better than the mean" in said[0]


def test_slope_and_points_are_of_the_difference_to_a_conditions_own_baseline():
    """It follows distance against ``none`` and not against ``random``, which it is compared with."""
    near = distances(measures=["syntactic"]).set_index("language")["syntactic"]
    frame = scores(
        lambda condition, task, code: 20.0 * near[code] * (condition != "none") + 2.0 * (condition == "mnli"),
        xnli=("en", *NEAR, *FAR),
    )
    made = report(frame, against={"mnli": "random"})
    found = made.analysis
    assert next(iter(found.slopes)) == "mnli"
    for name, low, high in (("mnli", -0.3, 0.3), ("random", 2.0, 3.0)):
        codes, x, y = distance_points(found, name)
        curve = found.slopes[name]
        slope = curve.loc[curve["primary"], "slope"].item()
        assert low < slope < high and fitted(x, y) == pytest.approx(slope), name
        gaps = found.differences("by_language")[name]
        assert y == pytest.approx(gaps[codes].to_numpy()), "one task covers all"
    assert "difference of mnli to random (points)" in made.html
    assert "<p>mnli against random: " in made.html and "mnli against random: every distance" in made.html
    by_condition = made.tables["typology"].groupby("condition")["against"].unique()
    assert by_condition.map(list).to_dict() == {"mnli": ["random"], "random": ["none"]}


def test_one_condition_alone_has_points_of_its_scores():
    frame = scores(lambda condition, task, code: 5.0 * (code in NEAR), xnli=("en", *NEAR, *FAR))
    made = report(frame[frame["condition"] == "mnli"])
    _, _, y = distance_points(made.analysis, "mnli")
    assert 49 < y.min() < 51 and 54 < y.max() < 56
    assert "score (points) by syntactic distance" in made.html and ">mnli: −" in made.html
    assert "its gain is foretold" not in made.html


def test_languages_are_told_apart_by_their_codes_in_the_table():
    frame = scores(lambda condition, task, code: 0.0, seeds=3, xnli=("en", *NEAR))
    found, plain = analyse(frame.replace({"language": {"en": "eng", "de": "ger"}})), analyse(frame)
    assert set(found.frame["language"]) == {"en", *NEAR}
    pd.testing.assert_frame_equal(found.slopes["mnli"], plain.slopes["mnli"])
    pd.testing.assert_frame_equal(found.spreads, plain.spreads)
    other = frame["condition"] == "mnli"
    mixed = frame.assign(language=frame["language"].mask(other & (frame["language"] == "de"), "deu"))
    pd.testing.assert_frame_equal(analyse(mixed).by_language, plain.by_language)
    twice = pd.concat([frame, frame[frame["language"] == "de"].assign(language="deu")])
    with pytest.raises(XferError, match="18 rows are duplicates of a cell, as de, deu name the same"):
        analyse(twice)
