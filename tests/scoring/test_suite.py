"""Totals: means of means, nothing where something is missing, gap and spread as defined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_xfer.scoring.suite import language_gap, language_std, totals
from mlflow_xfer.tasks.task import Suite

SUITE = Suite(
    name="toy",
    groups={"classification": ("xnli", "xcopa"), "choice": ("xcopa",), "retrieval": ("tatoeba",)},
    languages={"xnli": ("en", "de", "sw"), "xcopa": ("et", "th"), "tatoeba": ("de", "sw")},
)
FULL = {
    "xnli": {"en": 90.0, "de": 80.0, "sw": 60.0},
    "xcopa": {"et": 50.0, "th": 60.0},
    "tatoeba": {"de": 40.0, "sw": 10.0},
}


def test_complete_suite():
    got = totals(SUITE, FULL, {"tatoeba": False})
    xnli = 230 / 3
    assert got.missing == ()
    assert got.tasks == {"xnli": pytest.approx(xnli), "xcopa": 55.0, "tatoeba": 25.0}
    assert got.groups == {"classification": pytest.approx((xnli + 55) / 2), "choice": 55.0, "retrieval": 25.0}
    # A task in two groups counts once in the total: XTREME's own xtreme-r lists do this to XCOPA.
    assert got.avg == pytest.approx((xnli + 55 + 25) / 3)
    assert got.avg_trained == pytest.approx((xnli + 55) / 2)
    assert got.gap == pytest.approx(90 - 70)
    assert got.std == pytest.approx(np.mean([10.0, 5.0, 15.0]))


def test_a_missing_language_leaves_no_wrong_total():
    scores = {**FULL, "xnli": {"en": 90.0, "de": 80.0}}
    got = totals(SUITE, scores, {"tatoeba": False})
    assert got.missing == ("xnli/sw",)
    assert got.avg is None and got.avg_trained is None and got.tasks["xnli"] is None
    assert got.groups == {"classification": None, "choice": 55.0, "retrieval": 25.0}
    assert got.gap == 10


def test_a_missing_untrained_task_leaves_the_trained_average():
    got = totals(SUITE, {k: v for k, v in FULL.items() if k != "tatoeba"}, {"tatoeba": False})
    assert got.missing == ("tatoeba",)
    assert got.avg is None and got.avg_trained == pytest.approx((230 / 3 + 55) / 2)


def test_languages_and_tasks_outside_the_suite_do_not_count():
    extra = {**FULL, "xnli": {**FULL["xnli"], "yo": 0.0}, "udpos": {"en": 0.0}}
    assert totals(SUITE, extra) == totals(SUITE, FULL)


def test_nothing_at_all():
    got = totals(SUITE, {})
    assert got.missing == SUITE.tasks and got.avg is None and got.gap is None


def test_gap_and_spread_need_others():
    assert language_gap({"en": 1.0}) is None and language_gap({"de": 1.0, "sw": 2.0}) is None
    assert language_std({"en": 1.0, "de": 2.0}) is None and language_std({"de": 1.0, "sw": 3.0}) == 1.0


@given(st.permutations(list(FULL)), st.randoms())
def test_order_of_tasks_and_languages_has_no_say(order, random):
    shuffled = {}
    for task in order:
        languages = list(FULL[task])
        random.shuffle(languages)
        shuffled[task] = {language: FULL[task][language] for language in languages}
    assert totals(SUITE, shuffled) == totals(SUITE, FULL)
