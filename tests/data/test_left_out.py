"""What `tasks --check` remarks on files, rows and ids that a split passes over."""

from __future__ import annotations

import json

import pytest

from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError

READ = "kind: classification, labels: [x, y]"


def remarks(tmp_path, entry: str, **files: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """By split and language, what is remarked on a task with these files."""
    for name, content in files.items():
        (tmp_path / name.replace("__", ".")).write_text(content)
    path = tmp_path / "tasks.yaml"
    path.write_text(f"tasks: {{t: {{{READ}, {entry}}}}}")
    return {(one.split, one.language): one.remarks for one in check_task_file(path)}


def lines(*rows: dict) -> str:
    made = ({"text_a": f"text {n}", "label": "x", **row} for n, row in enumerate(rows))
    return "".join(json.dumps(row) + "\n" for row in made)


def test_files_of_no_language_that_is_known(tmp_path):
    table = "text_a\tlabel\na\tx\n"
    names = ("en", "English", "tlh", "train")
    found = remarks(
        tmp_path,
        'files: {train: t-train.tsv, test: "t-{language}.tsv"}',
        **{f"t-{name}__tsv": table if name != "train" else table + "b\ty\n" for name in names},
    )
    assert [one for one in found["test", "en"] if "training" not in one] == [
        "not read, as {language} stands for a code (mlflow-xfer languages): t-English.tsv, t-tlh.tsv"
    ]


def test_files_under_another_name_than_the_declared_one(tmp_path):
    table = "text_a\tlabel\na\tx\n"
    found = remarks(
        tmp_path,
        'codes: {zh: zh-CN, ha: h}, files: {test: "t-{language}.tsv"}',
        **{f"t-{name}__tsv": table for name in ("de", "h", "zh-CN", "zh-TW")},
    )
    assert set(found) == {("test", code) for code in ("de", "ha", "zh")}
    told = "not read, as {language} stands for a code (mlflow-xfer languages): t-zh-TW.tsv"
    assert found["test", "zh"] == (told,) and not found["test", "ha"]


def test_a_split_that_drop_leaves_empty(tmp_path):
    with pytest.raises(XferError, match=r"is empty without the 2 rows that .*drop.* leave out; its columns"):
        remarks(tmp_path, "drop: [z], files: {test: a.jsonl}", a__jsonl=lines({"label": "z"}, {"label": "z"}))


def test_languages_that_were_not_asked_for(tmp_path):
    rows = lines({"lang": "de"}, {"lang": "sw"}, {"lang": "Odia"}, {"lang": ""}, {"lang": "Odia"})
    entry = "language_column: lang, languages: [de, sw], files: {test: a.jsonl}"
    found = remarks(tmp_path, entry, a__jsonl=rows)
    assert found == {
        ("test", "de"): (),
        ("test", "sw"): ("3 rows are of no language that is read, by lang: 'Odia' 2, '' 1",),
    }


def test_rows_that_are_left_out_by_another_column_are_not_counted(tmp_path):
    rows = lines({"lang": "de", "topic": "a"}, {"lang": "fr", "topic": "b"})
    entry = "language_column: lang, languages: [de], where: {topic: a}, files: {test: a.jsonl}"
    assert remarks(tmp_path, entry, a__jsonl=rows) == {("test", "de"): ()}


def test_ids_that_leave_no_row_out(tmp_path):
    rows, entry = lines({"id": 1}, {"id": 2}), "files: {train: {path: a.jsonl, exclude_ids: ids.txt}}"
    found = remarks(tmp_path, entry, a__jsonl=rows, ids__txt="2\n3\n4\n")
    assert found["train", "en"] == ("2 ids in ids.txt are the id of no row, such as '3'",)
