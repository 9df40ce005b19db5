"""A user's own examples: every format gives the same rows, and every bad line is named at once."""

from __future__ import annotations

import json

import pytest

from mlflow_xfer.data.unlabelled import read_unlabelled
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind

CASES = {
    "classification": {"text_a": "der Hund, schläft", "text_b": "the “dog” sleeps"},
    "tagging": {"words": ["köpek", "uyuyor"]},
    "multiple_choice": {
        "context": "sie kocht",
        "question": "was?",
        "choices": ["die Suppe", "den Tee", "nichts"],
    },
    "span_qa": {"context": "Tomas saves the soup", "question": "who?"},
    "span_cases": {"context": "Tomas saves the soup", "question": "who?"},
    "retrieval": {"text": "một con ngựa"},
    "regression": {"text_a": "der Hund, schläft", "text_b": "the “dog” sleeps"},
}


def written(folder, kind, row, form):
    """The row as a file of that format."""
    flat = {
        "text" if name == "words" else name: " ".join(v) if name == "words" else v
        for name, v in row.items()
        if name != "choices"
    }
    flat |= {f"choice_{i}": choice for i, choice in enumerate(row.get("choices", []))}
    path = folder / f"own.{form}"
    if form == "jsonl":
        path.write_text(json.dumps(row, ensure_ascii=False) + "\n\n", encoding="utf-8")
    elif form == "txt":
        path.write_text("\t".join(flat.values()) + "\n", encoding="utf-8")
    else:
        mark = "\t" if form == "tsv" else ","
        quoted = [f'"{value}"' if mark in value else value for value in flat.values()]
        path.write_text(mark.join(flat) + "\n" + mark.join(quoted) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["txt", "tsv", "csv", "jsonl"])
@pytest.mark.parametrize("kind", CASES)
def test_every_format_says_the_same(kind, form, tmp_path):
    (found,) = read_unlabelled(written(tmp_path, kind, CASES[kind], form), kind)
    assert {name: value for name, value in found.items() if name != "id"} == CASES[kind]


def test_every_kind_that_has_predictions_is_read():
    assert set(CASES) == {name for name in kind.KINDS.names() if kind.data(name).asked}


def test_a_single_text_has_no_second(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("eins\n\nzwei\n", encoding="utf-8")
    assert [(row["id"], row["text_a"], row["text_b"]) for row in read_unlabelled(path, "classification")] == [
        ("1", "eins", None),
        ("3", "zwei", None),
    ]


def test_an_ending_in_capitals_is_read(tmp_path):
    (tmp_path / "own.CSV").write_text("text,id\neins,7\n", encoding="utf-8")
    (row,) = read_unlabelled(tmp_path / "own.CSV", "classification")
    assert row["text_a"] == "eins"


@pytest.mark.parametrize(
    ("kind", "name", "content", "said"),
    [
        (
            "span_qa",
            "a.txt",
            "no question here\nc\tq\nneither here\n",
            ["a.txt:1: has no question", "a.txt:3: has no question", "2 problems"],
        ),
        (
            "multiple_choice",
            "a.txt",
            "context\tquestion\tonly one\n",
            ["a.txt:1: has fewer than two choices", "context, question, choices"],
        ),
        (
            "classification",
            "a.csv",
            "sentence\nhello\n",
            ["a.csv:2: has no text_a or text", "text_b (optional)"],
        ),
        ("classification", "a.txt", "one\ttwo\tthree\n", ["3 fields with tabs between them"]),
        ("classification", "a.jsonl", '{"text": 3}\n', ["text_a is int, not text"]),
        ("classification", "a.jsonl", '["a text"]\n', ["is no JSON object"]),
        ("classification", "a.jsonl", '{"text": \n', ["a.jsonl:1: is not JSON"]),
        ("tagging", "a.jsonl", '{"words": ["a", ""]}\n', ["words is not a list of words"]),
        ("tagging", "a.txt", "\n  \n", ["holds no example"]),
        ("tagging", "a.pdf", "x", ["unknown format .pdf", ".txt, .tsv, .csv, .jsonl"]),
        ("tagging", "a.csv.gz", "x", ["unknown format .gz", "gzip -dk a.csv.gz"]),
        ("tagging", "missing.txt", None, ["no such file", "words"]),
        ("retrieval", "a.txt", b"caf\xe9\n", ["is not UTF-8"]),
    ],
)
def test_bad_files_are_refused_with_what_is_accepted(kind, name, content, said, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(XferError) as refused:
        read_unlabelled(tmp_path / name, kind)
    assert all(part in str(refused.value) for part in said), refused.value
