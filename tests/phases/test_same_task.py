"""Which intermediate tasks are the target's own, by what their entries say."""

from __future__ import annotations

import pytest

from mlflow_xfer import params
from mlflow_xfer.params.settings import EvaluationSettings
from mlflow_xfer.phases.overlaps import findings, marks, of_plan, tags
from mlflow_xfer.phases.phase import FinishedRun, Phase
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.same_task import SameTask, find, names, related
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task_file import load_task_file


@pytest.mark.parametrize(
    ("training", "target"),
    [
        ("mnli", "xnli"),
        ("anli-plus", "americasnli"),
        ("squad2", "mlqa"),
        ("paws", "pawsx"),
        ("copa", "xcopa"),
        ("udpos", "udpos"),
        ("xnli-translate-train", "afrixnli"),
    ],
)
def test_entries_say_so(training, target):
    assert related(TASKS.get(training), TASKS.get(target))


@pytest.mark.parametrize(
    ("training", "target"),
    [("snli", "xnli"), ("qnli", "xquad"), ("tydiqa", "xquad"), ("mrpc", "pawsx"), ("panx", "udpos")],
)
def test_others_are_tasks_of_their_own(training, target):
    assert not related(TASKS.get(training), TASKS.get(target))


def same(**typed) -> list[str]:
    plan = make_plan(
        "transfer",
        params.parse(
            "transfer", {"data": "hub", "model": "scratch:xlm-roberta:tiny", "text": "mini", **typed}
        ),
        References(lambda: None, weightless=True),
    )
    return [str(one) for one in of_plan(plan.phases, None) if isinstance(one, SameTask)]


def test_the_task_that_the_target_is_trained_on_counts():
    (said,) = same(intermediate="tydiqa", target="xquad", train_on="tydiqa")
    assert said.startswith("tydiqa → xquad trained on tydiqa: same task.")
    assert same(intermediate="squad", target="xquad", train_on="tydiqa") == []
    assert len(same(intermediate="squad,mnli", target="xquad", combine="merge")) == 1


def test_rows_that_the_target_never_sees_are_another_task():
    assert len(same(intermediate="mnli", target="xnli")) == 1
    assert same(intermediate="mnli", target="xnli", exclude_overlap="true") == []


def test_a_finished_run_is_known_by_its_tasks():
    start = FinishedRun("run", "0" * 32, "spec", "code", "target", ("xnli",), {"xfer.tasks": "qqp,mnli"})
    found = findings(Phase("evaluate", EvaluationSettings(), None, (TASKS.get("xnli"),), (), (start,)))
    assert names(found) == "mnli" and marks(found) == {"same_task": "mnli"}
    assert tags(found)["xfer.overlap"] == "same task"


def test_an_entry_keeps_the_family_of_the_data_that_it_takes_over(tmp_path):
    (tmp_path / "rows.tsv").write_text("a\tb\tneutral\n", "utf-8")
    (tmp_path / "tasks.yaml").write_text(
        """
tasks:
  renamed: {extends: udpos, uses: [intermediate]}
  another: {extends: mnli, files: {train: rows.tsv}}
  said: {extends: mnli, files: {train: rows.tsv}, family: mnli}
"""
    )
    renamed, another, said = load_task_file(tmp_path / "tasks.yaml")
    assert find(renamed, (), "udpos", TASKS.get("udpos"), ()) and find(
        said, (), "xnli", TASKS.get("xnli"), ()
    )
    assert find(another, (), "xnli", TASKS.get("xnli"), ()) is None
