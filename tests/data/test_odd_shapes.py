"""Files that are sound, but of another shape than is read: the fault says what they are and what to do."""

from __future__ import annotations

import json

import pytest
from datasets import Dataset

from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError

PAIRS = "kind: classification, labels: [a, b], columns: {text_a: text}"
TAGS = "kind: tagging, labels: [O, B-PER]"
PLACES = "kind: classification, labels: [a, b], columns: {text_a: 0, label: 1}"
BY_COLUMN = {"text": {str(n): f"row {n}" for n in range(5000)}, "label": {str(n): "a" for n in range(5000)}}
RECORDS = 'orient="records"'


def checked(folder, entry, name, content):
    (folder / name).write_text(content, encoding="utf-8")
    tasks = folder / "tasks.yaml"
    tasks.write_text(f"tasks:\n  mine: {{{entry}, files: {{test: {{en: {name}}}}}}}\n", encoding="utf-8")
    return list(map(str, check_task_file(tasks)))


@pytest.mark.parametrize(
    ("entry", "name", "content", "said"),
    [
        (PAIRS, "x.json", json.dumps(BY_COLUMN), ["1, 2, 3, 4, 5, 6 and 4993 more", RECORDS, "lines=True"]),
        (PAIRS, "x.jsonl", json.dumps(BY_COLUMN), ["is dict, not text (numbers of rows", RECORDS]),
        (PAIRS, "x.json", '{"columns": ["text"], "data": [["a"]]}', ["row 1 is not an object", RECORDS]),
        (PAIRS, "x.jsonl", '{"text": "x", "label": ["a"]}', ["has the label ['a'], a list"]),
        (PAIRS, "x.csv", 'text;label\n"one, two";a\n', ["its first line has ';': write it with commas"]),
        (PAIRS, "x.csv", "text;label\none, two;a\n", ["its first line has ';'"]),
        (PAIRS, "x.csv", 'text\tlabel\n"one"\ta\n', ["first line has tabs: say format: tsv"]),
        (PAIRS, "x.tsv", "text,label\none\ttwo,a\n", ["first line has commas: say format: csv"]),
        (PAIRS, "x.csv", "text;label\none;a\n", ["text;label (a single one: something else separates"]),
        (PAIRS, "x.csv", 'text,label\n"one" two,a\n', ["is written twice"]),
        (PAIRS, "x.csv.gz", "", ["x.csv.gz is compressed", "gzip -dk x.csv.gz"]),
        (PAIRS, "x.odd", "", ["not clear from the names", "format: conll"]),
        (PAIRS, "x.xlsx", "", ["x.xlsx is a spreadsheet", "csv in UTF-8: x.csv"]),
        (PAIRS, "x.arrow", "", ["Dataset.from_file('x.arrow').to_parquet('x.parquet')"]),
        (PLACES, "x.csv", "text,label\none,a\ntwo,b\n", ["x.csv:1: has label 'label'", "header: true"]),
        (PLACES, "x.tsv", "text\tlabel\none\ta\n", ["x.tsv:1: has label 'label'", "header: true"]),
        (
            TAGS,
            "x.conll",
            "word tag\n\nAnna B-PER\n",
            ["word 1 of the sentence, 'word'", "(a header)? Remove it."],
        ),
        (TAGS, "x.csv", "words,tags\nAnna sings,O O\n", ["words that are no list: 'Anna sings'", "jsonl"]),
        (TAGS, "x.jsonl", '{"words": [], "tags": []}', ["has no words"]),
        (
            PLACES,
            "x.csv",
            "one,a\n" + "two,c\n" * 4,
            ["x.csv:2: ", "x.csv:4: ", "1 more row of this file is like that"],
        ),
        (
            TAGS,
            "x.jsonl",
            '{"words": ["Anna"], "tags": [1]}',
            ["label '1', which is not among O, B-PER", "labels: {0: O, 1: B-PER, …}"],
        ),
    ],
)
def test_what_it_is_and_what_to_do_is_said(entry, name, content, said, tmp_path):
    with pytest.raises(XferError) as refused:
        checked(tmp_path, entry, name, content)
    assert all(part in str(refused.value) for part in said), refused.value
    assert len(str(refused.value)) < 1500


def test_other_faults_than_those_of_a_first_line_are_no_header(tmp_path):
    for lines in ("one,x\ntwo,y\nthree,a\n", "one,a\ntwo,x\n", "one,x\n"):
        with pytest.raises(XferError) as refused:
            checked(tmp_path, PLACES, "x.csv", lines)
        assert "header" not in str(refused.value)


def test_a_folder_that_datasets_saved_is_no_file(tmp_path):
    Dataset.from_dict({"text": ["one"], "label": ["a"]}).save_to_disk(tmp_path / "saved")
    (tmp_path / "tasks.yaml").write_text(f"tasks: {{t: {{{PAIRS}, files: {{train: saved}}}}}}")
    with pytest.raises(XferError, match=r"saved is a folder(.|\n)*load_from_disk\('saved'\).to_parquet"):
        check_task_file(tmp_path / "tasks.yaml")


def test_an_ending_in_capitals_says_the_format(tmp_path):
    assert "2 rows" in checked(tmp_path, PAIRS, "x.CSV", "text,label\none,a\ntwo,b\n")[0]


def test_numbers_that_are_declared_are_tags(tmp_path):
    entry = "kind: tagging, labels: {0: O, 1: B-PER}"
    assert "B-PER 1" in checked(tmp_path, entry, "x.jsonl", '{"words": ["Anna"], "tags": [1]}')[0]
