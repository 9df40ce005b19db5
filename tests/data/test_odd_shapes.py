"""Files that are sound, but of another shape than is read: the fault says what they are and what to do."""

from __future__ import annotations

import json

import pytest

from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError

PAIRS = "kind: classification, labels: [a, b], columns: {text_a: text}"
TAGS = "kind: tagging, labels: [O, B-PER]"
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
        (TAGS, "x.csv", "words,tags\nAnna sings,O O\n", ["words that are no list: 'Anna sings'", "jsonl"]),
        (TAGS, "x.jsonl", '{"words": [], "tags": []}', ["has no words"]),
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


def test_an_ending_in_capitals_says_the_format(tmp_path):
    assert "2 rows" in checked(tmp_path, PAIRS, "x.CSV", "text,label\none,a\ntwo,b\n")[0]


def test_numbers_that_are_declared_are_tags(tmp_path):
    entry = "kind: tagging, labels: {0: O, 1: B-PER}"
    assert "B-PER 1" in checked(tmp_path, entry, "x.jsonl", '{"words": ["Anna"], "tags": [1]}')[0]
