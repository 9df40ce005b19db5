"""Orders of tasks among random ones, and what is said of curves: on scores whose truth is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.verdict import BETTER, UNDECIDED
from mlflow_xfer.stats.permutation import rank_among
from mlflow_xfer.stats.typology import low_similarity
from mlflow_xfer.studies import curves, far, orders
from mlflow_xfer.studies.contrasts import compute
from mlflow_xfer.studies.foresight import foresee
from mlflow_xfer.studies.questions.task_count import contrasts, declared, grid, random_orders
from mlflow_xfer.studies.study import Study

VALUE = {"a": 6.0, "b": 3.0, "c": 1.0, "d": -2.0}
CODES = ("en", "de", "es", "tr", "sw", "id", "vi", "af", "ht", "eu")


def asked(random: int = 5, ks: Sequence[int] = range(5), fixed: int = 0) -> Study:
    arms, found = grid({"English": "abcd"}, random_orders("abcd", random), ks, 100.0, fixed)
    return Study("made", "How many?", {"target": "choice"}, arms, contrasts(arms, found), found)


def scores(study: Study, bases: int = 3, far_gain: float = 0.0) -> pd.DataFrame:
    """40 points and what each task is worth; two more tasks in Turkish and Basque are worth ``far_gain``."""
    rng = np.random.default_rng(0)
    rows = []
    for arm in study.arms:
        tasks = curves.tasks_of(arm)
        dose = np.log2(arm.facts.get("rows a task", 100.0) / 100.0)
        for base in range(bases):
            for code in CODES:
                gain = sum(VALUE[task] for task in tasks) + far_gain * len(tasks) * (code in ("tr", "eu"))
                rows.append(
                    (arm.name, "choice", code, base, 0, 50 + gain + 2 * dose + rng.normal(0, 0.2), 500)
                )
    columns = ["condition", "task", "language", "base_seed", "seed", "score", "n"]
    return pd.DataFrame(rows, columns=columns)


def test_the_rank_of_an_exchangeable_value_is_an_exact_p():
    values = np.random.default_rng(0).normal(size=20)
    p = np.array([rank_among(values[n], np.delete(values, n).tolist()) for n in range(20)])
    assert sorted(p) == pytest.approx([n / 20 for n in range(1, 21)])
    assert rank_among(1.0, [1.0] * 19) == 1.0


def test_the_height_of_a_curve_is_the_area_under_it_by_its_length():
    study = asked(ks=(0, 1, 4))
    weights = orders.height(study.curves[0], study.arms)
    assert weights == pytest.approx({"none": 1 / 8, "a": 1 / 2, "all": 3 / 8})
    against = orders.against_random(study.curves[0], study.curves, study.arms)
    assert sum(against.values()) == pytest.approx(0) and "none" not in against and "all" not in against


def test_a_good_order_is_found_among_enough_random_ones_only():
    every = ["".join(one) for one in permutations("abcd") if "".join(one) != "abcd"]
    arms, found = grid({"English": "abcd"}, {f"random {n}": o for n, o in enumerate(every)}, range(5), 100.0)
    many = Study("made", "?", {}, arms, contrasts(arms, found), found)
    (best, *_) = compute(many, scores(many), registered=True)
    assert best.estimate.p == pytest.approx(1 / 24, abs=1 / 24) and best.verdict == BETTER
    assert best.estimate.n["orders"] == 23 and best.estimate.low > 0 and best.table is not None
    assert best.table["order"].iloc[0] == "English"
    few = asked(5)
    (best, *_) = compute(few, scores(few), registered=True)
    assert best.verdict == UNDECIDED and best.demonstration and best.estimate.p >= 1 / 6
    assert any(
        "the smallest p is 0.17: a demonstration; 19 reach .05" in note for note in best.estimate.notes
    )


def test_the_interval_of_an_order_holds_what_few_random_orders_leave_open():
    few = asked(5)
    frame = scores(few)
    (one, *_) = compute(few, frame)
    assert one.table is not None
    heights = one.table.loc[one.table["order"] != "English", "difference"]
    half = (one.estimate.high - one.estimate.low) / 2
    assert half > heights.std() / len(heights) ** 0.5 * 2.77 > 1, "Student's t of the mean of 5 orders"
    assert np.isnan(one.p_equivalence), "likeness to random orders is never claimed"


def test_few_random_orders_are_said_before_anything_runs():
    (said,) = foresee(asked(6), 3, {"choice": CODES})
    assert "6 random orders: the smallest p is 0.14: a demonstration" in said and "none" in said
    (said,) = foresee(asked(19), 3, {"choice": CODES})
    assert "19 random orders; found in 8 of 10 cases: an order that lies" in said
    with pytest.raises(
        XferError, match=r"among 19 random orders is 0\.050, and 0\.0125 is asked for \(power 0"
    ):
        foresee(asked(19), 3, {"choice": CODES}, level=0.9875)
    with pytest.raises(XferError, match="1 seed allows no interval"):
        foresee(asked(19), 1, {"choice": CODES})
    with pytest.raises(XferError, match="no corpus_morphology distance to English is known of ja"):
        foresee(asked(19), 3, {"choice": (*CODES, "ja")})
    with pytest.raises(XferError, match="2 languages besides English allow no slope"):
        foresee(asked(19), 3, {"choice": ("en", "de", "tr")})


def test_contributions_are_those_that_were_planted():
    study = asked(5)
    values = orders_of(study).set_index("task")["value"]
    assert values.to_dict() == pytest.approx(VALUE, abs=0.5)
    with pytest.raises(XferError, match="adds 2 tasks at once"):
        orders_of(asked(5, ks=(0, 1, 3, 4)))


def orders_of(study: Study) -> pd.DataFrame:
    means = curves.means_of(curves.blocks_of(study, scores(study)))
    return curves.shapley(curves.orders_of(study, means))


def test_dose_and_number_are_taken_apart_where_budgets_differ():
    study = asked(2, fixed=10)
    assert study.curve("fixed budget").arms == ("none", "a", "fixed 2", "fixed 3", "fixed 4")
    assert "growing against fixed budget" in {one.name for one in study.contrasts}
    slopes = curves.dose_slopes(study, curves.blocks_of(study, scores(study))).set_index("term")
    assert slopes.loc["twice the rows of each task", "estimate"] == pytest.approx(2, abs=0.7)
    with pytest.raises(XferError, match="do not vary apart"):
        curves.dose_slopes(asked(2), curves.blocks_of(asked(2), scores(asked(2))))


def test_tasks_by_distance_is_the_trend_in_languages_that_are_far():
    study = asked(2)
    (*_, slope) = (one for one in compute(study, scores(study, far_gain=2.0)) if one.contrast.kind == "slope")
    assert slope.verdict == BETTER and slope.estimate.estimate > 1
    near = low_similarity(CODES, "corpus_morphology").set_index("language")
    assert "en" not in near.index and near["far"].sum() == 3 and near["distance"]["eu"] > 0
    assert (near.loc[near["low"], "far"]).all() and near.loc["af", "low"] == False  # noqa: E712
    one_way = low_similarity(("de", "tr", "sw", "ja"), "syntactic")
    assert one_way["among"].isna().all() and one_way["low"].any(), "known to English only"
    _, shown = far.morphology(study, scores(study, far_gain=2.0), [])
    assert "low similarity" in shown and "corpus_morphology (fixed before)" in shown


def test_a_curve_says_its_best_place_and_its_steps():
    study = asked(3)
    drawing, shown = curves.curve(study, scores(study), compute(study, scores(study)))
    assert drawing.count("<polyline") == 4 and "regret" in shown
    added = curves.steps(study.curves[0], curves.blocks_of(study, scores(study)))
    assert added["estimate"].round().tolist() == [6, 3, 1, -2] and (added["low"] < added["high"]).all()


def test_curves_on_other_targets_are_told_apart_and_have_no_common_regret():
    study = asked(2)
    frame = scores(study)
    prompted = [replace(arm, name=f"{arm.name}, prompted") for arm in study.arms]
    easy = frame.assign(condition=frame["condition"] + ", prompted", score=frame["score"] + 30)
    other = frame.assign(task="pos")
    named = replace(
        study.curves[0], name="prompted", arms=tuple(f"{a}, prompted" for a in study.curves[0].arms)
    )
    both = replace(study, arms=(*study.arms, *prompted), curves=(*study.curves, named))
    _, shown = curves.curve(both, pd.concat([frame, other, easy], ignore_index=True), [])
    assert "English (choice, pos)" in shown and "prompted (choice)" in shown
    regrets = re.findall(
        r'<th scope="row">(?:English|prompted) \(choice[^<]*</th>.*?<td class="num">([^<]*)</td></tr>', shown
    )
    assert regrets == ["0.0", "0.0"], "the best arm on the same targets is on each"


def test_languages_of_unknown_distance_are_not_among_those_that_are_near():
    study = asked(2)
    frame = scores(study)
    odd = frame[frame["language"] == "de"].assign(language="ja", score=lambda rows: rows["score"] + 9)
    odd["score"] += 20.0 * (odd["condition"] == "all")
    shown = [far.morphology(study, one, [])[1] for one in (frame, pd.concat([frame, odd]))]
    others = [re.search(r"the others</th><td[^>]*>(.*?)</td>", str(one)) for one in shown]
    assert others[0] and others[1] and others[0][1] == others[1][1]
    assert "of unknown distance" in shown[1] and "of unknown distance" not in shown[0]


def test_where_languages_are_equally_far_none_is_said_to_be_of_low_similarity():
    study = asked(2)
    by_script = tuple(replace(one, measure="different_script") for one in study.contrasts)
    shown = str(far.morphology(replace(study, contrasts=by_script), scores(study), [])[1])
    assert "No language is of low similarity" in shown and "too many are equally far" in shown
    assert ">low<" not in shown and 'row">the others' not in shown


def test_a_small_p_is_not_said_to_be_zero():
    shown = str(far.morphology(asked(2), scores(asked(2), far_gain=2.0), [])[1])
    assert ">.002<" in shown and ">0.00<" not in shown


def test_arms_on_other_cells_are_not_subtracted():
    study = asked(2)
    frame = scores(study)
    gone = (frame["condition"] == "all") & (frame["language"] == "de") | (
        (frame["condition"] == "none") & (frame["language"] == "es")
    )
    for part in (curves.curve, curves.contributions, far.morphology):
        with pytest.raises(XferError, match="differ in seeds, base seeds, targets or languages"):
            part(study, frame[~gone], [])


def test_a_study_without_doses_says_so():
    bare = replace(study := asked(2), arms=tuple(replace(arm, facts={"tasks": 1.0}) for arm in study.arms))
    with pytest.raises(XferError, match="no arm says its number of tasks and rows a task"):
        curves.dose_slopes(bare, curves.blocks_of(study, scores(study)))


def test_the_grid_names_each_set_once_whoever_comes_upon_it():
    one = declared({}, {"English": "abcd", "reverse": "dcba"}, 3, (0, 1, 4), rows=1.0)
    sets = [arm.params["intermediate"] for arm in one.arms]
    assert len(sets) == len(set(sets)) and sets[0] == "none" and "a,b,c,d" in sets
    assert replace(study := asked(), curves=study.curves).spec()["curves"][0]["arms"][0] == "none"
    assert random_orders("abcd", 9)["random 3"] == random_orders("abcd", 3)["random 3"]
