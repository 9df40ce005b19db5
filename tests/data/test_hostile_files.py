"""Files that are damaged or odd end in a clear error or the right answer, never in a traceback."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import Files, Task
from tests.conftest import MANY

PAIR = {"text_a": 0, "text_b": 1, "label": 2}


def task(path: Path, kind: str = "classification", split: str = "train", labels=("x", "y"), **more) -> Task:
    files = Files({split: str(path)}, **more)
    return Task("t", kind, "accuracy", ("en",), {"file": (files,)}, labels)


def check(*args, **more) -> list[str]:
    made = task(*args, **more)
    return [
        str(p) for p in sources.check(made, sources.locate(made, more.get("split", "train"), "en", "mini"))
    ]


def read(*args, **more) -> list[dict]:
    made = task(*args, **more)
    return sources.read(made, sources.locate(made, more.get("split", "train"), "en", "mini")).to_list()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("a\tb\tx\nc\td\ty\n".encode("utf-16"), "t.tsv:1: is UTF-16", id="utf-16"),
        pytest.param(
            "a\tb\tx\ncafé\td\ty\n".encode("latin-1"),
            "t.tsv:2: is not UTF-8 (byte 0xe9 at column 4)",
            id="latin-1",
        ),
        # Named: the header of gzip holds the time, so that each process of pytest-xdist would name its own.
        pytest.param(gzip.compress(b"a\tb\tx\n"), "what comes out: gzip -dk t.tsv", id="gzip"),
        pytest.param(bz2.compress(b"a\tb\tx\n"), "t.tsv:1: is compressed", id="bzip2"),
        pytest.param(lzma.compress(b"a\tb\tx\n"), "t.tsv:1: is compressed", id="xz"),
        pytest.param(b"a\tb\tx\nc\x00\td\ty\n", "t.tsv:2: holds a NUL byte", id="nul"),
        pytest.param("a\tb\tx\n".encode("utf-16-le"), "t.tsv:1: holds a NUL byte", id="utf-16-le"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", "t.tsv:1: ", id="png"),
        pytest.param(b"PK\x03\x04\x14\x00", "t.tsv:1: is compressed", id="zip"),
    ],
)
def test_other_encodings_are_named(put, content, says):
    [found] = check(put("t.tsv", content), columns=PAIR)
    assert says in found


def test_a_byte_order_mark_is_no_text(put):
    assert read(put("t.tsv", "\ufeffa\tb\tx\n"), columns=PAIR)[0]["text_a"] == "a"
    assert read(put("t.csv", "\ufefftext_a,label\na,x\n"), format="csv", header=True)[0]["text_a"] == "a"


def test_lines_of_ten_megabytes_are_read(put):
    long = "word " * 2_000_000
    assert len(read(put("t.tsv", f"{long}\tb\tx\n"), columns=PAIR)[0]["text_a"]) == len(long)
    assert len(
        read(put("t.csv", f'text_a,label\n"{long}",x\n'), format="csv", header=True)[0]["text_a"]
    ) == len(long)
    assert len(
        read(put("t.jsonl", json.dumps({"text_a": long, "label": "x"})), format="jsonl")[0]["text_a"]
    ) == len(long)


def test_csv_with_commas_quotes_and_line_breaks(put):
    path = put("t.csv", 'text_a,text_b,label\r\n"a, ""b""\r\nc",d,x\r\n,e,y\r\n')
    rows = read(path, format="csv", header=True)
    assert rows[0] == {"id": "0", "text_a": 'a, "b"\nc', "text_b": "d", "label": "x"}
    assert rows[1]["text_a"] == ""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('text_a,label\n"a,x\nb,y\n', "t.csv:3: is not csv (unexpected end of data)"),
        ('text_a,label\n"a"b,x\n', "t.csv:2: is not csv"),
        ("text_a,label\na,x,z\n", "t.csv:2: has 3 fields, the first line has 2"),
        ("text_a,text_a\na,x\n", "t.csv:1: the header names a column twice"),
        ("texta,label\na,x\n", "t.csv:2: has no text_a"),
        ("text_a,label\n", "is empty"),
        ("", "is empty"),
    ],
)
def test_broken_csv_is_named(put, content, says):
    [found] = check(put("t.csv", content), format="csv", header=True)
    assert says in found


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.jsonl", '{"text_a": "a", "label": "x"}\n{"text_a": "b", "lab', "t.jsonl:2: is not JSON"),
        ("t.jsonl", '{"text_a": "a", "label": "x"}\n["b"]\n', "t.jsonl:2: is not a JSON object"),
        ("t.jsonl", '{"text_a": {"b": 1}, "label": "x"}\n', "t.jsonl:1: text_a is dict, not text"),
        ("t.jsonl", '{"text_a": "\\ud800", "label": "x"}\n', "t.jsonl:1: holds half a surrogate pair"),
        ("t.jsonl", '{"a":' * 100_000, "t.jsonl:1: is not JSON"),
        ("t.jsonl", '\n[{"text_a": "a", "label": "x"}]', "t.jsonl:2: begins a JSON list"),
        ("t.jsonl", '[\n {"text_a": "a", "label": "x"}\n]', "say format: json"),
        ("t.jsonl", '{\n "text_a": "a"\n}', "t.jsonl:1: begins a JSON document of several lines"),
        (
            "t.jsonl",
            '{"text_a": "a", "label": "x", "label": "y"}\n',
            "t.jsonl:1: an object names 'label' twice",
        ),
        ("t.json", '{"q1": {"text_a": "a", "label": "x"},\n"q1": {}}', "t.json: an object names 'q1' twice"),
        ("t.json", '[\n {"text_a": "a", "label": "x"},\n {"text_a": ', "t.json:3: is not JSON"),
        ("t.json", '[\n {"text_a": "a", "label": "x"},\n', "the file may be truncated"),
        ("t.json", "3", "t.json: is neither a list nor an object of rows"),
        ("t.json", '{"data": [1]}', "t.json: row 1 is not an object"),
        ("t.parquet", "PAR1 no", "t.parquet: is not a parquet file"),
    ],
)
def test_broken_json_and_parquet_are_named(put, name, content, says):
    [found] = check(put(name, content), format=name.split(".")[1])
    assert says in found


def test_squad_spans_are_checked_and_repeated_ids_kept_apart(put):
    def paragraph(context, *questions):
        return {
            "context": context,
            "qas": [
                {"id": i, "question": q, "answers": [{"text": t, "answer_start": s}]}
                for i, q, t, s in questions
            ],
        }

    good = {
        "data": [
            {
                "paragraphs": [
                    paragraph("in 1920s \U0001f600 ok", ("12", "when", "1920s", 3), ("12", "what", "ok", 11))
                ]
            }
        ]
    }
    rows = read(put("t.json", json.dumps(good)), kind="span_qa", labels=(), format="squad")
    assert [(r["id"], r["original_id"]) for r in rows] == [("12", "12"), ("12#2", "12")]
    assert rows[1]["answers"] == {"text": ["ok"], "answer_start": [11]}
    good["data"][0]["paragraphs"][0]["qas"][1]["answers"][0]["answer_start"] = 12
    [found] = check(put("t2.json", json.dumps(good)), kind="span_qa", labels=(), format="squad")
    assert "'ok' does not stand at character 12" in found


SHIP = [{"text": "ship", "answer_start": 2}]


@pytest.mark.parametrize("number", [7, 7.0, "7"])
def test_an_id_of_squads_format_is_one_in_whatever_type_it_is_written(put, number):
    question = {"id": number, "question": "q", "answers": SHIP}
    content = {"data": [{"paragraphs": [{"context": "a ship", "qas": [question]}]}]}
    [row] = read(put("t.json", json.dumps(content)), kind="span_qa", labels=(), format="squad")
    assert row["id"] == row["original_id"] == "7"


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"answers": SHIP, "is_impossible": False}, ""),
        ({"answers": SHIP, "is_impossible": True}, "is_impossible, and has answers"),
        ({"answers": [], "is_impossible": True}, ""),
        ({"is_impossible": True}, ""),
        ({"answers": [], "is_impossible": False}, "has no answers, and is_impossible is false"),
        ({"answers": []}, ""),
        ({"is_impossible": False}, "no row has a label: the column is not there; its columns are: id"),
        ({"answer": SHIP}, "no row has a label: the column is not there; its columns are: id"),
        ({"answers": None}, "no row has a label"),
        *(
            ({"answers": [], "is_impossible": no}, "is_impossible is false")
            for no in (0, 0.0, "false", "False")
        ),
        *(({"answers": SHIP, "is_impossible": yes}, "and has answers") for yes in (1, "1", "true", "TRUE")),
        ({"answers": SHIP, "is_impossible": 0}, ""),
        ({"answers": SHIP, "is_impossible": None}, ""),
        ({"answers": SHIP, "is_impossible": ""}, ""),
        ({"is_impossible": "1"}, ""),
        ({"answers": SHIP, "is_impossible": "maybe"}, "has is_impossible 'maybe': true or false is read"),
        ({"answers": [], "is_impossible": 2}, "has is_impossible '2'"),
    ],
)
@pytest.mark.parametrize("form", ["squad", "jsonl"])
def test_hidden_answers_are_no_lack_of_an_answer(put, said, says, form):
    question = {"id": "7", "question": "q"} | said
    content = question | {"context": "a ship"}
    if form == "squad":
        content = {"data": [{"paragraphs": [{"context": "a ship", "qas": [question]}]}]}
    found = check(put("t.json", json.dumps(content)), kind="span_qa", labels=(), format=form)
    assert not found if not says else says in found[0]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ('{"text": "a", "answer_start": "x"}', "begins at 'x', which is no whole number"),
        ('{"text": "a", "answer_start": 99999999999999999999999999}', "does not stand at character"),
        ('{"text": "a", "answer_start": null}', "begins at None"),
        ('{"text": 3, "answer_start": 0}', "has the answer 3, which is no text"),
        ('{"text": "a"}', "is not in SQuAD's format"),
    ],
)
def test_answers_of_wrong_types_are_faults(put, answers, says):
    content = (
        '{"data": [{"paragraphs": [{"context": "abc", "qas": [{"id": 1, "question": "q", "answers": '
        "[ANSWERS]}]}]}]}"
    ).replace("ANSWERS", answers)
    [found] = check(put("t.json", content), kind="span_qa", labels=(), format="squad")
    assert says in found


@pytest.mark.parametrize("name", ["a" * 5_000, "a\0b", "../" * 200 + "etc/passwd-no", "/dev/null", "."])
def test_odd_paths_are_no_files(name):
    made = task(Path(name))
    with pytest.raises(XferError, match="no such file|is a (folder|pipe or device), not a file"):
        sources.locate(made, "train", "en", "mini")


def test_blanked_answers_are_unscored(put):
    blank = {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "c",
                        "qas": [{"id": "1", "question": "q", "answers": [{"text": "", "answer_start": 0}]}],
                    }
                ]
            }
        ]
    }
    [found] = check(put("t.json", json.dumps(blank)), kind="span_qa", split="test", labels=(), format="squad")
    assert "no row has a label" in found


def test_repeated_ids_never_collide(put):
    rows = read(
        put(
            "t.jsonl",
            "".join(
                json.dumps({"id": i, "text_a": "a", "label": "x"}) + "\n" for i in ["1", "1#2", "1", "1"]
            ),
        ),
        format="jsonl",
    )
    assert len({r["id"] for r in rows}) == 4 and rows[0]["id"] == "1"


FORMATS = {"tsv": {"columns": PAIR}, "csv": {"header": True}, "jsonl": {}, "json": {}, "parquet": {}}
SEEDS = [
    b"text_a,label\na,x\n",
    b'"a\tb\tx\r\n',
    b'{"text_a": "a", "label": "x"}',
    b"[]",
    b"\xff\xfe",
    b"a\tO\n\n",
    b'{"data": [{"paragraphs": []}]}',
    b"1\ta\t_\tX\t_\t_\t0\troot\t_\t_\n",
]


@settings(max_examples=150 * MANY, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text(alphabet='abxy\t\r\n ",:[]{}#\u2028\x85\\0é', max_size=60).map(str.encode),
        st.builds(
            lambda seed, at, more: seed[:at] + more + seed[at:],
            st.sampled_from(SEEDS),
            st.integers(0, 30),
            st.binary(max_size=4),
        ),
    ),
    form=st.sampled_from(["tsv", "csv", "jsonl", "json", "parquet", "conll", "conllu", "squad", "text"]),
)
def test_any_bytes_give_rows_or_faults(content, form):
    kind, labels = {
        "conll": ("tagging", ()),
        "conllu": ("tagging", ()),
        "squad": ("span_qa", ()),
        "text": ("language_model", ()),
    }.get(form, ("classification", ("x", "y")))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t"
        path.write_bytes(content)
        made = task(path, kind, labels=labels, format=form, **FORMATS.get(form, {}))
        rows = sources.locate(made, "train", "en", "mini")
        faults = sources.check(made, rows)
        assert all(isinstance(fault, XferError) and fault.exit_code == 2 for fault in faults)
        if not faults:
            read = sources.read(made, rows)
            assert len(read) > 0 and len(set(read["id"])) == len(read)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_lines_end_in_three_ways(put, end, last):
    path = put("t.tsv", f"a\tb\tx{end}c\td\ty{end if last else ''}")
    assert [(r["text_a"], r["label"]) for r in read(path, columns=PAIR)] == [("a", "x"), ("c", "y")]


def test_a_carriage_return_inside_a_line_is_text(put):
    path = put("t.tsv", "a\rb\tb\tx\nc\td\ty")
    assert [r["text_a"] for r in read(path, columns=PAIR)] == ["a\rb", "c"]


def test_json_with_a_document_on_each_line_is_told_its_format(tmp_path):
    (tmp_path / "t.json").write_text('{"text_a": "a", "label": "x"}\n{"text_a": "b", "label": "y"}\n')
    (said,) = check(tmp_path / "t.json", format="json")
    assert "t.json:2: is not JSON" in said and "one on each line is of the format jsonl" in said
