"""What each kind's scoring owes: it is complete where there is a metric, and says what it lacks where not."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.plugin.frame import task_of
from mlflow_xfer.tasks.task import POOL, Task

SCORED = [one.name for one in kind.KINDS if one.metrics]


def test_scoring_loads_without_torch():
    code = (
        "import sys; from mlflow_xfer.kinds import kind; "
        "[kind.scoring(name) for name in kind.KINDS.names()]; "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("name", SCORED)
def test_a_scored_kind_has_its_name_and_files(name):
    judging = kind.scoring(name)
    assert judging.name == name and set(judging.may_lack) <= set(kind.data(name).texts)
    for metric in kind.KINDS.get(name).metrics:
        task = Task("any", name, metric, ("en",), {})
        assert judging.file_format(task).extension in ("tsv", "json", "jsonl")


def test_raw_text_is_not_scored_and_says_so():
    judging = kind.scoring("language_model")
    for asked in (
        lambda: judging.splits(None, [], None, ()),
        lambda: judging.evaluation(None, None, None),
        lambda: judging.file_format(None),
        lambda: judging.columns(None, "en", []),
        lambda: judging.table_splits(None, None, len),
        lambda: judging.given(None, "en", None),
        lambda: judging.predicted(None, [], None),
    ):
        with pytest.raises(XferError, match="Tasks of kind language_model have no"):
            asked()
    assert judging.buckets(None, {}, list) == []


def test_a_metric_finds_its_kind():
    assert kind.of_metric("entity_f1") == "tagging" and kind.of_metric("bucc_f1") == "retrieval"
    assert kind.of_metric("accuracy") == "classification"
    assert kind.of_metric("accuracy", "tagging", "multiple_choice") == "multiple_choice"
    with pytest.raises(XferError, match="tag_f1"):
        kind.of_metric("tag_f2")


def test_rows_with_choices_and_a_metric_alone_are_multiple_choice():
    frame = pd.DataFrame({"choices": [["a", "b"], ["a", "b", "c", "d"]]})
    frame["prediction"] = frame["reference"] = [0, 3]
    task = task_of("own", {"metric": "accuracy"}, frame)
    assert task.kind == "multiple_choice"
    found = kind.scoring(task.kind).given(task, "en", frame)
    assert found.options == [2, 4] and found.references == ["0", "3"]
    assert task_of("own", {"metric": "accuracy"}, frame[["prediction"]]).kind == "classification"


def test_rows_of_a_ranking_without_a_query_are_candidates():
    task = Task("ranked", "retrieval", "map_at_20", ("en",), {})
    frame = pd.DataFrame({"source": ["q", None], "prediction": [["a"], None], "reference": [["a"], None]})
    found = kind.scoring("retrieval").given(task, "en", frame)
    assert found.predictions == [["a"]] == found.references
    assert kind.scoring("retrieval").given(task, POOL, frame) is None


def test_two_sets_of_pairs_need_not_be_equally_long():
    task = Task("mined", "retrieval", "bucc_f1", ("de",), {})
    frame = pd.DataFrame(
        {"prediction": [("de-1", "en-1"), None], "reference": [("de-1", "en-1"), ("de-2", "en-2")]}
    )
    found = kind.scoring("retrieval").given(task, "de", frame)
    assert found.predictions == [("de-1", "en-1")] and len(found.references) == 2


def test_a_table_to_mine_is_parted_by_its_split():
    task = Task("mined", "retrieval", "bucc_f1", ("de",), {})
    frame = pd.DataFrame({"language": ["de", "de", "fr"], "split": ["validation", "test", "validation"]})
    splits = kind.scoring("retrieval").table_splits(task, frame, len)
    assert (splits.tests, splits.devs) == ({"de": 1}, {"de": 1, "fr": 1})
    splits = kind.scoring("retrieval").table_splits(task, frame.drop(columns="split"), len)
    assert (splits.tests, splits.devs) == ({}, {"de": 2, "fr": 1})


def test_rows_without_a_target_are_named():
    task = Task("labelled", "classification", "accuracy", ("de",), {})
    for asked in (
        lambda: kind.scoring("classification").columns(task, "de", ["a", None]),
        lambda: kind.scoring("classification").given(
            task, "de", pd.DataFrame({"prediction": ["a"], "reference": [None]})
        ),
    ):
        with pytest.raises(XferError, match="labelled de: rows without a target"):
            asked()
