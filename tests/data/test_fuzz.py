"""Random files, most of them nearly right, for every reader, task file, score and side file.

Whatever they hold, the answer is rows, figures or an error that names the file: no traceback, no waiting.
Where a case is drawn with what is right beside it, a plain reading here says what must come out.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from mlflow_xfer.data import readers, sources
from mlflow_xfer.data.readers.checklist import TESTS
from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.data.unlabelled import read_unlabelled
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.reporting.imported import read_scores
from mlflow_xfer.scoring.submission import score_files
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import FORMATS, Files, Task
from mlflow_xfer.tasks.task_file import load_task_file

CASES = [
    50,
    pytest.param(500, marks=pytest.mark.slow),
    pytest.param(10_000, marks=[pytest.mark.nightly, pytest.mark.timeout(3600)]),
]
cases = pytest.mark.parametrize("n", CASES)

WORDS = [
    "ship",
    "лодка",
    "船",
    "🚢",
    "é",
    "e\u0301",
    "#",
    "-DOCSTART-",
    "nan",
    "None",
    "0",
    "1",
    "a b",
    "\u2028",
    "ﷺ",
]
MARKS = [
    '"',
    "'",
    "\t",
    ",",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\0",
    "\r",
    "\n",
    " ",
    "\ufeff",
    "NaN",
    "null",
    "1e999",
]
VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2.0,
    2.5,
    float("nan"),
    float("inf"),
    10**30,
    "",
    " ",
    "x",
    "y",
    "1",
    "1.0",
    [],
    ["x"],
    [1, 2],
    [None],
    {},
    {"text": ["x"], "answer_start": [0]},
    {"text": "x"},
    [[["x"]]],
    "\ud800",
    "x" * 2000,
]


def mutated(draw: random.Random, raw: bytes) -> bytes:
    """A file with a few bytes changed, as an editor, a broken transfer or another program leaves it."""
    for _ in range(draw.choice([0, 1, 1, 2, 5])):
        at = draw.randint(0, len(raw))
        way = draw.randint(0, 6)
        if way == 0:
            raw = raw[:at]
        elif way == 1:
            raw = raw[:at] + draw.choice(MARKS).encode() + raw[at:]
        elif way == 2:
            raw = raw[:at] + raw[at + draw.randint(1, 9) :]
        elif way == 3:
            raw = raw[:at] + draw.randbytes(draw.randint(1, 3)) + raw[at:]
        elif way == 4:
            raw = raw.replace(b"\n", draw.choice([b"\r\n", b"\r", b"\n\n", b" \n"]))
        elif way == 5:
            raw = draw.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"]) + raw
        else:
            lines = raw.split(b"\n")
            draw.shuffle(lines)
            raw = b"\n".join(lines)
    return raw


def fails_well(call: Callable[[], Any], *names: str) -> Any:
    """What a call gives, or None where it ends in an error that names one of the files."""
    try:
        return call()
    except XferError as error:
        assert any(name in str(error) for name in names), str(error)
        return None


# -- every reader --------------------------------------------------------------------------------------------
SQUAD = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "a ship",
                    "qas": [
                        {"id": "q", "question": "what?", "answers": [{"text": "ship", "answer_start": 2}]}
                    ],
                }
            ]
        }
    ]
}
LAREQA = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "A ship. It left.",
                    "sentence_breaks": [[0, 7], [8, 16]],
                    "qas": [
                        {"id": "q", "question": "what?", "answers": [{"text": "ship", "answer_start": 2}]}
                    ],
                }
            ]
        }
    ]
}
ROW = {
    "id": 1,
    "text_a": "one",
    "text_b": "two",
    "label": "x",
    "source": "s",
    "target": "t",
    "gold": ["1"],
    "words": ["a", "b"],
    "tags": ["x", "y"],
    "context": "x one",
    "question": "q",
    "choices": ["a", "b"],
    "answers": {"text": ["one"], "answer_start": [2]},
    "text": "one",
    "idx": 0,
    "premise": "p",
    "choice1": "a",
    "choice2": "b",
}
CONLLU = "\t".join(["1", "ship", "_", "x", *"_____", "_"]) + "\n"
TEXTS = {
    "tsv": "one\ttwo\tx\nthree\tfour\ty\n",
    "csv": 'text_a,text_b,label\none,"two, ""2""",x\nthree,four,y\n',
    "jsonl": "".join(json.dumps(ROW | {"id": n}) + "\n" for n in range(3)),
    "json": json.dumps([ROW, ROW]),
    "conll": "# newdoc\na\tx\nb\ty\n\nc\tx\n",
    "conllu": f"# text\n{CONLLU}{CONLLU}\n{CONLLU}",
    "lines": "one\ntwo\n",
    "text": "one\ntwo\n",
    "squad": json.dumps(SQUAD),
    "tydiqa": json.dumps(SQUAD),
    "lareqa": json.dumps(LAREQA),
    "checklist": "".join(
        json.dumps({"test": test, "data": [["x one", "q"], ["two", "r"]], "labels": ["one", "two"]}) + "\n"
        for test in TESTS
    ),
    "parallel": "one\ntwo\n",
    "bucc": "de-1\tone\nde-2\ttwo\n",
    "xcopa": json.dumps(ROW) + "\n",
    "words-tags": "a b\tx y\n",
    "mewsli-mentions": json.dumps(
        {
            "context": {"language": "en", "text": "a ship"},
            "mentions": [
                {"example_id": "e", "entity_id": "Q1", "mention_span": {"start": 2, "end": 6, "text": "ship"}}
            ],
        }
    ),
    "mewsli-entities": json.dumps({"entity_id": "Q1", "description": "a ship"}),
    "mewsli-pairs": json.dumps(
        {
            "contextual_mention": {
                "context": {"text": "a ship"},
                "mention": {"example_id": "e", "mention_span": {"start": 2, "end": 6, "text": "ship"}},
            },
            "entity": {"description": "a ship"},
        }
    ),
    "parquet": "",
}
OF_HUB = {"answer-sentences"}
KINDS = [name for name in kind.KINDS.names() if name != "language_model"]


def test_every_format_is_tried():
    assert {*TEXTS} | OF_HUB == {*readers.names()} and {*TEXTS} == {*FORMATS}


def parquet(draw: random.Random) -> bytes:
    rows = [{name: value for name, value in ROW.items() if draw.random() < 0.8} for _ in range(3)]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows or [ROW]), out)
    return out.getvalue()


@cases
@pytest.mark.parametrize("form", TEXTS)
def test_any_file_in_any_format(tmp_path, form, n):
    draw = random.Random(f"{form} {n}")
    for number in range(n if n < 10_000 else n // 10):
        paths = []
        for side in range({"parallel": 2, "xcopa": 2, "bucc": 3}.get(form, 1)):
            raw = parquet(draw) if form == "parquet" else TEXTS[form].encode()
            path = tmp_path / f"{number}-{side}.{form}"
            path.write_bytes(mutated(draw, raw))
            paths.append(path)
        name = draw.choice(KINDS)
        header = form == "csv" and draw.random() < 0.8
        columns = {"text_a": 0, "text_b": 1, "label": 2} if form in ("tsv", "csv") and not header else {}
        files = Files({"train": tuple(map(str, paths))}, form, header, columns)
        task = Task("t", name, "map_at_20", ("en",), {"file": (files,)}, ("x", "y"))

        def read(task=task):
            return sources.check(task, sources.locate(task, "train", "en", "mini"))

        for problem in fails_well(read, *(str(path) for path in paths)) or ():
            assert any(str(path) in str(problem) for path in paths)
        for path in paths:
            path.unlink()


@cases
@pytest.mark.parametrize("kind_", KINDS)
def test_any_values_in_rows(tmp_path, kind_, n):
    draw = random.Random(f"{kind_} {n}")
    path = tmp_path / "a.jsonl"
    wanted = kind.data(kind_).declared
    for _ in range(n if n < 10_000 else n // 10):
        rows = []
        for _ in range(3):
            row = dict(ROW)
            for name in draw.sample([*wanted, "id"], draw.choice([0, 1, 1, 2])):
                row[name] = draw.choice(VALUES)
            rows.append({key: value for key, value in row.items() if draw.random() < 0.98})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        labels = ("x", "y") if kind.data(kind_).labels == "names" else ()
        task = Task("t", kind_, "", ("en",), {"file": (Files({"train": str(path)}, "jsonl"),)}, labels)
        problems = sources.check(task, sources.locate(task, "train", "en", "mini"))
        assert all("a.jsonl" in str(problem) for problem in problems)


# -- labels --------------------------------------------------------------------------------------------------
LABELS = [
    ["x", "y"],
    ["1", "2", "3"],
    ["0", "1"],
    ["yes", "no", "maybe"],
    ["-1", "0", "1"],
    ["1.5", "2.0", "2.5"],
]


def labelled(draw: random.Random) -> tuple[list[str], list[tuple[str, Any, str | None]]]:
    """Labels, and rows of (text, what the file says, what is right or None where it is no label)."""
    labels = draw.choice(LABELS)
    rows = []
    for number in range(draw.randint(1, 8)):
        right: str | None = draw.choice(labels)
        said: Any = right
        if right and draw.random() < 0.6:
            value = float(right) if right.lstrip("-").replace(".", "").isdigit() else None
            if value is not None:
                said = draw.choice(
                    [value, right, *([int(value), f"{int(value)}.0"] if value.is_integer() else [])]
                )
        if draw.random() < 0.06:
            said, right = draw.choice(
                [(7, None), ("z", None), (None, None), (float("nan"), None), ("", None)]
            )
        rows.append((f"{draw.choice(WORDS)} {number}", said, right))
    return labels, rows


def tabular(form: str, rows: list[tuple[str, Any, str | None]]) -> bytes:
    head = ["text_a", "label"]
    cells = [(text, "" if said is None else said) for text, said, _ in rows]
    if form in ("jsonl", "json"):
        lines = [json.dumps({"text_a": text, "label": said}) for text, said, _ in rows]
        return ("\n".join(lines) if form == "jsonl" else f"[{', '.join(lines)}]").encode()
    if form == "tsv":
        return "\n".join(f"{one}\t{other}" for one, other in [head, *cells]).encode()
    out = io.StringIO()
    csv.writer(out).writerows([head, *cells])
    return out.getvalue().encode()


@cases
@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "tsv"])
def test_labels_as_a_plain_reading_has_them(tmp_path, form, n):
    draw = random.Random(f"{form} {n}")
    for _ in range(n if n < 10_000 else n // 10):
        labels, rows = labelled(draw)
        raw = tabular(form, rows)
        raw = raw.replace(b"\r\n", b"\n").replace(b"\n", draw.choice([b"\n", b"\r\n"]))
        (tmp_path / f"a.{form}").write_bytes(draw.choice([b"", b"\xef\xbb\xbf"]) + raw)
        listed: Any = labels
        if draw.random() < 0.3:
            (tmp_path / "labels.txt").write_bytes("\r\n".join(labels).encode("utf-8-sig"))
            listed = "labels.txt"
        entry = {"kind": "classification", "labels": listed, "files": {"train": f"a.{form}"}}
        entry["columns"] = {"text_a": "text_a", "label": "label"}
        path = tmp_path / "tasks.yaml"
        path.write_text(yaml.safe_dump({"tasks": {"t": entry}}, allow_unicode=True))
        [task] = load_task_file(path)
        located = sources.locate(task, "train", "en", "mini")
        right = [(text, label) for text, _, label in rows]
        if all(label is not None for _, label in right):
            found = [(row["text_a"], row["label"]) for row in sources.read(task, located).to_list()]
            assert found == right
        else:
            assert sources.check(task, located)


# -- task files ----------------------------------------------------------------------------------------------
RIGHT = {"regression": 1.5, "multiple_choice": 1}


def entry_of(draw: random.Random) -> dict[str, Any]:
    """An entry that is right but for a field or two."""
    name = draw.choice(KINDS)
    entry: dict[str, Any] = {
        "kind": name,
        "files": {"train": f"{name}.jsonl", "test": {"en": f"{name}.jsonl"}},
    }
    if kind.data(name).labels == "names":
        entry["labels"] = ["x", "y"] if name == "classification" else ["x", "y", "O"]
    if draw.random() < 0.1:
        entry["extends"] = draw.choice(["xnli", "udpos", "panx", "squad", "lareqa", "mewslix", "nowhere"])
    odd = {
        "labels": [
            ["x"],
            [],
            {"0": "x", "1": "y"},
            ["x", "x"],
            "labels.txt",
            7,
            {"x": None},
            [[1]],
            ["O", "B-x"],
        ],
        "columns": [
            {"text_a": 0},
            {"text_a": "a.b.c"},
            {"words": 9},
            {"label": ["a", "b"]},
            {"x": "y"},
            [1],
            7,
            {"choices": ["choice1", "choice2"]},
            {"text_a": [["x"]]},
            {"text_a": None},
        ],
        "files": [
            {},
            {"train": "a.tsv"},
            {"train": ["a.jsonl", "a.jsonl"]},
            {"test": "a-{language}.jsonl"},
            {"train": {"path": "a.jsonl", "ids": "labels.txt"}},
            {"train": {"de": "a.jsonl", "xx": "b"}},
            {"pool": "a.jsonl"},
            {"train": 7},
            {"train": "../../a"},
            {"train": "a.conll"},
            {"train": "."},
            {"train": {"paths": []}},
            {"train": {"path": "a.jsonl", "exclude_ids": "a.jsonl"}},
        ],
        "format": [
            "tsv",
            "csv",
            "conll",
            "conllu",
            "squad",
            "parallel",
            "text",
            "parquet",
            "bucc",
            "xcopa",
            7,
            "x",
        ],
        "header": [True, False, "yes"],
        "language": ["de", "xx", "no", 7],
        "languages": [["de"], [], "de"],
        "language_column": ["text_a", "x"],
        "where": [{"label": "x"}, {"x": "y"}, {"label": "x*"}, 7],
        "drop": [["x"], "x", [["x"]], ["x", "y"]],
        "validation_fraction": [0.5, 0, 1, -1, "x"],
        "metric": ["accuracy", "tag_f1", "x", 7],
        "uses": [["target"], ["x"], []],
        "trained": [False, "x"],
        "pooled": [True],
        "scheme": ["bare", "iob1", "x", 7],
        "offsets": ["bytes", "x"],
        "version": [0, 2, "x"],
        "recipe": [{"learning_rate": 1}, {"x": 1}, {"learning_rate": "x"}],
        "hub": [{"path": "a/b"}, {}, 7],
        "overlaps": ["xnli", ["x"]],
        "skills": ["x", [1]],
        "unknown": [1],
        "domain": [7, "x"],
    }
    for field in draw.sample(sorted(odd), draw.choice([0, 0, 0, 0, 1, 1, 2, 3])):
        entry[field] = draw.choice(odd[field])
    return entry


@cases
def test_any_task_file(tmp_path, n):
    draw = random.Random(n)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(ROW | {"id": n}) + "\n" for n in range(3)))
    for name in KINDS:
        rows = [ROW | {"id": n, "label": RIGHT.get(name, "x")} for n in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.conll").write_text(TEXTS["conll"])
    (tmp_path / "a.tsv").write_text(TEXTS["tsv"])
    (tmp_path / "labels.txt").write_text("x\ny\n")
    path = tmp_path / "tasks.yaml"
    good = 0
    for _ in range(n):
        tasks = {f"t{number}": entry_of(draw) for number in range(draw.choice([1, 1, 1, 2]))}
        raw = yaml.safe_dump({"tasks": tasks}, allow_unicode=True).encode()
        path.write_bytes(mutated(draw, raw) if draw.random() < 0.15 else raw)
        good += fails_well(lambda: check_task_file(path), tmp_path.name, "tasks.yaml") is not None
    assert good > n // 4, "a good part of them is right"


# -- predictions, imported scores, own examples --------------------------------------------------------------
PREDICTED = {
    "xnli": ("neutral\nentailment\nneutral\n",) * 2,
    "udpos": ("NOUN\nVERB\n\nADV\nX\n",) * 2,
    "panx": ("B-PER\nI-PER\n\nO\nB-LOC\n",) * 2,
    "xcopa": ('{"label": 0}\n{"label": 1}\n',) * 2,
    "xquad": ('{"q": "ship"}\n', json.dumps(SQUAD)),
    "tatoeba": ("0\n1\n2\n",) * 2,
    "bucc2018": ("de-1\ten-1\nde-2\ten-2\n",) * 2,
    "mewslix": ('{"q": ["Q1", "Q2"], "r": [1]}\n',) * 2,
}


@cases
@pytest.mark.parametrize("name", PREDICTED)
def test_any_predictions(tmp_path, name, n):
    draw = random.Random(f"{name} {n}")
    task = TASKS.get(name)
    files = tmp_path / "mine", tmp_path / "gold"
    for _ in range(n):
        for path, text in zip(files, PREDICTED[name], strict=True):
            path.write_bytes(mutated(draw, text.encode()) if draw.random() < 0.7 else text.encode())
        found = fails_well(lambda: score_files(*files, task, "de"), *map(str, files), "de")
        assert found is None or 0 <= found.low <= found.value <= found.high <= 100
        if (
            files[0].read_bytes() == PREDICTED[name][0].encode()
            and files[1].read_bytes() == PREDICTED[name][1].encode()
        ):
            assert found is not None and found.value == 100


@cases
def test_labels_are_scored_as_counting_does(tmp_path, n):
    draw = random.Random(n)
    labels, files = ["neutral", "entailment", "contradiction"], (tmp_path / "mine", tmp_path / "gold")
    for _ in range(n):
        sides = [draw.choices(labels, k=draw.randint(1, 20))] * 2
        sides[1] = [draw.choice([label, draw.choice(labels)]) for label in sides[0]]
        for path, side in zip(files, sides, strict=True):
            end = draw.choice(["\n", "\r\n"])
            path.write_bytes(draw.choice([b"", b"\xef\xbb\xbf"]) + (end.join(side) + end).encode())
        right = sum(a == b for a, b in zip(*sides, strict=True))
        found = score_files(*files, TASKS.get("xnli"), "de")
        assert found.value == pytest.approx(100 * right / len(sides[0]), abs=1e-9)


SCORES = {
    "a.csv": "task,language,score\nxnli,de,50\nxnli,sw,60.5\n",
    "b.csv": "condition,task,de,sw,avg\nours,xnli,50,60,55\n",
    "c.json": '{"xnli": {"de": 50, "sw": {"f1": 60, "exact_match": 40}}, "avg": 50}\n',
}


@cases
@pytest.mark.parametrize("name", SCORES)
def test_any_imported_scores(tmp_path, name, n):
    draw = random.Random(f"{name} {n}")
    path = tmp_path / name
    for _ in range(n):
        path.write_bytes(mutated(draw, SCORES[name].encode()))
        found = fails_well(lambda: read_scores(path), str(path))
        assert found is None or (len(found) and found["score"].notna().all())


@cases
@pytest.mark.parametrize("suffix", ["txt", "tsv", "csv", "jsonl"])
def test_any_examples_of_ones_own(tmp_path, suffix, n):
    draw = random.Random(f"{suffix} {n}")
    path = tmp_path / f"mine.{suffix}"
    texts = {
        "txt": "one\ttwo\n",
        "tsv": "text_a\ttext_b\none\ttwo\n",
        "csv": TEXTS["csv"],
        "jsonl": TEXTS["jsonl"],
    }
    for _ in range(n):
        path.write_bytes(mutated(draw, texts[suffix].encode()))
        fails_well(lambda: read_unlabelled(path, draw.choice(KINDS)), path.name, "fields")
