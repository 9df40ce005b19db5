"""Options of one kind of task: declared by the kind, checked when a task is made."""

from __future__ import annotations

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tasks.task_file import load_task_file

SEARCH = Task("search", "retrieval", "map_at_20", ("en",), {}, options={"pooled": True})
TAGS = Task("tags", "tagging", "tag_f1", ("en",), {})


def test_an_option_has_its_value_or_the_default():
    assert SEARCH.option("pooled") is True and SEARCH.option("pooling") == "auto"
    assert SEARCH.with_options(pooled=False).options == {}, "a default is not stated"
    assert SEARCH.with_options(pooling="cls").options == {"pooled": True, "pooling": "cls"}


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (TAGS, {"pooled": True}, "Unknown option of tagging tasks 'pooled'"),
        (SEARCH, {"poold": True}, "Did you mean 'pooled'"),
        (SEARCH, {"pooling": "max"}, "Unknown value of the option pooling 'max'"),
    ],
)
def test_another_option_or_value_is_refused(task, options, message):
    with pytest.raises(XferError, match=message):
        task.with_options(**options)


def test_an_option_of_another_kind_is_refused_when_it_is_asked_for():
    with pytest.raises(XferError, match="Unknown option of tagging tasks 'choice_scoring'"):
        TAGS.option("choice_scoring")


def test_the_catalogue_says_which_tasks_have_options():
    stated = {task.name: dict(task.options) for task in TASKS if task.options}
    assert stated == {"lareqa": {"pooled": True}, "retrieval_centred": {"centred": True}}


FILE = """
tasks:
  mine:
    kind: {kind}
    pooled: {pooled}
    labels: {labels}
    files: {{test: rows.jsonl}}
    language: en
"""


def test_a_task_file_gives_an_option_to_its_kind_alone(tmp_path):
    path = tmp_path / "tasks.yaml"
    (tmp_path / "rows.jsonl").write_text("{}\n")
    path.write_text(FILE.format(kind="retrieval", pooled="true", labels="[]"))
    assert load_task_file(str(path))[0].option("pooled") is True
    path.write_text(FILE.format(kind="classification", pooled="true", labels="[a, b]"))
    with pytest.raises(XferError, match="pooled is no option of classification tasks"):
        load_task_file(str(path))


def test_an_entry_that_is_extended_keeps_its_options(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text("tasks: {mine: {extends: lareqa}, apart: {extends: lareqa, pooled: false}}\n")
    mine, apart = load_task_file(str(path))
    assert mine.option("pooled") is True and apart.option("pooled") is False
