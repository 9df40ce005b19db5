"""Languages of tasks declared in files: which row and which file is of which."""

from __future__ import annotations

import json

import pytest
from task_files import rows, says

from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task_file import load_task_file


def test_a_language_column(write):
    path = write(
        """
t:
  kind: classification
  labels: [x, y]
  language_column: lang
  languages: [de, sw]
  files: {test: all.jsonl}
""",
        all__jsonl=(
            '{"text_a": "a", "label": "x", "lang": "de"}\n{"text_a": "b", "label": "y", "lang": "sw"}\n'
            '{"text_a": "c", "label": "y", "lang": "sw"}\n'
        ),
    )
    [task] = load_task_file(path)
    assert [r["text_a"] for r in rows(task, "test", "sw")] == ["b", "c"] and task.uses == ("target",)


@pytest.mark.parametrize(
    ("name", "code"),
    [("iw", "he"), ("pt-BR", "pt"), ("zh_Hans", "zh"), ("zho_Hans", "zh"), ("swh", "sw"), ("DE", "de")],
)
def test_a_file_under_another_name_of_its_language_is_not_passed_over(write, name, code):
    read = "kind: classification, labels: [x, y], columns: {text_a: 0, label: 1}"
    path = write(f't: {{{read}, files: {{test: "{{language}}.tsv"}}}}', en__tsv="a\tx\n", other__tsv="a\ty\n")
    assert load_task_file(path)[0].languages == ("en",)
    (path.parent / f"{name}.tsv").write_text("a\tx\n")
    assert f"{name}.tsv is of {name}, and the code of that is {code}" in says(path)
    (path.parent / f"{code}.tsv").write_text("a\tx\n")
    assert set(load_task_file(path)[0].languages) == {"en", code}


@pytest.mark.parametrize("name", ["DE", "deu", "de-AT", "de_Latn", "deu_Latn", "German", "de "])
def test_rows_that_call_their_language_otherwise_are_not_passed_over(write, name):
    read = "kind: classification, labels: [x, y], language_column: lang, languages: [de]"
    rows_of = [
        {"text_a": text, "label": "x", "lang": code}
        for text, code in zip("abc", ("de", "fr", name), strict=True)
    ]
    path = write(f"t: {{{read}, files: {{test: a.jsonl}}}}", a__jsonl="\n".join(map(json.dumps, rows_of)))
    with pytest.raises(XferError, match=f"a.jsonl:3: is of '{name}', and what stands for that language is"):
        check_task_file(path)


def test_languages_that_are_scored_on_the_same_rows_are_refused(write):
    entry = "kind: classification, labels: [x, y], files: {test: {de: a.tsv, fr: ./a.tsv, sw: b.tsv}}"
    text = says(write(f"t: {{{entry}}}"))
    assert "test: de, fr have the same rows, those of a.tsv." in text and "sw" not in text
    assert load_task_file(write(f"t: {{{entry}, language_column: lang}}"))
    assert load_task_file(write(f't: {{{entry}, where: {{id: "{{language}}*"}}}}'))
    assert load_task_file(write(f"t: {{{entry.replace('test', 'train')}, validation_fraction: 0.5}}"))
    qa = "kind: span_qa, format: tydiqa, files: {test: {en: dev.json, ar: dev.json}}"
    assert load_task_file(write(f"t: {{{qa}}}"))
    parts = "{de: {path: a.tsv, ids: de.txt}, fr: {path: a.tsv, ids: fr.txt}}"
    assert load_task_file(write(f"t: {{kind: classification, labels: [x, y], files: {{test: {parts}}}}}"))


def test_rows_by_the_beginning_of_their_ids_are_of_one_language(write):
    """What begins with ``fi`` may begin with ``fil``."""
    ids = ["fi-1", "fil-2", "fi_3", "fi4", "file-5", "fi", "l1:6", "l12:7"]
    lines = [json.dumps({"id": name, "text_a": name, "label": "x"}) for name in ids]
    languages = "test: {fi: a.jsonl, tl: a.jsonl, de: a.jsonl, fr: a.jsonl}"
    by_id = 'codes: {tl: fil, de: l1, fr: l12}, where: {id: "{language}*"}'
    entry = f"kind: classification, labels: [x, y], {by_id}, files: {{{languages}}}"
    path = write(f"t: {{{entry}}}", a__jsonl="\n".join(lines))
    [task] = load_task_file(path)
    read = {code: [row["id"] for row in rows(task, "test", code)] for code in ("fi", "tl", "de", "fr")}
    assert read == {"fi": ["fi-1", "fi_3", "fi4", "fi"], "tl": ["fil-2"], "de": ["l1:6"], "fr": ["l12:7"]}
    said = [remark for count in check_task_file(path) for remark in count.remarks]
    assert "1 rows are of no language that is read, by id: 'file-5' 1" in said


@pytest.mark.parametrize("split", ["train", "test"])
def test_rows_that_would_be_of_two_languages_are_refused(write, split):
    entry = (
        f"kind: classification, labels: [x, y], codes: {{pt: zh-HK}}, files: {{{split}: "
        '{zh: a.tsv, pt: a.tsv, de: a.tsv}}, where: {id: "{language}*"}'
    )
    text = says(write(f"t: {{{entry}}}"))
    assert "what begins with 'zh-HK' (pt) begins with 'zh' (zh), too" in text and "(de)" not in text
    assert load_task_file(write(f"t: {{{entry.replace('pt: a.tsv', 'pt: b.tsv')}}}"))
    assert load_task_file(write(f"t: {{{entry}}}".replace("{language}*", "{language}")))
    assert load_task_file(write(f"t: {{{entry}, language_column: lang}}"))
    column = f"languages: [zh, pt], files: {{{split}: a.tsv}}, language_column: lang, codes: {{pt: zh-HK}}"
    assert load_task_file(write(f"t: {{kind: classification, labels: [x, y], {column}}}"))


def test_a_name_that_is_another_languages_code_is_refused(write):
    entry = (
        "kind: classification, labels: [x, y], codes: {fi: de}, languages: [fi, de], language_column: lang"
    )
    assert "de stands for several languages" in says(write(f"t: {{{entry}, files: {{test: a.tsv}}}}"))


def test_codes_say_what_stands_for_a_language_in_names(write):
    entry = 'kind: classification, labels: [x, y], files: {test: "data/test-{language}.tsv"}'
    path = write(f"t: {{{entry}}}")
    (path.parent / "data").mkdir()
    for name, text in {"arb_Arab": "a", "de": "b", "xx-Hausa": "c"}.items():
        (path.parent / "data" / f"test-{name}.tsv").write_text(f"text_a\tlabel\n{text}\tx\n")
    [hint] = [line for line in says(path).splitlines() if "codes:" in line]
    assert "codes: {ar: arb_Arab}" in hint
    [task] = load_task_file(write(f"t: {{{entry}, codes: {{ar: arb_Arab, ha: xx-Hausa}}}}"))
    assert set(task.languages) == {"ar", "de", "ha"}
    assert [rows(task, "test", code)[0]["text_a"] for code in ("ar", "de", "ha")] == ["a", "b", "c"]
    assert "xx stands for several languages" in says(write(f"t: {{{entry}, codes: {{ar: xx, ha: xx}}}}"))


def test_codes_say_what_stands_for_a_language_in_its_column(write):
    entry = "kind: classification, labels: [x, y], language_column: lang, languages: [de, sw]"
    lines = [
        {"text_a": text, "label": "x", "lang": lang}
        for text, lang in (("a", "German"), ("b", "sw"), ("c", "fr"), ("d", "German"))
    ]
    lines = "\n".join(map(json.dumps, lines))
    path = write(f"t: {{{entry}, codes: {{de: German}}, files: {{test: a.jsonl}}}}", a__jsonl=lines)
    [task] = load_task_file(path)
    assert [row["text_a"] for row in rows(task, "test", "de")] == ["a", "d"]
    assert [row["text_a"] for row in rows(task, "test", "sw")] == ["b"]
    (path.parent / "a.jsonl").write_text(lines + '\n{"text_a": "e", "label": "x", "lang": "de"}')
    with pytest.raises(XferError, match=r"a.jsonl:5: is of 'de', and what stands .* is 'German': write that"):
        check_task_file(path)


def test_codes_that_nothing_reads_are_refused(write):
    entry = "kind: classification, labels: [x, y], codes: {de: German}, files: {test: a.tsv}"
    assert "nothing says a language" in says(write(f"t: {{{entry}}}"))


def test_a_name_that_no_file_has_is_refused(write):
    path = write('t: {kind: classification, labels: [x, y], files: {train: a.tsv, test: "{language}.tsv"}}')
    text = says(path)
    assert "no file is named" in text and "{language}.tsv with the code of a language." in text
    (path.parent / "old.tsv").write_text("a\tx\n")
    assert "with the code of a language, as 'old' is none." in says(path)


def test_a_language_that_lacks_one_of_its_files_is_named(write):
    files = '["t.{language}-en.{language}", "t.{language}-en.en"]'
    path = write(f"t: {{kind: retrieval, files: {{test: {files}}}}}")
    for name in ("de-en.de", "de-en.en", "fr-en.fr"):
        (path.parent / f"t.{name}").write_text("a\n")
    text = says(path)
    assert "t.fr-en.fr is there, but not" in text and "t.fr-en.en." in text and "t.de" not in text
    path.write_text(path.read_text().replace("kind: retrieval", "kind: retrieval, languages: [de]"))
    assert load_task_file(path)[0].languages == ("de",)
