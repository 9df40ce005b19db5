"""Side files (labels, ids, imported scores, predictions) are read as data files are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError
from mlflow_xfer.lines import names_in, numbered
from mlflow_xfer.reporting.imported import read_scores
from mlflow_xfer.scoring.submission import score_files
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task_file import load_task_file

WAYS = {
    "plain": lambda text: text.encode(),
    "mark": lambda text: text.encode("utf-8-sig"),
    "windows": lambda text: text.replace("\n", "\r\n").encode(),
    "both": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "old macintosh": lambda text: text.replace("\n", "\r").encode("utf-8-sig"),
    "no last line end": lambda text: text.removesuffix("\n").encode("utf-8-sig"),
}
"""How programs write one and the same text."""

FILE = """
tasks:
  t:
    kind: classification
    labels: {labels}
    columns: {{id: id, text_a: text, label: label}}
    files: {{train: {{path: rows.jsonl, {choose}: {ids}}}}}
"""
ROWS = [{"id": n, "text": f"text {n}", "label": "café" if n % 2 else "thé"} for n in range(6)]


@pytest.fixture(params=WAYS)
def written(request, tmp_path):
    """Writes text into a file in one of the ways."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WAYS[request.param](text))
        return path

    return write


def task_of(tmp_path, labels: str, ids: str, choose: str = "ids"):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    path = tmp_path / "tasks.yaml"
    path.write_text(FILE.format(labels=labels, ids=ids, choose=choose))
    return load_task_file(path)[0]


@pytest.mark.parametrize(
    ("labels", "text"), [("labels.txt", "café\nthé\n"), ("labels.json", '["café",\n"thé"]\n')]
)
@pytest.mark.parametrize(("ids", "listed"), [("ids.txt", "1\n4\n"), ("ids.json", '{"1": 0,\n"4": 0}\n')])
@pytest.mark.parametrize(("choose", "kept"), [("ids", ["1", "4"]), ("exclude_ids", ["0", "2", "3", "5"])])
def test_labels_and_ids(tmp_path, written, labels, text, ids, listed, choose, kept):
    written(labels, text), written(ids, listed)
    task = task_of(tmp_path, labels, ids, choose)
    assert task.labels == ("café", "thé")
    rows = sources.read(task, sources.locate(task, "train", "en", "mini")).to_list()
    assert [row["id"] for row in rows] == kept and {row["label"] for row in rows} == {"café", "thé"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "task,language,score\nxnli,de,50\nxnli,sw,60\n"),
        ("b.csv", "task,de,sw\nxnli,50,60\n"),
        ("c.json", '{"xnli":\n{"de": 50, "sw": 60}}\n'),
    ],
)
def test_imported_scores(written, name, text):
    frame = read_scores(written(name, text))
    assert dict(zip(frame["language"], frame["score"], strict=True)) == {"de": 50, "sw": 60}
    assert set(frame["task"]) == {"xnli"}


@pytest.mark.parametrize(
    ("task", "name", "labels", "predictions"),
    [
        ("xnli", "de.tsv", "neutral\nentailment\n", "neutral\nentailment\n"),
        ("udpos", "de.tsv", "NOUN\nVERB\n\nADV\n", "NOUN\nVERB\n\nADV\n"),
        ("xcopa", "de.jsonl", '{"label": 0}\n{"label": 1}\n', '{"label": 0}\n{"label": 1}\n'),
        (
            "xquad",
            "de.json",
            '{"data": [{"paragraphs": [{"qas":\n[{"id": "q", "answers": [{"text": "é"}]}]}]}]}\n',
            '{"q":\n"é"}\n',
        ),
    ],
)
def test_predictions(written, task, name, labels, predictions):
    files = written(f"mine/{name}", predictions), written(f"gold/{name}", labels)
    assert score_files(*files, TASKS.get(task), "de").value == 100


@pytest.mark.parametrize("mine", ['{"q": [7, 8]}', '{"q": ["7", "8"]}', '{"q": [7.0, "8"]}'])
@pytest.mark.parametrize("gold", ['{"q": [7]}', '{"q": ["7"]}', '{"q": [7.0]}'])
def test_ids_of_any_type_in_ranked_lists(tmp_path, mine, gold):
    (tmp_path / "mine.json").write_text(mine)
    (tmp_path / "gold.json").write_text(gold)
    assert (
        score_files(tmp_path / "mine.json", tmp_path / "gold.json", TASKS.get("mewslix"), "de").value == 100
    )


@pytest.mark.parametrize("line", ["nan", "inf", "-Infinity", "x", "1,5", "1_5"])
def test_predicted_grades_are_finite_numbers(tmp_path, line):
    (tmp_path / "mine.tsv").write_text(f"1.5\n{line}\n2\n")
    (tmp_path / "gold.tsv").write_text("1\n2\n3\n")
    task = TASKS.get("stsb")
    with pytest.raises(XferError, match=f"mine.tsv:2: '{line}' is no finite number"):
        score_files(tmp_path / "mine.tsv", tmp_path / "gold.tsv", task, "en")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("side", ["labels", "ids", "scores"])
def test_utf_16_is_refused_with_the_way_to_convert_it(tmp_path, encoding, side):
    mark = b"" if encoding == "utf-16" else "\ufeff".encode(encoding)
    for name, text in (
        ("labels.txt", "café\nthé\n"),
        ("ids.txt", "1\n"),
        ("scores.csv", "task,de\nxnli,1\n"),
    ):
        encoded = mark + text.encode(encoding) if name.startswith(side) else text.encode()
        (tmp_path / name).write_bytes(encoded)
    with pytest.raises(XferError, match=f"{side}.*is UTF-16(.|\n)*iconv -f utf-16 -t utf-8 {side}"):
        if side == "scores":
            read_scores(tmp_path / "scores.csv")
        task = task_of(tmp_path, "labels.txt", "ids.txt")
        sources.read(task, sources.locate(task, "train", "en", "mini"))


def test_a_command_that_converts_can_be_pasted_into_a_shell(tmp_path):
    path = tmp_path / "it's mine.txt"
    path.write_bytes("é".encode("latin-1"))
    with pytest.raises(XferError, match="iconv") as error:
        list(numbered(path))
    command = error.value.hint.partition(": ")[2]
    assert os.system(f"cd {tmp_path} && {command}") == 0
    assert (tmp_path / "utf8-it's mine.txt").read_text("utf-8") == "é"


def test_files_that_were_put_together(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeff\ufeffcafé\n".encode() + "\ufeffthé\n".encode())
    assert names_in(path) == ("café", "thé")
    assert [line for _, line in numbered(path)][0] == "café"


def test_names_of_any_type_in_a_list(tmp_path):
    path = tmp_path / "ids.json"
    path.write_text('[7, 8.0, "9", "07"]')
    assert names_in(path) == ("7", "8", "9", "07")


@pytest.mark.parametrize("content", ["[null]", "[NaN]", "[true]", "[[1]]", "7", '"a"', "nothing"])
def test_what_lists_no_names_is_refused(tmp_path, content):
    path = tmp_path / "ids.json"
    path.write_text(content)
    with pytest.raises(XferError, match=r"ids\.json"):
        names_in(path)


@pytest.mark.parametrize("side", ["labels", "ids", "rows"])
def test_a_pipe_is_not_waited_for(tmp_path, side):
    (tmp_path / "labels.txt").write_text("café\nthé\n")
    (tmp_path / "ids.txt").write_text("1\n")
    with pytest.raises(XferError, match=f"{side}.*is a pipe"):
        for name in ("labels.txt", "ids.txt", "rows.jsonl"):
            if name.startswith(side):
                (tmp_path / name).unlink(missing_ok=True)
                os.mkfifo(tmp_path / name)
        if side == "rows":
            path = tmp_path / "tasks.yaml"
            path.write_text(FILE.format(labels="labels.txt", ids="ids.txt", choose="ids"))
            task = load_task_file(path)[0]
        else:
            task = task_of(tmp_path, "labels.txt", "ids.txt")
        sources.read(task, sources.locate(task, "train", "en", "mini"))
