"""Regression judged on languages that were left out, and source languages by distances between any two."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.left_out import leave_one_language_out, of_covariates
from mlflow_xfer.stats.source_language import PAIRWISE, judged, pairwise, sources
from mlflow_xfer.stats.typology import diversity

CODES = ("de", "fr", "ru", "zh", "ar", "sw", "hi", "tr", "fi", "vi", "ko", "el")


def planted(slope: float, noise: float, seed: int = 0) -> dict[str, float]:
    draws = np.random.default_rng(seed)
    return {code: 5 + slope * languages.distance(code) + draws.normal(scale=noise) for code in CODES}


def test_planted_slopes_foretell_left_out_languages_and_noise_does_not():
    found = leave_one_language_out(planted(-20, 0.5))
    assert found.explained > 0.8 and found.p < 0.01 and found.error < found.error_of_mean / 2
    assert "foretells new languages" in found.sentence
    assert np.mean([leave_one_language_out(planted(0, 1, seed)).p <= 0.05 for seed in range(20)]) <= 0.2


def test_it_is_the_same_as_fitting_without_each_language():
    gains = planted(-20, 2)
    found = leave_one_language_out(gains, ("syntactic", "geographic")).table.set_index("language")
    known = {
        code: [1, languages.distance(code), languages.distance(code, "en", "geographic")]
        for code in found.index
    }
    for code in found.index:
        rest = [other for other in found.index if other != code]
        slopes = np.linalg.lstsq(np.array([known[o] for o in rest]), np.array([gains[o] for o in rest]))[0]
        assert found.loc[code, "foretold"] == pytest.approx(np.array(known[code]) @ slopes)


def test_too_little_to_leave_out_is_said():
    with pytest.raises(XferError, match="too few: 5 are needed"):
        leave_one_language_out({"de": 1.0, "fr": 2.0, "ru": 0.5})
    with pytest.raises(XferError, match="does not vary"):
        of_covariates(planted(-20, 1), {code: [2.0] for code in CODES})
    with pytest.raises(XferError, match="the same in every language"):
        of_covariates(
            {code: 0.1 + (0.2 if code < "h" else 0.2 + 1e-15) for code in CODES},
            {code: [languages.distance(code)] for code in CODES},
        )
    gains = planted(-20, 1)
    known = {code: [languages.distance(code)] for code in CODES}
    for changed, other, said in (
        ({}, {"de": [float("nan")]}, "de has covariates that are no finite numbers"),
        ({"de": float("nan"), "fr": float("inf")}, {}, "de, fr have a gain that is no finite number"),
        ({"eu": 1.0}, {}, "eu has no covariates"),
        ({}, {"de": [1.0, 2.0]}, "different numbers of covariates"),
    ):
        with pytest.raises(XferError, match=said):
            of_covariates(gains | changed, known | other)
    assert leave_one_language_out(planted(-20, 1) | {"eu": 1.0}, ("genetic",)).without == ("eu",)


def test_distances_between_any_two_languages():
    square = pairwise("wals_morphology_extended")
    assert square.shape == (101, 101) and np.allclose(square, square.T, equal_nan=True)
    assert np.nanmax(np.abs(np.diag(square))) == 0
    with pytest.raises(XferError, match="known to English only"):
        pairwise("syntactic", ["de", "tr"])


def test_values_that_stand_in_for_a_relatives_are_no_distance_to_it():
    for code, relative in (("ur", "hi"), ("ms", "id"), ("hr", "sr")):
        assert languages.distance(code, relative, "wals_morphology_extended") is None
        square = pairwise("wals_morphology_extended", [code, relative])
        assert np.isnan(square.loc[code, relative]) and square.loc[code, code] == 0
    found = sources(["ur"]).set_index("language")
    assert np.isnan(found.loc["hi", "wals_morphology_extended"]) and found.loc["hi", "known"] == 0.75
    assert found.loc["ms", "note"] == "WALS values of ms are a relative's" and not found.loc["hi", "note"]
    assert not any(sources(["ur"], ["ms", "de"], ["different_family"])["note"])
    assert np.isnan(diversity(["ur", "hi"])["wals_morphology"])


def test_near_languages_come_first():
    found = sources(["pt"], ["en", "es", "it", "zh", "tr", "pt"])
    assert set(found["language"][:3]) == {"it", "es", "en"} and found["language"][0] == "it"
    assert "pt" not in set(found["language"]) and set(PAIRWISE) < set(found)
    assert found["known"].between(0, 1).all() and found["rank"].is_monotonic_increasing
    kin = sources(["az"], ["en", "tr", "de", "zh"], ["different_family", "different_script"])
    assert kin["language"][0] == "tr"
    right = judged({"it": 80, "es": 79, "en": 78, "tr": 60, "zh": 50}, found)
    assert right["regret@1 points"] == 0 and right["Kendall"] > 0.5


def test_bad_targets_and_candidates():
    with pytest.raises(XferError, match="No target languages"):
        sources([])
    with pytest.raises(XferError, match="fewer than two candidates"):
        sources(["de"], ["de", "fr"])
    with pytest.raises(XferError, match="No distances are given"):
        sources(["de"], measures=[])


def test_weights_are_of_targets_by_any_of_their_codes():
    pool = ["ar", "am", "ru", "fr"]
    plain, same = sources(["he", "de"], pool), sources(["he", "de"], pool, weights={"heb": 100})
    alone = sources(["he"], pool)
    assert same["rank"].sub(alone["rank"]).abs().max() < plain["rank"].sub(alone["rank"]).abs().max()
    assert list(same["language"]) == list(sources(["he", "de"], pool, weights={"he": 100})["language"])
    for weights, said in (
        ({"he": 0}, "All targets have the weight 0"),
        ({"he": -1}, "The weight of he is -1"),
        ({"he": float("nan")}, "The weight of he is nan"),
        ({"fr": 1}, "fr has a weight and is no target"),
        ({"he": 1, "iw": 2}, "'he' and 'iw' are one language"),
    ):
        with pytest.raises(XferError, match=said):
            sources(["he"], pool, weights=weights)


def test_languages_are_left_out_by_whatever_codes_they_are_called():
    gains = planted(-20, 1)
    found = leave_one_language_out(gains | {"eng": 100.0}, to="eng")
    pd.testing.assert_frame_equal(found.table, leave_one_language_out(gains).table)
    called = {{"de": "deu"}.get(code, code): gain for code, gain in gains.items()}
    assert leave_one_language_out(called).table["language"][0] == "de"
    with pytest.raises(XferError, match=r"'de' and 'deu' and 'ger' are one language \(de\)"):
        leave_one_language_out(gains | {"deu": 1.0, "ger": 2.0})
