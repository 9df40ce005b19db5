"""What contrasts say of made-up scores whose truth is known, and what they can find."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, EXPLORATORY, REGISTERED, UNDECIDED, WORSE
from mlflow_xfer.stats import crossed
from mlflow_xfer.stats.estimate import LIKE_THESE
from mlflow_xfer.stats.interaction import covariate_slope
from mlflow_xfer.stats.means import difference
from mlflow_xfer.stats.multiplicity import holm
from mlflow_xfer.stats.power import equivalence_interval, minimum_detectable, power
from mlflow_xfer.studies.contrasts import LESS, compute
from mlflow_xfer.studies.foresight import (
    detectable_points,
    detectable_ratio,
    foresee,
    points_power,
    spread_power,
)
from mlflow_xfer.studies.page import rows
from mlflow_xfer.studies.sentences import answer, headline
from mlflow_xfer.studies.study import Arm, Contrast, Study

CODES = ("en", "de", "es", "tr", "sw", "id", "vi", "af", "ht", "eu")
TARGETS = ("general", "medical")
LEVEL = {"none": (50.0, 50.0), "all": (60.0, 52.0), "med": (54.0, 61.0), "bad": (40.0, 42.0)}
ARMS = tuple(Arm(name, {}, "" if name == "none" else "none") for name in LEVEL)
STUDY = Study("made", "What helps?", {"target": "general,medical"}, ARMS)


def scores(seeds: int = 6, noise: float = 0.4, scale: dict[str, float] | None = None) -> pd.DataFrame:
    """Levels by arm and target; seeds and languages that all arms share; noise of its own in each cell."""
    rng = np.random.default_rng(0)
    common = rng.normal(0, 3, (seeds, len(TARGETS), 1)) + rng.normal(0, 6, (1, len(TARGETS), len(CODES)))
    rows = []
    for name, levels in LEVEL.items():
        of = np.array(levels)[None, :, None] + common * (scale or {}).get(name, 1.0)
        of = of + rng.normal(0, noise, of.shape)
        rows += [
            (name, task, code, 0, seed, of[seed, t, c], 500)
            for seed in range(seeds)
            for t, task in enumerate(TARGETS)
            for c, code in enumerate(CODES)
        ]
    columns = ["condition", "task", "language", "base_seed", "seed", "score", "n"]
    return pd.DataFrame(rows, columns=columns).assign(suite="made", metric="accuracy")


def found(*contrasts: Contrast, **options):
    frame = options.pop("frame", None)
    study = replace(STUDY, contrasts=contrasts, **options.pop("study", {}))
    return compute(study, scores() if frame is None else frame, **options)


def test_help_null_and_harm_are_told():
    same = scores()
    copy = same[same["condition"] == "none"].assign(condition="null")
    copy["score"] += np.random.default_rng(1).normal(0, 0.4, len(copy))
    helps, null, harms = found(
        Contrast("helps", {"all": 1, "none": -1}, primary=True),
        Contrast("null", {"null": 1, "none": -1}, "equivalence", primary=True),
        Contrast("harms", {"bad": 1, "none": -1}, primary=True),
        frame=pd.concat([same, copy], ignore_index=True),
        registered=True,
        study={"arms": (*ARMS, Arm("null", {}, "none"))},
    )
    assert [one.verdict for one in (helps, null, harms)] == [BETTER, EQUIVALENT, WORSE]
    assert {one.status for one in (helps, null, harms)} == {REGISTERED}
    assert helps.estimate.low < 6 < helps.estimate.high and harms.estimate.low < -9 < harms.estimate.high
    assert null.p_equivalence < 0.05 and not helps.demonstration and helps.power > 0.9


def test_an_effect_is_the_difference_of_means():
    (one,) = found(Contrast("all", {"all": 1, "none": -1}, targets=("medical",)))
    frame = scores()
    other = difference(frame[frame["task"] == "medical"], "all", "none")
    assert one.estimate.estimate == pytest.approx(other.estimate) and one.estimate.p == pytest.approx(other.p)
    assert one.status == EXPLORATORY and one.estimate.level == 0.95


def test_a_difference_of_differences_between_targets():
    weights = {"med": 1.0, "all": -1.0}
    match, own, general = found(
        Contrast("match", weights, targets=("medical",), less=("general",)),
        Contrast("own", weights, targets=("medical",)),
        Contrast("general", weights, targets=("general",)),
    )
    assert match.estimate.estimate == pytest.approx(own.estimate.estimate - general.estimate.estimate)
    assert match.estimate.low < 15 < match.estimate.high and match.verdict == BETTER


def test_registered_contrasts_are_corrected_apart_and_at_their_own_level():
    three = [Contrast(name, {name: 1, "none": -1}, primary=name != "bad") for name in ("all", "med", "bad")]
    first, second, rest = found(*three, registered=True, level=0.9875)
    expected = holm([first.estimate.p, second.estimate.p])
    assert [first.p_corrected, second.p_corrected] == pytest.approx(list(expected))
    assert rest.p_corrected == pytest.approx(rest.estimate.p) and rest.estimate.level == 0.95
    assert first.estimate.level == 0.9875
    wide = first.estimate.high - first.estimate.low
    (narrow,) = found(three[0])
    assert wide > narrow.estimate.high - narrow.estimate.low


@pytest.mark.slow
def test_a_smaller_spread_is_told_from_a_larger_mean():
    pair = Contrast("even", {"med": 1, "none": -1}, "spread", margin=0.8)
    (even,) = found(pair, frame=scores(scale={"none": 2.0, "med": 0.4}))
    assert even.verdict == LESS and even.estimate.estimate < 0.6
    assert even.table is not None and list(even.table["task"]) == sorted(TARGETS)
    (same,) = found(Contrast("same", {"all": 1, "none": -1}, "spread", targets=("medical",)))
    assert same.verdict == UNDECIDED and 0.8 < same.estimate.estimate < 1.25
    assert same.demonstration and same.as_dict()["power_at_margin"] == same.power < 0.5


def test_a_slope_is_that_of_the_difference():
    far = Contrast("far", {"all": 1, "none": -1}, "slope", measure="syntactic")
    (one,), (these,) = found(far), found(far, study={"population": LIKE_THESE})
    assert one.estimate == these.estimate, "languages are its sample, whatever the study is about"
    known = {code: languages.distance(code, "en", "syntactic") for code in CODES}
    other = covariate_slope(scores(), "all", "none", known)
    assert one.estimate.estimate == pytest.approx(other.estimate) and one.estimate.p == pytest.approx(other.p)


def test_the_best_of_each_is_chosen_with_other_seeds_than_it_is_scored_with():
    frame = scores()
    lucky = (frame["condition"] == "bad") & (frame["seed"] < 3)
    dev = frame[frame["language"] == "en"][["condition", "task", "seed", "score"]].copy()
    dev.loc[dev["condition"] == "bad", "score"] = 99.0
    best = Contrast("best", {"all": 1, "med": 1, "bad": 1, "none": -1}, "best")
    (honest,) = found(best, dev=dev)
    assert honest.table is not None and set(honest.table["chosen"]) == {"bad"} and honest.verdict == WORSE
    assert (
        honest.estimate.n["seeds"] == 3
        and "chosen with seeds 0, 1, 2, scored with 3, 4, 5" in honest.estimate.notes
    )
    frame.loc[lucky, "score"] += 40  # on the seeds it is chosen with
    (without,) = found(best, frame=frame)
    assert without.estimate.estimate < -8, "what was lucky there does not count"
    assert any("no dev scores" in note for note in without.estimate.notes)
    (few,) = found(best, frame=scores(3))
    assert few.verdict == UNDECIDED and "too few to choose" in few.estimate.notes[0]


def test_sets_are_a_sample_of_such_sets():
    rng = np.random.default_rng(5)
    base = scores()
    extra = {
        f"{side} {n}": 10.0 * (side == "own") + rng.normal(0, 2)
        for side in ("own", "other")
        for n in range(3)
    }
    none = base[base["condition"] == "none"]
    frames = [
        none.assign(condition=name, score=none["score"] + gain * (none["task"] == "medical"))
        for name, gain in extra.items()
    ]
    sides = {name: (1 if name.startswith("own") else -1) / 3 for name in extra}
    on, match, plain = found(
        Contrast("own", sides, "sets", targets=("medical",)),
        Contrast("match", sides, "sets", targets=("medical",), less=("general",)),
        Contrast("these", sides, targets=("medical",)),
        frame=pd.concat(frames, ignore_index=True),
    )
    assert on.estimate.estimate == pytest.approx(plain.estimate.estimate)
    assert match.estimate.estimate == pytest.approx(on.estimate.estimate), (
        "nothing happens on the general one"
    )
    assert on.estimate.n["sets"] == 6 and on.estimate.df < 5 and on.verdict == BETTER
    assert on.estimate.high - on.estimate.low > 3 and not on.power > 0.5


def test_a_contrast_without_scores_leaves_the_others():
    lost, unknown, kept = found(
        Contrast("lost", {"all": 1, "none": -1}, targets=("qa",)),
        Contrast("unknown", {"nobody": 1, "none": -1}),
        Contrast("kept", {"all": 1, "none": -1}),
    )
    assert lost.estimate.notes == ("all has no scores on qa.",) and "nobody" in unknown.estimate.notes[0]
    assert lost.verdict == unknown.verdict == UNDECIDED and kept.verdict == BETTER
    assert headline([lost]) == "lost: cannot be told: all has no scores on qa (no estimate)"
    assert [row[4] for row in rows([lost, kept])] == ["all has no scores on qa", BETTER]


SPOKEN = dict.fromkeys(TARGETS, CODES)
HELPS = Contrast("helps", {"all": 1, "none": -1}, primary=True)


def refused(contrast: Contrast, seeds: int = 6, spoken=SPOKEN, **study) -> str:
    with pytest.raises(XferError) as error:
        foresee(replace(STUDY, contrasts=(contrast,), **study), seeds, spoken)
    return str(error.value)


def test_what_could_find_nothing_is_refused_with_its_power():
    assert "1 seed allows no interval and no test (power 0)" in refused(HELPS, 1)
    assert "the margin takes about 73 seeds" in refused(HELPS, 1, sd=3.0)
    with pytest.raises(XferError, match="the margin takes about 89 seeds"):  # at Holm's level of two
        foresee(replace(STUDY, contrasts=(HELPS, replace(HELPS, name="other")), sd=3.0), 1, SPOKEN)
    spread = replace(HELPS, kind="spread")
    assert "2 languages besides English have no spread (power 0)" in refused(
        spread, spoken={"general": ("en", "de", "es")}
    )
    slope = replace(HELPS, kind="slope")
    assert "2 languages besides English allow no slope" in refused(
        slope, spoken={"general": ("en", "de", "es")}
    )
    unknown = replace(slope, measure="wals_morphology")
    said = refused(unknown, spoken={"general": ("en", "de", "tr", "sw", "af")})
    assert "no wals_morphology distance to English is known of af" in said
    by_script = replace(slope, measure="different_script")
    assert "all languages are equally far from English by different_script" in refused(by_script)
    foresee(replace(STUDY, contrasts=(by_script,)), 6, {"general": (*CODES, "ru")})
    assert "2 seeds allow no interval" in refused(replace(HELPS, kind="best"), 2)


def test_a_contrast_is_foreseen_in_its_own_languages():
    slope = replace(HELPS, kind="slope", languages=("de", "es", "tr"))
    assert "3 languages besides English allow no slope (power 0)" in refused(slope)
    spread = replace(HELPS, kind="spread", languages=("en", "de", "es"))
    assert "2 languages besides English have no spread (power 0)" in refused(spread)
    assert "1 language besides English has no spread" in refused(replace(spread, languages=("en", "de")))
    assert "1 language besides English allows no slope" in refused(replace(slope, languages=("de",)))
    (said,) = foresee(replace(STUDY, contrasts=(replace(spread, languages=CODES[:7]),)), 6, SPOKEN)
    assert "with 6 languages a ratio" in said


def test_languages_in_which_nothing_is_scored_are_refused():
    said = refused(replace(HELPS, languages=("xx", "ja", "de")))
    assert "none of general, medical is scored in xx, ja." in said and "scored in af, de, en" in said
    exploratory = replace(HELPS, primary=False, languages=("xx",))
    assert "is scored in xx" in refused(exploratory)
    apart = {"general": ("en", "de"), "medical": ("en", "tr")}
    one = replace(HELPS, targets=("general",), languages=("tr",))
    assert "none of general is scored in tr" in refused(one, spoken=apart)
    for contrast in (
        replace(one, targets=("general", "medical")),
        replace(one, targets=("medical",), less=("general",)),
    ):
        assert "general is scored in none of its languages (tr)" in refused(contrast, spoken=apart)


def test_what_can_be_found_is_said_before():
    (said,) = foresee(replace(STUDY, contrasts=(HELPS,), sd=3.0), 6, SPOKEN)
    assert "6 seeds find 4.3 points in 8 of 10 cases and the margin of 1 in 10%" in said
    (said,) = foresee(replace(STUDY, contrasts=(replace(HELPS, kind="spread"),)), 6, SPOKEN)
    assert "with 9 languages a ratio of 0.8 is found in" in said


@pytest.mark.slow
def test_power_of_a_spread_grows_with_languages_and_with_the_ratio():
    few, many, sharp = spread_power(0.6, [7]), spread_power(0.6, [7] * 3), spread_power(0.3, [7] * 3)
    assert few < many <= sharp and sharp > 0.6
    assert spread_power(1.0, [7] * 3) <= 0.09, "false positives"
    assert detectable_ratio([5]) == 0.0, "five languages cannot reach .05"


def test_targets_that_are_an_arms_own_task_count_in_no_contrast():
    frame = scores()
    own = (frame["condition"] == "med") & (frame["task"] == "medical")
    frame["same_task"] = np.where(own, "mednli", "")
    two = (
        Contrast("gain", {"med": 1, "none": -1}),
        Contrast("other", {"all": 1, "none": -1}),
        Contrast("best", {"all": 1, "med": 1, "none": -1}, "best"),
        Contrast("there", {"med": 1, "none": -1}, targets=("medical",)),
        Contrast("less", {"med": 1, "none": -1}, targets=("medical",), less=("general",)),
    )
    gain, other, best, there, less = found(*two, frame=frame)
    assert gain.estimate.n["tasks"] == 1 and gain.estimate.estimate == pytest.approx(4, abs=0.5)
    assert "without targets that are an arm's own task: medical (of med)" in gain.estimate.notes
    assert other.estimate.n["tasks"] == 2, "of which it is no arm's"
    assert best.table is not None and set(best.table["chosen"]) == {"all"}
    assert "not chosen where the task is an arm's own: medical (of med)" in best.estimate.notes
    for none in (there, less):
        assert (
            np.isnan(none.estimate.estimate) and "every target is an arm's own task" in none.estimate.notes[0]
        )


def test_a_target_may_be_subtracted_from_several():
    frame = scores()
    third = frame[frame["task"] == "medical"].assign(task="legal", score=lambda of: of["score"] - 9)
    third.loc[third["condition"] == "med", "score"] += 4
    three = pd.concat([frame, third], ignore_index=True)
    more = Contrast("more", {"med": 1, "none": -1}, targets=("medical", "legal"), less=("general", "general"))
    (one,) = found(more, frame=three, study={"shared": {"target": "general,medical,legal"}})
    # medical: 11 - 4; legal: 15 - 4
    assert one.estimate.estimate == pytest.approx(9, abs=0.5) and one.estimate.n["tasks"] == 2
    (without,) = found(more, frame=three[(three["task"] != "legal") | (three["language"] != "sw")])
    assert "not in sw" not in " ".join(without.estimate.notes), "it is there in the other pair"
    fewer = three[(three["task"] != "general") | (three["language"] != "sw")]
    (without,) = found(more, frame=fewer)
    assert "not in sw: not in both targets of a pair" in without.estimate.notes


def test_what_a_design_finds_is_said_for_the_corrected_test():
    helps = Contrast("helps", {"all": 1, "none": -1})
    (alone,) = found(helps)
    first, *_ = found(helps, *(replace(helps, name=f"copy {n}") for n in range(9)))
    assert first.estimate == alone.estimate
    assert first.detectable > 1.3 * alone.detectable and first.power <= alone.power
    noisy = scores(noise=8.0)
    (alone,), (first, *_) = (
        found(*asked, frame=noisy) for asked in ((helps,), (helps, replace(helps, name="copy")))
    )
    assert 0 < first.power < alone.power < 1


def test_several_bases_are_planned_for_as_they_are_analysed():
    assert points_power(2.0, 1, 6) == pytest.approx(power(2.0, 1.0, 6))
    assert points_power(0.0, 2, 5) < 0.05, "errors to the safe side"
    finds = detectable_points(3.0, 2, 5)
    rng = np.random.default_rng(3)
    runs = crossed.spread(finds + 3.0 * rng.standard_normal((1500, 2, 5, 1)), (crossed.BASE, crossed.SEED))
    assert (runs.p_value(runs.mean) <= 0.05).mean() == pytest.approx(0.8, abs=0.04)
    assert finds > 2 * detectable_points(3.0, 1, 10), "two bases are a small sample"


def test_the_best_of_each_is_planned_for_with_the_seeds_that_score_it():
    best = Contrast("best", {"all": 1, "med": 1, "none": -1}, "best", primary=True)
    study = replace(STUDY, contrasts=(best,), sd=3.0)
    (said,) = foresee(study, 6, {"general": CODES})
    assert f"find {minimum_detectable(3.0 / 3**0.5, 2):.1f} points" in said and "other half" in said
    with pytest.raises(XferError, match="1 seed allows no interval"):
        foresee(study, 1, {"general": CODES}, bases=4)


def test_an_equivalence_is_told_with_the_interval_that_decides_it():
    frame = scores()
    copy = frame[frame["condition"] == "none"].assign(condition="null")
    copy["score"] += np.random.default_rng(1).normal(0, 0.4, len(copy))
    same = Contrast("same", {"null": 1, "none": -1}, "equivalence")
    (one,) = found(same, frame=pd.concat([frame, copy], ignore_index=True))
    low, high = equivalence_interval(one.estimate)
    assert one.verdict == EQUIVALENT and one.estimate.low < low < high < one.estimate.high
    assert f"[{points(low, True)}, {points(high, True)}], 90% interval" in answer([one])[0]
    assert one.p_decisive == one.p_equivalence and "corrected p of equivalence < .001" in answer([one])[0]


def test_the_level_of_a_spread_is_said_where_it_is_not_the_usual_one():
    spread = Contrast("spread", {"all": 1, "none": -1}, "spread", primary=True)
    assert "98.8% interval" in answer(found(spread, registered=True, level=0.9875))[0]
    assert "interval" not in answer(found(spread))[0]


def test_seeds_that_score_the_same_leave_nothing_to_infer_from():
    frame = scores()
    frame["score"] = frame.groupby(["condition", "task", "language"])["score"].transform("first")
    (one,) = found(HELPS, frame=frame)
    assert one.verdict == UNDECIDED and one.alike and not one.demonstration
    (said,) = answer([one])
    assert "cannot be told: every seed scores the same (+5.7 points, no interval" in said


def test_a_spread_is_planned_for_at_the_level_of_the_corrected_test():
    spread = replace(HELPS, kind="spread")
    alone = foresee(replace(STUDY, contrasts=(spread,)), 6, SPOKEN)[0]
    among = replace(STUDY, contrasts=(spread, replace(spread, name="other"), replace(spread, name="third")))
    share = re.compile(r"in (\d+)% of cases")
    shares = [
        int(found[1]) for said in (alone, foresee(among, 6, SPOKEN)[0]) if (found := share.search(said))
    ]
    assert shares[1] < shares[0]
