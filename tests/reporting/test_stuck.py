"""Seeds whose training learned nothing are named beside the verdict, and counted."""

import pytest

from mlflow_xfer.reporting import report
from mlflow_xfer.reporting.stuck import said, said_of_unlearned, stuck, unlearned
from tests.stats.score_tables import table


@pytest.fixture
def scores():
    """The baseline fails on one task with seed 1; the random encoder with all of its seeds."""
    made = table({"baseline": 0, "helper": 5, "random": -20}, seeds=3).assign(majority=30.0)
    task = made["task"].unique()[0]
    failed = (made["task"] == task) & (
        ((made["condition"] == "baseline") & (made["seed"] == 1)) | (made["condition"] == "random")
    )
    return made.assign(score=made["score"].where(~failed, 30.5)), task


def test_a_failed_seed_is_named_unless_all_fail(scores):
    frame, task = scores
    assert stuck(frame, 1.0) == {("baseline", task): ("1",)}
    assert stuck(frame, 0.1) == {} and stuck(frame.drop(columns="majority"), 1.0) == {}
    several = frame.assign(base_seed=frame["seed"], seed=0)
    assert stuck(several, 1.0) == {("baseline", task): ("0 of base 1",)}
    assert said({}) == "" and "and 2 more. They count" in said({(f"c{n}", "t"): ("0",) for n in range(8)})


def test_both_means_are_over_the_same_languages(scores):
    """The most frequent answer is known for some languages only, of which one is far better than the rest."""
    frame, task = scores
    known = frame["language"] == "fr"
    part = frame.assign(
        majority=frame["majority"].where(known), score=frame["score"].where(known, frame["score"] / 10)
    )
    assert unlearned(part, 1.0) == () and stuck(part, 1.0) == {("baseline", task): ("1",)}


def test_the_report_says_so_beside_its_verdict(scores):
    frame, task = scores
    made = report(frame)
    assert made.verdict["learned_nothing"] == {task: ["random"]}
    assert (
        f"unlike other conditions: on {task} random. That such conditions are alike" in made.verdict["answer"]
    )
    assert made.verdict["stuck"] == [{"condition": "baseline", "task": task, "seeds": ["1"]}]
    sentence = f"unlike other seeds of the same: baseline on {task} (seed 1). They count."
    assert sentence in made.verdict["answer"] and sentence in made.html
    assert "most frequent" not in report(frame.assign(majority=0.0)).html


def test_a_task_that_no_condition_learned_is_named(scores):
    frame, task = scores
    assert unlearned(frame, 1.0) == () == unlearned(frame.drop(columns="majority"), 1.0)
    failed = frame.assign(score=frame["score"].where(frame["task"] != task, 30.5))
    assert unlearned(failed, 1.0) == (task,) and unlearned(failed, 0.1) == ()
    made = report(failed)
    assert made.verdict["unlearned"] == [task]
    assert f"than the most frequent answer on {task}: nothing was learned" in made.verdict["answer"]
    assert said_of_unlearned(()) == "" and "t5 and 2 more: nothing" in said_of_unlearned(
        [f"t{n}" for n in range(8)]
    )
