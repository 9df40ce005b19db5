import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats import interaction
from mlflow_xfer.stats.estimate import LIKE_THESE, THESE
from mlflow_xfer.stats.means import difference
from tests.stats.score_tables import LANGUAGES, table

OTHERS = tuple(code for code in LANGUAGES if code != "en")
COVARIATE = {code: float(i) for i, code in enumerate(OTHERS)}
FRAME = table({"none": 0, "mnli": 2}, slope={code: 0.8 * v for code, v in COVARIATE.items()}, tasks=("xnli",))


def per_language(frame):
    wide = frame.pivot(index=["seed", "language"], columns="condition", values="score")
    return (wide["mnli"] - wide["none"]).unstack().reindex(columns=OTHERS)


def test_difference_in_differences_is_a_paired_t_on_the_four_arms():
    frame = table({"none": 0, "cpt": 1, "mnli": 2, "cpt+mnli": 5})
    found = interaction.difference_in_differences(frame, ("cpt+mnli", "cpt"), ("mnli", "none"))
    means = (
        frame.groupby(["condition", "seed", "task"])["score"]
        .mean()
        .groupby(["condition", "seed"])
        .mean()
        .unstack(0)
    )
    per_seed = means["cpt+mnli"] - means["cpt"] - means["mnli"] + means["none"]
    assert found.estimate == pytest.approx(per_seed.mean())
    assert found.p == pytest.approx(stats.ttest_1samp(per_seed, 0).pvalue, rel=1e-6)


def test_a_contrast_of_two_is_the_difference():
    one, other = interaction.combination(FRAME, {"mnli": 1, "none": -1}), difference(FRAME, "mnli", "none")
    assert (one.estimate, one.low, one.p) == pytest.approx((other.estimate, other.low, other.p))


def test_contrasts_need_common_seeds():
    with pytest.raises(XferError, match="differ in seeds"):
        interaction.combination(table({"a": 0, "b": 0}, seeds={"a": 3, "b": 4}), {"a": 1, "b": -1})


def test_slope_for_these_languages_is_t_on_per_seed_slopes():
    found = interaction.covariate_slope(FRAME, "mnli", "none", COVARIATE, population=THESE, standardise=False)
    slopes = [stats.linregress(list(COVARIATE.values()), row).slope for row in per_language(FRAME).to_numpy()]
    assert found.estimate == pytest.approx(np.mean(slopes)) and found.estimate == pytest.approx(0.8, abs=0.15)
    assert found.p == pytest.approx(stats.ttest_1samp(slopes, 0).pvalue, rel=1e-6)


def test_too_few_languages_for_a_slope_are_counted():
    for known, says in ((1, "1 language has a value; a slope with 0 adj"), (2, "2 languages have a value")):
        some = dict(list(COVARIATE.items())[:known])
        with pytest.raises(XferError, match=says):
            interaction.covariate_slope(
                FRAME[FRAME["language"].isin(list(some))], "mnli", "none", some, standardise=False
            )


def test_slope_of_one_run_is_least_squares():
    one = FRAME[FRAME["seed"] == 1]
    found = interaction.covariate_slope(one, "mnli", "none", COVARIATE, standardise=False)
    reference = stats.linregress(list(COVARIATE.values()), per_language(one).to_numpy()[0])
    assert (found.estimate, found.se, found.p) == pytest.approx(
        (reference.slope, reference.stderr, reference.pvalue), rel=1e-6
    )
    assert any("given this model" in note for note in found.notes)


def test_adjusting_is_multiple_regression():
    one = FRAME[FRAME["seed"] == 1]
    size = dict(zip(OTHERS, (3.0, 1, 4, 1, 5, 9, 2), strict=True))
    found = interaction.covariate_slope(
        one, "mnli", "none", COVARIATE, adjust={"gib": size}, standardise=False
    )
    design = sm.add_constant(np.column_stack([list(COVARIATE.values()), list(size.values())]))
    reference = sm.OLS(per_language(one).to_numpy()[0], design).fit()
    assert (found.estimate, found.se, found.p) == pytest.approx(
        (reference.params[1], reference.bse[1], reference.pvalues[1]), rel=1e-6
    )


def test_slope_is_per_sd_and_follows_the_covariates_scale():
    per_sd = interaction.covariate_slope(FRAME, "mnli", "none", COVARIATE)
    per_unit = interaction.covariate_slope(FRAME, "mnli", "none", COVARIATE, standardise=False)
    assert per_sd.estimate == pytest.approx(per_unit.estimate * np.std(list(COVARIATE.values()), ddof=1))
    assert per_sd.p == pytest.approx(per_unit.p)
    wide, narrow = (
        interaction.covariate_slope(FRAME, "mnli", "none", COVARIATE, population=p)
        for p in (LIKE_THESE, THESE)
    )
    assert wide.high - wide.low >= narrow.high - narrow.low


def test_missing_values_are_refused_with_the_rows_or_dropped():
    holes = COVARIATE | {"sw": None}
    with pytest.raises(XferError, match=r"(?s)1 values are unknown.*language=sw"):
        interaction.covariate_slope(FRAME, "mnli", "none", holes)
    found = interaction.covariate_slope(FRAME, "mnli", "none", holes, missing="drop")
    assert found.n["languages"] == 6 and any("1 languages left out" in note for note in found.notes)


def test_what_a_slope_cannot_be_had_from():
    with pytest.raises(XferError, match="at least 4"):
        interaction.covariate_slope(
            FRAME, "mnli", "none", dict.fromkeys(OTHERS) | {"de": 1.0, "fr": 2.0}, missing="drop"
        )
    with pytest.raises(XferError, match="same for every language"):
        interaction.covariate_slope(FRAME, "mnli", "none", dict.fromkeys(OTHERS, 1.0))
    with pytest.raises(XferError, match="determined by the adjustments"):
        interaction.covariate_slope(FRAME, "mnli", "none", COVARIATE, adjust={"same": COVARIATE})
    nearly = dict.fromkeys(OTHERS, 1.0) | {"de": 1.0 + 1e-15}
    with pytest.raises(XferError, match="same for every language"):
        interaction.covariate_slope(FRAME, "mnli", "none", nearly)
    for missing in ("refuse", "drop"):
        with pytest.raises(XferError, match=r"(?s)1 values are infinite.*language=sw"):
            endless = COVARIATE | {"sw": -math.inf}
            interaction.covariate_slope(FRAME, "mnli", "none", endless, missing=missing)
    with pytest.raises(XferError, match="do not share their seeds"):
        interaction.covariate_slope(
            table({"none": 0, "mnli": 1}, seeds={"none": 3, "mnli": 4}), "mnli", "none", COVARIATE
        )


def test_english_is_left_out_by_whatever_code_it_is_called():
    called = FRAME.replace({"language": {"en": "eng"}})
    found = [interaction.covariate_slope(frame, "mnli", "none", COVARIATE) for frame in (called, FRAME)]
    assert found[0] == found[1]
    twice = FRAME[FRAME["language"] == "de"].assign(language="deu", task="udpos")
    with pytest.raises(XferError, match="'de' and 'deu' are one language"):
        interaction.covariate_slope(pd.concat([FRAME, twice]), "mnli", "none", COVARIATE)


def test_model_sizes_are_the_unit():
    with pytest.raises(XferError, match="covers 18 %"):
        interaction.size_slope({7e9: 1.0, 13e9: 2.0, 30e9: 3.0})
    effects = {1e8: 0.1, 1e9: 0.7, 7e9: 1.1, 13e9: 1.9, 30e9: 2.0}
    reference = stats.linregress(np.log10(list(effects)), list(effects.values()))
    found = interaction.size_slope(effects)
    assert (found.estimate, found.p) == pytest.approx((reference.slope, reference.pvalue)) and found.df == 3


def test_detectable_slope():
    found = interaction.covariate_slope(FRAME, "mnli", "none", COVARIATE)
    assert 0 < interaction.minimum_slope(found) < math.inf
