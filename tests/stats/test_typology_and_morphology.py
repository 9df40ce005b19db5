import numpy as np
import pandas as pd
import pytest

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.stats import morphology, typology
from tests.stats.score_tables import table

CODES = ("en", "de", "fr", "ru", "zh", "ar", "sw", "hi", "tr", "fi", "vi", "ko")


def test_distances_are_wide_and_missing_stays_missing():
    found = typology.distances(["de", "eu", "ja"]).set_index("language")
    assert np.isnan(found.loc["eu", "genetic"]) and np.isnan(found.loc["ja", "corpus_morphology"])
    assert found.loc["de", "syntactic"] == languages.distance("de")
    pairwise = typology.distances(["de", "fi"], to="tr")
    assert "syntactic" not in pairwise and "wals_morphology" in pairwise
    with pytest.raises(XferError, match="known to English only"):
        typology.distances(["de"], to="tr", measures=["syntactic"])


def test_table_filters_and_suggests():
    found = typology.table(benchmark="xtreme-r", family="Uralic")
    assert set(found["language"]) == {"et", "fi", "hu"} and {"name", "script", "syntactic"} <= set(
        found.columns
    )
    assert len(typology.table()) == 101
    with pytest.raises(XferError, match="Did you mean 'Uralic'"):
        typology.table(family="Uralik")
    with pytest.raises(XferError, match="No language fits"):
        typology.table(family="Uralic", script="Thai")


def test_every_measure_is_listed_with_its_source():
    found = typology.measures_table()
    assert (
        len(found) == len(languages.MEASURES)
        and (found["known"] > 40).all()
        and found["source"].str.len().gt(5).all()
    )


def test_specification_curve_has_every_measure_and_one_primary():
    known = typology.covariate(CODES[1:])
    slope = {code: 6 * value for code, value in known.items()}
    frame = table({"none": 0, "mnli": 1}, languages=CODES, slope=slope, tasks=("xnli",), seed_sd=0.5, seeds=6)
    curve = typology.specification_curve(frame, "mnli", "none")
    assert len(curve) == len(languages.MEASURES) and curve["primary"].sum() == 1
    primary = curve[curve["primary"]].iloc[0]
    assert primary["measure"] == "syntactic" and primary["slope"] > 0.3 and primary["p"] < 0.05
    assert primary["p_holm"] == primary["p"] and (curve["p_holm"] >= curve["p"]).all()
    assert curve["slope"].is_monotonic_increasing and (curve["languages"] <= 11).all()


def test_measures_without_enough_languages_say_so():
    frame = table({"none": 0, "mnli": 1}, languages=("en", "de", "ja", "th", "zh", "bn"), tasks=("xnli",))
    curve = typology.specification_curve(frame, "mnli", "none").set_index("measure")
    assert (
        np.isnan(curve.loc["corpus_morphology", "slope"])
        and "needs at least" in curve.loc["corpus_morphology", "note"]
    )


def test_complexity_reproduces_the_table():
    ours, theirs = [], []
    for one in languages.table().values():
        if one.value("corpus_morph_complexity") is not None:
            ours.append(morphology.complexity([one.value(m) for m in morphology.MEASURES]))
            theirs.append(one.value("corpus_morph_complexity"))
    assert len(ours) == 86
    np.testing.assert_allclose(ours, theirs, atol=5e-4)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99999


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The dog's bone - twenty-one!", ["the", "dog's", "bone", "twenty", "one"]),
        ("In 1999 B2B sales", ["in", "sales"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("snake_case ÄÖ", ["snake", "case", "äö"]),
        ("", []),
    ],
)
def test_tokens(text, words):
    assert morphology.tokens(text) == words


def test_moving_ttr_by_its_definition():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in rng.zipf(1.5, 900)]
    slow = np.mean([len(set(words[i : i + 500])) / 500 for i in range(401)])
    assert morphology.moving_ttr(words) == pytest.approx(slow)
    assert np.isnan(morphology.moving_ttr(words[:499]))


def test_entropy_and_word_length():
    assert morphology.entropy(["a", "b", "c", "d"]) == 2 and morphology.entropy(["a"] * 9) == 0
    assert morphology.word_length(["ab", "abcd"]) == 3
    assert morphology.word_length(["한국"]) == 6  # letters, not syllables
    assert morphology.word_length(["कि"]) == 1  # the vowel sign is a mark


def test_richer_morphology_scores_higher_on_parallel_texts():
    rng = np.random.default_rng(0)
    stems, endings = (
        [f"st{chr(97 + i % 26)}{i % 7}m".replace("0", "o") for i in range(200)],
        ["", "a", "an", "asta", "issa", "lla", "lle", "ksi"],
    )
    stems = ["".join(c if not c.isdigit() else "qwertyu"[int(c)] for c in s) for s in stems]
    plain, rich = [], []
    for _ in range(800):
        pick = rng.zipf(1.4, 9) % 200
        plain.append(" ".join(w for p in pick for w in (stems[p], "of")))
        rich.append(" ".join(stems[p] + endings[rng.integers(8)] for p in pick))
    found = morphology.measure({"en": plain, "fi": rich, "ja": plain}).set_index("language")
    assert found.loc["fi", "complexity"] > found.loc["en", "complexity"] + 0.5
    assert found.loc["en", "distance"] == 0 and found.loc["fi", "distance"] > 0.5
    assert "without spaces" in found.loc["ja", "note"] and np.isnan(found.loc["ja", "complexity"])
    assert "between these texts only" in found.loc["fi", "note"]


def test_texts_that_cannot_be_compared():
    with pytest.raises(XferError) as error:
        morphology.measure({"de": ["eins"], "xx": ["a", "b"], "fr": [""]})
    text = str(error.value)
    assert "no text in 'en'" in text and "not parallel" in text and "'xx'" in text and "no words" in text


PLAIN = [f"the {one} house has {other} old doors" for one in ("red", "big", "new") for other in ("two", "no")]


def test_texts_are_of_the_language_that_any_of_its_codes_names():
    found = morphology.measure({"eng": PLAIN * 20, "zho": PLAIN * 20}, reference="eng").set_index("language")
    assert "without spaces" in found.loc["zh", "note"] and np.isnan(found.loc["zh", "mean_word_length"])
    assert found.loc["en", "distance"] == 0 and "relative to" not in found.loc["en", "note"]
    with pytest.raises(XferError, match="'zh' and 'zho' are both zh"):
        morphology.measure({"en": PLAIN, "zh": PLAIN, "zho": PLAIN})


def test_a_reference_without_words_is_refused_and_another_than_english_is_noted():
    for code in ("zh", "tha", "ja"):
        with pytest.raises(XferError, match="written without spaces: nothing can be measured"):
            morphology.measure({"en": PLAIN, code: PLAIN}, reference=code)
    found = morphology.measure({"en": PLAIN * 20, "de": PLAIN * 20}, reference="deu")
    assert found["note"].str.contains("relative to de: not on the table's scale").all()


def test_languages_that_are_equally_far_are_no_tercile():
    found = typology.low_similarity(["de", "fr", "es", "it", "pt", "ru"], "different_script").set_index(
        "language"
    )
    assert found.index[found["low"]].tolist() == ["ru"], "a distance of 0 is not far"
    for codes in (["de", "fr", "es", "it"], ["de", "fr", "ru", "el", "ar", "hi"]):
        tied = typology.low_similarity(codes, "different_script")
        assert not tied[["far", "low"]].to_numpy().any(), codes


def test_similarity_is_of_languages_by_whatever_codes_they_are_called():
    found = typology.low_similarity(["eng", "deu", "tr", "sw", "fi"], "wals_morphology")
    pd.testing.assert_frame_equal(
        found, typology.low_similarity(["en", "de", "tr", "sw", "fi"], "wals_morphology", to="eng")
    )
    assert set(found["language"]) == {"de", "tr", "sw", "fi"}
    with pytest.raises(XferError, match="'de' and 'deu' are one language"):
        typology.low_similarity(["de", "deu", "tr"], "wals_morphology")
