import csv
import subprocess
import sys

import pytest

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError


def raw():
    with languages.TABLE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_row_is_read():
    assert len(languages.known()) == len(raw()) == 101
    assert sum("xtreme-r" in language.benchmarks for language in languages.table().values()) == 50


def test_missing_is_none_and_a_true_zero_is_kept():
    assert languages.get("af").value("wals_20A") is None
    assert (
        languages.get("yo").value("xlmr_pretraining_gib") == 0.0
    )  # not among XLM-R's languages: a true zero
    blanks = sum(
        value == ""
        for row in raw()
        for column, value in row.items()
        if column.startswith(("wals_2", "uriel_syn"))
    )
    assert blanks > 100
    for row in raw():
        for column, value in languages.get(row["code"]).values.items():
            assert row[column] != "" and float(row[column]) == value


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("sw", "sw"),
        ("swa", "sw"),
        ("quy", "qu"),
        ("iw", "he"),
        ("SW", "sw"),
        ("deu", "de"),
        ("ger", "de"),
        ("zho", "zh"),
        ("chi", "zh"),
        ("ara", "ar"),
        ("fas", "fa"),
        ("est", "et"),
        ("nor", "no"),
    ],  # fmt: skip
)
def test_codes_aliases_and_iso_codes(asked, code):
    assert languages.get(asked).code == code


def test_no_alias_hides_a_code():
    for code in languages.known():
        assert languages.get(code).code == code


def test_unknown_codes_are_named_all_at_once():
    with pytest.raises(XferError) as error:
        languages.resolve(["de", "xx-unknown", "finnish", False])
    text = str(error.value)
    assert "3 problems" in text and "xx-unknown" in text and "'fi'" in text and "quoted in YAML" in text


def test_resolve_keeps_the_order_and_drops_repeats():
    assert [language.code for language in languages.resolve(["sw", "de", "swa"])] == ["sw", "de"]


def test_pairwise_wals_equals_the_table_to_english():
    seen = 0
    for language in languages.table().values():
        for measure, column in (
            ("wals_morphology", "wals_morph_distance_to_english"),
            ("wals_morphology_extended", "wals_morph_ext_distance_to_english"),
        ):
            want, got = language.value(column), languages.distance(language.code, "en", measure)
            if language.code == "en":
                continue
            assert (want is None) == (got is None), language.code
            if want is not None:
                seen += 1
                assert got == pytest.approx(want, abs=1e-4)
    assert seen == sum(
        row["wals_morph_distance_to_english"] != "" and row["code"] != "en" for row in raw()
    ) + sum(row["wals_morph_ext_distance_to_english"] != "" and row["code"] != "en" for row in raw())
    assert seen >= 110


def test_corpus_distance_equals_the_table_and_keeps_its_sign():
    for language in languages.table().values():
        want = language.value("corpus_morph_distance_to_english")
        if want is None:
            continue
        signed = languages.distance(language.code, "en", "corpus_morphology_signed")
        assert abs(signed) == pytest.approx(want, abs=2e-4)
        assert languages.distance(language.code, "en", "corpus_morphology") == abs(signed)
    assert (
        languages.distance("vi", "en", "corpus_morphology_signed")
        < 0
        < languages.distance("hu", "en", "corpus_morphology_signed")
    )


def test_every_measure_is_symmetric_or_antisymmetric_and_zero_to_itself():
    codes = languages.known()
    assert len(languages.MEASURES) == 15
    for measure in languages.MEASURES:
        known = 0
        for a in codes:
            there, back = languages.distance(a, "en", measure.name), languages.distance("en", a, measure.name)
            if there is None:
                assert back is None
                continue
            known += 1
            assert back == (-there if measure.signed else there)
            assert measure.signed or there >= 0
            assert languages.distance(a, a, measure.name) in (0.0, None)
        assert known >= 40, measure.name


def test_a_missing_distance_is_none_not_zero():
    assert languages.distance("eu", "en", "genetic") is None
    assert languages.distance("ja", "en", "corpus_morphology") is None


def test_to_english_only_is_refused_between_others():
    with pytest.raises(XferError, match="known to English only"):
        languages.distance("de", "fi", "syntactic")
    with pytest.raises(XferError, match="Did you mean"):
        languages.distance("de", "fi", "syntatic")


def test_importing_costs_neither_pandas_nor_torch():
    code = (
        "import sys; from mlflow_xfer import languages; languages.known(); print([m for m in "
        "('pandas','numpy','torch','mlflow') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "code"),
    [("English", "en"), ("chinese", "zh"), ("Chinese (Mandarin)", "zh"), ("iw", "he"), ("pt-BR", "pt"),
     ("zho_Hans", "zh"), ("de ", "de"), ("zh-hans", "zh"), ("ZH_HANT_TW", "zh"), ("zh-Hans-CN", "zh"),
     ("de-1996", "de"), ("es-419", "es"), ("en_test", None), ("zh-yue", None), ("Klingon", None),
     ("none", None), ("", None)],
)  # fmt: skip
def test_other_names_of_a_language_are_known(name, code):
    assert languages.code_of(name) == code


def test_two_codes_of_one_language_are_named():
    assert languages.codes_of(["iw", "DE", "xx"]) == {"iw": "he", "DE": "de", "xx": "xx"}
    with pytest.raises(XferError, match=r"'he' and 'iw' are one language \(he\)") as error:
        languages.codes_of(["he", "iw", "fr", "de", "deu"])
    assert "'de' and 'deu'" in str(error.value)


def test_a_name_in_the_place_of_a_code_is_told_its_code():
    with pytest.raises(XferError, match=r"The code of Chinese \(Mandarin\) is 'zh'"):
        languages.get("chinese")
