"""Targets whose own task was trained on before: shown, in no average and no comparison."""

from __future__ import annotations

import numpy as np
import pytest

from mlflow_xfer.reporting import report
from mlflow_xfer.reporting.analysing import analyse
from mlflow_xfer.reporting.conditions_table import borda
from mlflow_xfer.studies.scores import own_cells
from tests.stats.score_tables import table

TASKS = ("xnli", "udpos", "pawsx")


@pytest.fixture(scope="module")
def frame():
    """``mnli`` has XNLI's own rows; it lifts that task by far."""
    made = table({"none": 0, "mnli": 2, "sick": 1}, tasks=TASKS, seeds=6)
    own = (made["condition"] == "mnli") & (made["task"] == "xnli")
    return made.assign(same_task=np.where(own, "mnli", None), score=made["score"].where(~own, 97.0))


def test_the_rest_is_as_if_the_cell_were_not_there(frame):
    found = analyse(frame, detailed=False)
    others = {one.condition: one for one in found.contrasts}
    without = frame[frame["task"] != "xnli"].drop(columns="same_task")
    alone = {one.condition: one for one in analyse(without, detailed=False).contrasts}
    assert others["mnli"].estimate == pytest.approx(alone["mnli"].estimate)
    assert (others["mnli"].low, others["mnli"].p) == pytest.approx((alone["mnli"].low, alone["mnli"].p))
    whole = {
        one.condition: one for one in analyse(frame[frame["condition"] != "mnli"], detailed=False).contrasts
    }
    assert others["sick"].estimate == pytest.approx(whole["sick"].estimate)
    assert found.means["mnli"].n["tasks"] == 2 and found.means["none"].n["tasks"] == 3
    assert {one.task for one in found.findings if one.contrast.condition == "mnli"} == {"udpos", "pawsx"}
    gaps = found.differences("by_language")["mnli"]
    assert gaps.mean() == pytest.approx(others["mnli"].estimate) and gaps.max() < 10


@pytest.mark.parametrize("kind", [bool, str, float, object])
def test_a_column_of_truth_values_marks_what_is_true(frame, kind):
    truth = frame.assign(same_task=frame["same_task"].notna().astype(kind), base_seen=False)
    found = analyse(truth, detailed=False)
    assert found.own[["condition", "task"]].to_numpy().tolist() == [["mnli", "xnli"]]
    assert found.base_seen == {} and own_cells(truth) == [("mnli", "xnli")]
    if kind is not float:
        assert found.own["intermediate"].tolist() == ["xnli"], "what is true of the target is its own task"


def test_what_the_other_condition_lacks_is_in_no_difference_by_language(frame):
    found = analyse(frame, against={"sick": "mnli"}, detailed=False)
    (one,) = (one for one in found.contrasts if one.condition == "sick")
    assert (one.baseline, one.n["tasks"]) == ("mnli", 2)
    assert found.differences("by_language")["sick"].mean() == pytest.approx(one.estimate)
    by_task = found.differences("by_task")["sick"]
    assert by_task.isna().to_dict() == {"pawsx": False, "udpos": False, "xnli": True}


def test_the_page_and_the_verdict_show_it(frame):
    made = report(frame)
    (row,) = made.verdict["same_task"]
    assert (row["condition"], row["task"], row["intermediate"], row["mean"]) == ("mnli", "xnli", "mnli", 97.0)
    assert "same task" in made.description and "Same task" in made.html
    assert made.html.count("same task") >= 2, "in the table of conditions and in the map of tasks"
    assert any("mnli on xnli: same task" in gap for gap in made.verdict["gaps"])
    again = report(made.results).verdict
    assert again == made.verdict


def test_ranks_are_those_on_what_counts_for_all_whichever_comes_first(frame):
    first = frame.sort_values("condition", key=lambda names: names != "mnli", kind="stable")
    ranks = borda(analyse(first, baseline="none", detailed=False))
    without = frame[frame["task"] != "xnli"].drop(columns="same_task")
    assert ranks == pytest.approx(borda(analyse(without, detailed=False))) and len(ranks) == 3


def test_a_condition_of_which_nothing_is_left_has_no_mean(frame):
    one = frame[frame["task"] == "xnli"]
    found = analyse(one, detailed=False)
    assert list(found.means) == ["none", "sick"] and len(found.own) == 1
    assert report(one).verdict["same_task"][0]["condition"] == "mnli"
