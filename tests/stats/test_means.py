import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.proportion import proportion_confint

from mlflow_xfer.errors import XferError
from mlflow_xfer.proportions import wilson
from mlflow_xfer.stats import crossed
from mlflow_xfer.stats.estimate import LIKE_THESE
from mlflow_xfer.stats.interaction import combination, covariate_slope
from mlflow_xfer.stats.means import difference, estimate, mean
from mlflow_xfer.stats.permutation import permutation_test
from tests.stats.score_tables import LANGUAGES, table


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (7, 10), (50, 100), (999, 1000), (0.5, 7)])
def test_wilson_is_statsmodels(k, n):
    assert wilson(k, n) == pytest.approx(
        [100 * v for v in proportion_confint(k, n, method="wilson")], abs=1e-9
    )


def test_wilson_stays_within_bounds_and_refuses_nonsense():
    assert wilson(0, 5)[0] == 0 and wilson(5, 5)[1] == 100
    for k, n in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(XferError, match="not a proportion"):
            wilson(k, n)


def per_seed(frame, name):
    by_task = frame[frame["condition"] == name].groupby(["seed", "task"])["score"].mean()
    return by_task.groupby("seed").mean().to_numpy()


def test_paired_difference_is_scipys_paired_t():
    frame = table({"none": 0, "mnli": 2})
    found = difference(frame, "mnli", "none")
    a, b = per_seed(frame, "mnli"), per_seed(frame, "none")
    reference = stats.ttest_rel(a, b)
    interval = reference.confidence_interval()
    assert found.estimate == pytest.approx((a - b).mean())
    assert found.p == pytest.approx(reference.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.df == pytest.approx(4)


def test_unpaired_difference_is_scipys_welch():
    frame = table({"none": 0, "mnli": 2}, seeds={"none": 4, "mnli": 7})
    found = difference(frame, "mnli", "none")
    reference = stats.ttest_ind(per_seed(frame, "mnli"), per_seed(frame, "none"), equal_var=False)
    assert found.p == pytest.approx(reference.pvalue, rel=1e-6)
    assert found.df == pytest.approx(reference.df)
    assert any("not paired" in note for note in found.notes)


def test_mean_is_students_t():
    frame = table({"none": 0})
    found, x = mean(frame, "none"), per_seed(frame, "none")
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 4, x.mean(), stats.sem(x)))


def test_components_of_the_crossed_model_are_those_of_the_anova():
    from statsmodels.formula.api import ols

    rng = np.random.default_rng(0)
    x = 3 * rng.normal(size=(5, 1)) + 2 * rng.normal(size=(1, 7)) + rng.normal(size=(5, 7))
    rows = pd.DataFrame(
        [(s, c, x[s, c]) for s in range(5) for c in range(7)], columns=["seed", "language", "y"]
    )
    square = anova_lm(ols("y ~ C(seed) + C(language)", rows).fit())["mean_sq"]
    found = crossed.spread(x[None], (crossed.SEED, crossed.LANGUAGE))
    expected = (square["C(seed)"] + square["C(language)"] - square["Residual"]) / 35
    assert found.variance == pytest.approx(expected)
    assert found.components["seed"] == pytest.approx((square["C(seed)"] - square["Residual"]) / 35)
    satterthwaite = (expected * 35) ** 2 / (square["C(seed)"] ** 2 / 4 + square["C(language)"] ** 2 / 6)
    assert found.df == pytest.approx(satterthwaite)


def test_quantile_and_p_value_agree_and_p_falls():
    rng = np.random.default_rng(1)
    found = crossed.spread(
        rng.normal(size=(20, 2, 4, 6)) + 2 * rng.normal(size=(20, 1, 4, 1)),
        (crossed.BASE, crossed.SEED, crossed.LANGUAGE),
    )
    for p in (0.2, 0.05, 0.001):
        assert found.p_value(found.quantile(p) * np.sqrt(found.variance)) == pytest.approx(
            np.full(20, p), rel=1e-6
        )
    assert (found.p_value(0.0) == pytest.approx(1.0)) and (found.p_value(1.0) > found.p_value(2.0)).all()


def test_languages_like_these_are_never_narrower():
    for random in range(30):
        frame = table({"none": 0, "mnli": 1}, seeds=3, random=random)
        these, like = (
            difference(frame, "mnli", "none", population=p) for p in ("these languages", LIKE_THESE)
        )
        assert like.estimate == pytest.approx(these.estimate)
        assert like.high - like.low >= these.high - these.low - 1e-9


def test_unequal_weights_give_the_equal_case_and_are_unbiased():
    k, df = crossed.unequal(np.full(6, 1 / 6))
    assert k == pytest.approx(np.full(6, 1 / 30)) and df == pytest.approx(5)
    weights = np.array([0.4, 0.3, 0.2, 0.1])
    k, df = crossed.unequal(weights)
    x = np.random.default_rng(0).normal(size=(200_000, 4))
    estimated = (((x - (x @ weights)[:, None]) ** 2) @ k).mean()
    assert estimated == pytest.approx((weights**2).sum(), rel=0.01)
    assert 1 < df < 3


@settings(max_examples=20, deadline=None)
@given(order=st.randoms(), shift=st.floats(-20, 20), scale=st.floats(0.2, 0.8))
def test_invariant_to_order_names_shift_and_scale(order, shift, scale):
    frame = table({"none": 0, "mnli": 2}, seeds=4)
    found = difference(frame, "mnli", "none", population=LIKE_THESE)
    rows = list(frame.index)
    order.shuffle(rows)
    renamed = frame.loc[rows].assign(
        seed=frame["seed"].map(lambda s: f"s{s}"),
        condition=frame["condition"].map({"none": "z", "mnli": "a"}),
    )
    again = difference(renamed, "a", "z", population=LIKE_THESE)
    assert (again.estimate, again.low, again.p) == pytest.approx((found.estimate, found.low, found.p))
    moved = difference(
        frame.assign(score=(frame["score"] * scale + abs(shift) / 2).clip(0, 100)),
        "mnli",
        "none",
        population=LIKE_THESE,
    )
    assert moved.estimate == pytest.approx(scale * found.estimate, rel=1e-6)
    back = difference(frame, "none", "mnli", population=LIKE_THESE)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_tasks_weigh_the_same_whatever_their_languages():
    frame = table({"none": 0, "mnli": 0}, seed_sd=0, cell_sd=0)
    frame.loc[(frame["condition"] == "mnli") & (frame["task"] == "xnli"), "score"] += 4
    uneven = frame[(frame["task"] == "udpos") | frame["language"].isin(["en", "de", "sw"])]
    assert difference(uneven, "mnli", "none").estimate == pytest.approx(2)


def test_one_seed_gives_no_interval_and_says_so():
    found = difference(table({"none": 0, "mnli": 2}, seeds=1), "mnli", "none")
    assert math.isnan(found.low) and math.isnan(found.p) and "one seed: no interval, no test" in found.notes


def test_no_variation_gives_no_certainty():
    found = difference(table({"none": 0, "mnli": 2}, seed_sd=0, cell_sd=0), "mnli", "none")
    assert found.estimate == pytest.approx(2) and math.isnan(found.p) and "no variation" in found.notes[0]


@pytest.mark.parametrize("bases", [1, 3])
@pytest.mark.parametrize("seeds", [2, 3, 5, 6])
def test_seeds_that_score_the_same_give_no_certainty(seeds, bases):
    rng = np.random.default_rng(seeds)
    for _ in range(30):
        level = {name: dict(zip("abcde", rng.integers(300, 700, 5) / 10, strict=True)) for name in ("m", "n")}
        rows = [
            (name, "tatoeba", language, base, seed, score)
            for name, scores in level.items()
            for language, score in scores.items()
            for base in range(bases)
            for seed in range(seeds)
        ]
        frame = pd.DataFrame(rows, columns=["condition", "task", "language", "base_seed", "seed", "score"])
        for found in (difference(frame, "m", "n"), mean(frame, "m")):
            assert math.isnan(found.p) and math.isnan(found.low) and found.se == 0
            assert "no variation" in found.notes[0]


def test_few_seeds_are_called_a_demonstration():
    assert any(
        "demonstration" in note and "0.25" in note
        for note in difference(table({"none": 0, "mnli": 2}, seeds=3), "mnli", "none").notes
    )


def test_notes_count_what_repeats():
    distance = dict(zip(LANGUAGES, range(8), strict=True))
    bases, single = (table({"none": 0, "mnli": 2}, seeds=1, bases=n) for n in (3, 1))
    for found in (difference(bases, "mnli", "none"), covariate_slope(bases, "mnli", "none", distance)):
        (few,) = (note for note in found.notes if "demonstration" in note)
        assert few.startswith("1 seed from each of 3 base checkpoints:") and few.endswith("p: 0.25)")
    notes = covariate_slope(single, "mnli", "none", distance).notes
    assert any(note.startswith("1 seed: a demonstration") for note in notes)


@pytest.mark.parametrize(
    ("mine", "theirs", "why", "least"),
    [
        ((1, 2, 3), (4, 5, 6), "the arms do not share their seeds: not paired", 0.1),
        ((1, 2), (1, 2, 3), "the arms share 2 of 2 and 3 seeds: not paired", 0.1),
        ((1, 2, 3), (2, 3, 4), "the arms share 2 of 3 and 3 seeds: not paired", 0.1),
        ((1, 2, 3, 4), (1, 2, 3, 4, 5), "the arms share 4 of 4 and 5 seeds: not paired", 0.00794),
    ],
)
def test_unpaired_arms_say_why_and_what_an_exact_test_could_reach(mine, theirs, why, least):
    frame = table({"none": 0, "mnli": 2}, seeds=6)
    seeds = frame["condition"].map({"mnli": mine, "none": theirs})
    kept = frame[[seed in of for seed, of in zip(frame["seed"], seeds, strict=True)]]
    found = difference(kept, "mnli", "none")
    assert why in found.notes and any(f"seed-level p: {least}" in note for note in found.notes)
    assert any(f"seed-level p: {least}" in note for note in permutation_test(kept, "mnli", "none").notes)


def test_arms_from_different_checkpoints_say_so():
    frame = table({"none": 0, "mnli": 2}).assign(base_seed=lambda f: f["condition"].eq("mnli").astype(int))
    assert any("different base checkpoints" in note for note in difference(frame, "mnli", "none").notes)


def test_an_interval_that_is_narrow_by_luck_is_said_to_be():
    """Where seeds and languages do not stand out, intervals cover less, whatever they do elsewhere."""
    found, held = 0, 0
    rng = np.random.default_rng(0)
    for _ in range(600):
        x = rng.normal(size=(1, 3, 1)) + 0.3 * rng.normal(size=(1, 1, 10)) + rng.normal(size=(1, 3, 10))
        one = estimate(crossed.spread(x, (crossed.SEED, crossed.LANGUAGE)), 0.95)
        if any("underestimated here by luck" in note for note in one.notes):
            found, held = found + 1, held + (one.low <= 0 <= one.high)
    assert found > 10 and held / found < 0.9


def test_other_test_sets_are_said():
    frame = table({"none": 0, "mnli": 2}, languages=("en", "de"), tasks=("xnli",), seeds=3)
    said = "scored on different numbers of rows: "
    part = (frame["condition"] == "mnli") & (frame["language"] == "de")
    other = frame.assign(n=frame["n"].where(~part, 100))
    for found in (
        difference(other, "mnli", "none"),
        difference(
            other[~part | (frame["seed"] > 1)].query("condition == 'none' or seed > 1"), "mnli", "none"
        ),
        combination(other, {"mnli": 1, "none": -1}),
        permutation_test(other, "mnli", "none"),
    ):
        assert f"{said}xnli de (100 and 1,000)" in found.notes
    some = frame.assign(n=frame["n"].where(~part | (frame["seed"] > 1), 100))
    for alike in (frame, frame.drop(columns="n"), other.assign(n=other["n"].where(~part)), some):
        assert not any(said in note for note in difference(alike, "mnli", "none").notes)
    english = other[other["language"] == "en"]
    assert not any(said in note for note in difference(english, "mnli", "none").notes)


def test_base_checkpoints_are_a_factor_of_their_own():
    one = mean(table({"none": 0}), "none")
    three = mean(table({"none": 0}, bases=3), "none")
    assert "conditional on one base checkpoint" in one.notes
    assert (
        three.n["bases"] == 3
        and "base seed" in three.parts
        and "conditional on one base checkpoint" not in three.notes
    )


def test_one_language_cannot_stand_for_others():
    frame = table({"none": 0, "mnli": 2}, languages=("de",))
    assert difference(frame, "mnli", "none").n["languages"] == 1
    with pytest.raises(XferError, match="One language cannot stand"):
        difference(frame, "mnli", "none", population=LIKE_THESE)
