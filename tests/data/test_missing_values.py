"""Cells that hold nothing (null, NaN) are refused with their row, missing columns with those there are."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.tasks.task import Files, Task

GOOD = {
    "classification": {"text_a": "one", "text_b": "two", "label": "x"},
    "regression": {"text_a": "one", "text_b": "two", "label": 1.5},
    "tagging": {"words": ["a", "b"], "tags": ["x", "y"]},
    "multiple_choice": {"context": "c", "question": "q", "choices": ["a", "b"], "label": 0},
    "span_qa": {"context": "one", "question": "q", "answers": {"text": ["one"], "answer_start": [0]}},
    "retrieval": {"source": "a", "target": "b", "context": "c"},
}
NEEDED = [
    (kind, column)
    for kind, row in GOOD.items()
    for column in row
    if (kind, column) != ("retrieval", "context")
]
NOTHING = {"null": None, "NaN": math.nan}


def task_of(kind: str, path, **more) -> Task:
    labels = ("x", "y") if kind in ("classification", "tagging") else ()
    columns = {column: column for column in GOOD[kind]} | more
    files = Files({"train": str(path)}, format=path.suffix[1:], columns=columns)
    return Task("t", kind, "", ("en",), {"file": (files,)}, labels)


def faults(kind: str, path, **columns) -> list[str]:
    task = task_of(kind, path, **columns)
    return list(map(str, sources.check(task, sources.locate(task, "train", "en", "mini"))))


def written(tmp_path, form: str, rows: list[dict]):
    path = tmp_path / f"rows.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        lines = list(map(json.dumps, rows))
        path.write_text("\n".join(lines) if form == "jsonl" else f"[{', '.join(lines)}]")
    return path


@pytest.mark.parametrize("form", ["jsonl", "json"])
@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize(("kind", "column"), NEEDED)
def test_a_cell_without_a_value_is_refused_with_its_row(tmp_path, kind, column, nothing, form):
    row = GOOD[kind]
    path = written(tmp_path, form, [row, row | {column: NOTHING[nothing]}, row])
    found = faults(kind, path)
    if kind == "retrieval":  # a candidate has no query, a query no candidate
        assert not found
    else:
        assert len(found) == 1 and f"{path}:2" in found[0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None, True, {"a": 1}])
@pytest.mark.parametrize(
    ("kind", "column"),
    [("tagging", "words"), ("tagging", "tags"), ("multiple_choice", "choices"), ("span_qa", "answers")],
)
def test_a_list_holds_texts_only(tmp_path, kind, column, bad):
    row = GOOD[kind]
    value = {"text": [bad], "answer_start": [0]} if column == "answers" else [row[column][0], bad]
    [found] = faults(kind, written(tmp_path, "jsonl", [row, row | {column: value}]))
    assert "rows.jsonl:2" in found


@pytest.mark.parametrize("value", [math.inf, -math.inf])
@pytest.mark.parametrize(("kind", "column"), [("classification", "text_b"), ("retrieval", "source")])
def test_infinity_is_no_text(tmp_path, kind, column, value):
    [found] = faults(kind, written(tmp_path, "jsonl", [GOOD[kind] | {column: value}]))
    assert "rows.jsonl:1" in found and "inf, not text" in found


def test_nan_in_a_parquet_column_of_numbers(tmp_path):
    rows = [{"text_a": 1.5, "text_b": 2.0, "label": "x"}, {"text_a": math.nan, "text_b": 2.0, "label": "x"}]
    [found] = faults("classification", written(tmp_path, "parquet", rows))
    assert "rows.parquet:2: has no text_a (NaN)" in found


@pytest.mark.parametrize(("kind", "column"), NEEDED)
def test_a_column_that_is_not_there(tmp_path, kind, column):
    row = {"Other": "z"} | {name: value for name, value in GOOD[kind].items() if name != column}
    found = faults(kind, written(tmp_path, "jsonl", [row, row]))
    if kind == "retrieval":
        assert not found
    else:
        assert f"columns are: {', '.join(row)}" in found[0]


@pytest.mark.parametrize("kind", GOOD)
def test_a_declared_column_of_ids_that_is_not_there(tmp_path, kind):
    row = {"source": None, "target": "b"} if kind == "retrieval" else GOOD[kind]
    path = written(tmp_path, "jsonl", [row | {"guid": None}, row])
    [found] = faults(kind, path, id="guid")  # an empty cell is no fault: the row has its number for an id
    assert f"{path}:2: has no id (column 'guid'); its columns are: {', '.join(row)}" in found
    assert not faults(kind, path)


def test_a_retrieval_row_of_neither_side(tmp_path):
    [found] = faults("retrieval", written(tmp_path, "jsonl", [{"Query": "a", "Answer": "b"}]))
    assert "has neither source nor target; its columns are: Query, Answer" in found


def test_a_position_that_is_not_there(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text("one\tx\n")
    files = Files({"train": str(path)}, columns={"text_a": 0, "label": 2})
    task = Task("t", "classification", "accuracy", ("en",), {"file": (files,)}, ("x", "y"))
    [found] = sources.check(task, sources.locate(task, "train", "en", "mini"))
    assert "no row has a label" in str(found) and "its columns are 0 to 1" in str(found)


def test_words_that_look_like_nothing_are_words(tmp_path):
    row = {"text_a": "nan", "text_b": "None", "label": "x"}
    assert not faults("classification", written(tmp_path, "jsonl", [row]))
