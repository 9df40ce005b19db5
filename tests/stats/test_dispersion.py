import math

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from mlflow_xfer.errors import XferError
from mlflow_xfer.proportions import wilson
from mlflow_xfer.stats import dispersion
from mlflow_xfer.stats.means import difference
from tests.stats.score_tables import LANGUAGES, table

TEN = (*LANGUAGES, "tr", "fi", "th")  # en is left out of spreads: ten remain


def test_tau_removes_test_noise_where_sd_does_not():
    """The trap: an arm that only raises the mean from 60 to 85 looks less variable by its sd, not by tau."""
    rng = np.random.default_rng(0)
    n, taus, sds = 300, [], []
    for _ in range(300):
        language = 0.25 * rng.standard_normal(40)
        arms = [rng.binomial(n, special.expit(special.logit(m) + language)) / n * 100 for m in (0.6, 0.85)]
        taus.append([float(dispersion.levels(a[None], np.full(40, float(n))).tau2()) for a in arms])
        sds.append([dispersion.logit(a, n).std() for a in arms])
    low, high = np.sqrt(np.mean(taus, axis=0))
    assert low == pytest.approx(0.25, rel=0.06) and high == pytest.approx(0.25, rel=0.06)
    assert np.mean(sds, axis=0)[1] / 0.25 > 1.1  # what the plain sd shows


def test_noise_is_not_taken_off_twice():
    """Seeds that draw their own examples show the binomial noise between seeds already."""
    rng = np.random.default_rng(1)
    n, found = 200, []
    for _ in range(400):
        share = special.expit(0.8 + 0.3 * rng.standard_normal(20))
        found.append(
            float(dispersion.levels(100 * rng.binomial(n, share, (5, 20)) / n, np.full(20, float(n))).tau2())
        )
    assert math.sqrt(np.mean(found)) == pytest.approx(0.3, rel=0.05)


def test_noise_is_that_of_the_scores_own_intervals():
    """Tags of 200 sentences of ten words are not 200 answers: their binomial noise hides a small spread."""
    rng, found = np.random.default_rng(2), {"intervals": [], "counts": []}
    for _ in range(60):
        level = -0.2 + 0.15 * rng.standard_normal(10)
        share = special.expit(level[:, None] + 0.3 * rng.standard_normal((10, 200)))
        right = 10 * rng.binomial(10, share)
        half = 1.96 * right.std(-1, ddof=1) / 200**0.5
        score = right.mean(-1)
        frame = pd.DataFrame({"language": list("abcdefghij"), "score": score, "n": 200})
        frame = frame.assign(condition="none", task="udpos", low=score - half, high=score + half)
        units = [("udpos", code) for code in frame["language"]]
        for name, rows in (("intervals", frame), ("counts", frame.drop(columns=["low", "high"]))):
            sizes = dispersion.sizes_of(rows, "none", units)
            found[name].append(float(dispersion.levels(rows["score"].to_numpy()[None], sizes).tau2()))
    assert math.sqrt(np.mean(found["intervals"])) == pytest.approx(0.15, rel=0.1)
    assert np.mean(found["counts"]) < 0.5 * 0.15**2


def test_intervals_without_width_leave_the_counts():
    frame = table({"none": 0}, seeds=1).assign(low=100.0, high=100.0, score=100.0)
    units = [("xnli", "de"), ("xnli", "en")]
    assert dispersion.sizes_of(frame, "none", units) == pytest.approx([1000, 1000])
    assert dispersion.sizes_of(frame.drop(columns="n"), "none", units) is None
    share = frame.assign(score=80.0, **dict(zip(("low", "high"), wilson(800, 1000), strict=True)))
    assert dispersion.sizes_of(share, "none", units) == pytest.approx([1000, 1000], rel=0.01)


def test_swap_test_is_exact_and_symmetric():
    rng = np.random.default_rng(2)
    a, b = (dispersion.Levels(rng.normal(0, s, 9), np.zeros(9)) for s in (3, 1))
    p = dispersion.swap_p([a], [b])
    assert p == dispersion.swap_p([b], [a]) < 0.1
    shifted = dispersion.Levels(a.level + 100, a.noise)
    assert dispersion.swap_p([shifted], [b]) == pytest.approx(p)
    assert dispersion.swap_p([a], [a]) == 1
    assert (
        dispersion.swap_p(
            [dispersion.Levels(a.level[:5], np.zeros(5))], [dispersion.Levels(b.level[:5], np.zeros(5))]
        )
        > 0.05
    )


def test_swaps_take_all_tasks_of_a_language_at_once():
    rng = np.random.default_rng(5)
    a, b = (dispersion.Levels(rng.normal(0, s, 8), np.zeros(8)) for s in (2, 1))
    single = dispersion.swap_p([a], [b])
    assert dispersion.swap_p([a, a], [b, b]) == pytest.approx(
        single
    )  # the same task twice is no more evidence
    independent = dispersion.swap_p([a, a], [b, b], [range(8), range(8, 16)])
    assert independent < single  # two tasks on languages of their own are
    uneven = table({"none": 0, "mnli": 0}, languages=TEN)
    uneven = uneven[(uneven["task"] == "udpos") | ~uneven["language"].isin(["sw", "hi"])]
    found, per_task = dispersion.spread_ratio(uneven, "mnli", "none")
    assert 0 < found.p <= 1 and set(per_task["languages"]) == {8, 10}


def test_ratio_of_a_planted_spread():
    frame = table({"none": 0, "mnli": 0.001}, languages=TEN, cell_sd=0.1, n=100_000)
    centre = frame.groupby(["condition", "task", "seed"])["score"].transform("mean")
    squeezed = frame.assign(
        score=centre + (frame["score"] - centre) * np.where(frame["condition"] == "mnli", 0.4, 1.0)
    )
    found, per_task = dispersion.spread_ratio(squeezed, "mnli", "none")
    assert found.estimate == pytest.approx(0.4, abs=0.05) and found.high < 0.7 and found.p < 0.05
    assert set(per_task["task"]) == {"xnli", "udpos"} and (per_task["languages"] == 10).all()
    back, _ = dispersion.spread_ratio(squeezed, "none", "mnli")
    assert back.estimate == pytest.approx(1 / found.estimate) and back.p == pytest.approx(found.p)
    assert abs(difference(squeezed, "mnli", "none").estimate) < 2


def test_english_is_in_no_spread_by_whatever_code_it_is_called():
    frame = table({"none": 0, "mnli": 1})
    called = frame.replace({"language": {"en": "eng"}})
    found = [dispersion.spread_ratio(one, "mnli", "none")[0] for one in (frame, called)]
    assert found[0] == found[1] and found[0].n["languages"] == 7


def test_few_languages_are_refused_or_warned_of():
    with pytest.raises(XferError, match="at least 3 languages"):
        dispersion.spread_ratio(table({"none": 0, "mnli": 0}, languages=("en", "de", "fr")), "mnli", "none")
    found, _ = dispersion.spread_ratio(table({"none": 0, "mnli": 0}), "mnli", "none")
    assert any("7 languages" in note for note in found.notes)


def test_correlations_have_no_tau():
    frame = table({"none": 0, "mnli": 0}, languages=TEN)
    metric = frame["task"].map({"xnli": "accuracy", "udpos": "pearson"})
    mixed = frame.assign(metric=metric, score=frame["score"].where(frame["task"] == "xnli", -5.0))
    found, per_task = dispersion.spread_ratio(mixed, "mnli", "none")
    assert list(per_task["task"]) == ["xnli"] and f"udpos: {dispersion.NO_ODDS}" in found.notes
    with pytest.raises(XferError, match="correlations; no tau"):
        dispersion.spread_ratio(mixed[mixed["task"] == "udpos"], "mnli", "none")


def test_no_spread_at_all():
    flat = table({"none": 0, "mnli": 0}, cell_sd=0).assign(score=50.0)
    found, _ = dispersion.spread_ratio(flat, "mnli", "none")
    assert (
        found.estimate == pytest.approx(1)
        and found.p == 1
        and math.isnan(found.low)
        and any("no spread beyond sampling noise" in n for n in found.notes)
    )


def test_a_task_without_spread_does_not_decide_the_pooled_ratio():
    tasks = ("xnli", "udpos", "pawsx")
    frame = table({"none": 0, "mnli": 0}, languages=TEN, tasks=tasks, seed_sd=0.0, n=100)
    flat = frame.assign(score=frame["score"].where(frame["task"] != "pawsx", 50.0))
    found, per_task = dispersion.spread_ratio(flat, "mnli", "none")
    without, _ = dispersion.spread_ratio(flat[flat["task"] != "pawsx"], "mnli", "none")
    assert (found.estimate, found.low, found.high) == (without.estimate, without.low, without.high)
    assert any("pawsx: no standard error" in note for note in found.notes) and found.high - found.low > 0.1
    assert per_task.set_index("task")["low"].isna().to_dict() == {t: t == "pawsx" for t in tasks}


def test_secondaries_are_scipys():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0, 2, 12), rng.normal(0, 1, 12)
    assert dispersion.pitman_morgan(a, b) == pytest.approx(stats.pearsonr(a + b, a - b).pvalue)
    assert dispersion.brown_forsythe(a, b) == pytest.approx(stats.levene(a, b, center="median").pvalue)
    assert math.isnan(dispersion.brown_forsythe(np.ones(5), np.ones(5)))
    for other in (a, a + 0.1 + 0.2):
        assert math.isnan(dispersion.pitman_morgan(a, other))
