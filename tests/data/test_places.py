"""Right choices that are counted from 1 in a file, where the last is never right: nothing else shows it."""

from __future__ import annotations

import json

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task_file import load_task_file


@pytest.fixture
def written(tmp_path):
    """Writes a task of questions with so many choices, whose right ones are given."""

    def write(right, choices: int = 4, entry: str = ""):
        rows = [
            {"question": f"q{n}", "choices": [f"{n} {c}" for c in range(choices)], "label": one}
            for n, one in enumerate(right)
        ]
        for split in ("train", "test"):
            (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        path = tmp_path / "tasks.yaml"
        files = "train: train.jsonl, test: test.jsonl"
        path.write_text(f"tasks: {{t: {{kind: multiple_choice, {entry} files: {{{files}}}}}}}")
        return path

    return write


@pytest.mark.parametrize(("right", "choices"), [([1, 2, 3] * 20, 4), ([1, 2] * 20, 3)])
def test_a_first_choice_that_is_never_right_is_refused(written, right, choices):
    path = written(right, choices)
    with pytest.raises(XferError, match="first choice is right in none of .* counted from 1") as refused:
        check_task_file(path)
    assert "labels: [1, 2, 3" in str(refused.value)


@pytest.mark.parametrize(
    ("right", "entry", "first"),
    [
        ([0, *[1, 2, 3] * 20], "", 0),  # once is enough
        ([1, 2, 3] * 4, "", 1),  # so few that it may be chance
        ([1, 2, 3] * 20, "labels: [1, 2, 3, 4],", 0),
        ([1, 2, 3] * 20, "labels: [0, 1, 2, 3],", 1),
    ],
)
def test_others_read_as_they_are_counted(written, right, entry, first):
    path = written(right, entry=entry)
    assert [one.rows for one in check_task_file(path)] == [len(right)] * 2
    task = load_task_file(path)[0]
    assert sources.read(task, sources.locate(task, "train", "en", "mini"))["label"][0] == first
