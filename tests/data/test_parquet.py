"""Parquet as other programs write it: bytes for texts, types that are no text, columns of one name."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.tasks.task import Files, Task

CHOICES = {"context": "c", "question": "q", "choices": "more.options", "label": "right"}


def rows_of(path, kind, columns, labels=()):
    files = Files({"train": str(path)}, format="parquet", columns=columns)
    task = Task("t", kind, "", ("en",), {"file": (files,)}, labels)
    rows = sources.locate(task, "train", "en", "mini")
    return [str(fault) for fault in sources.check(task, rows)] or list(sources.read(task, rows))


def classified(path, **columns):
    pq.write_table(pa.table(columns), path)
    return rows_of(path, "classification", {"text_a": "text", "label": "label"}, ("x", "y"))


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string()])
def test_bytes_are_text(tmp_path, kind):
    """Without the mark that a column is text, as Impala, Hive and Spark may leave it out."""
    columns = {
        "id": pa.array([b"p", b"q"], kind),
        "text": pa.array(["naïve".encode(), "海".encode()], kind),
        "label": pa.array([b"x", b"y"], kind),
        "picture": pa.array([b"\xff\xd8", b"\x89PNG"]),
    }
    found = classified(tmp_path / "t.parquet", **columns)
    assert [(row["id"], row["text_a"], row["label"]) for row in found] == [
        ("p", "naïve", "x"),
        ("q", "海", "y"),
    ]


def test_bytes_inside_of_lists_and_structures(tmp_path):
    more = pa.struct({"options": pa.list_(pa.binary())})
    columns = {
        "c": pa.array([b"one", b"two"], pa.binary()),
        "q": pa.array([b"which?", b"who?"], pa.binary()),
        "more": pa.array([{"options": [b"a", b"b"]}, {"options": [b"c", b"d", b"e"]}], more),
        "right": pa.array([1, 2]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    found = rows_of(tmp_path / "t.parquet", "multiple_choice", CHOICES)
    assert [row["choices"] for row in found] == [["a", "b"], ["c", "d", "e"]]
    assert found[0]["context"] == "one"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (pa.array([b"\xff\xfe", b"two"]), "t.parquet:1: text_a (column 'text') is bytes, not text"),
        (pa.array([date(2020, 1, 1), date(2021, 1, 1)]), "t.parquet:1: text_a (column 'text') is date, not"),
        (pa.array([[("k", "v")], [("k", "w")]], pa.map_(pa.string(), pa.string())), "tuple, not text"),
    ],
)
def test_what_is_no_text_is_refused_with_its_row(tmp_path, values, says):
    found = classified(tmp_path / "t.parquet", text=values, label=["x", "y"])
    assert says in found[0]


def test_numbers_are_texts_of_their_digits(tmp_path):
    decimals = pa.array([Decimal("1.50"), Decimal("2.25")])
    found = classified(tmp_path / "t.parquet", text=decimals, label=["x", "y"])
    assert [row["text_a"] for row in found] == ["1.50", "2.25"]


def test_a_name_of_two_columns_is_refused(tmp_path):
    columns = [pa.array(["mine", "yours"]), pa.array(["other", "others"]), pa.array(["x", "y"])]
    table = pa.Table.from_arrays(columns, names=["text", "text", "label"])
    pq.write_table(table, tmp_path / "t.parquet")
    [found] = rows_of(
        tmp_path / "t.parquet", "classification", {"text_a": "text", "label": "label"}, ("x", "y")
    )
    assert "t.parquet: names a column twice: text, text, label." in found
