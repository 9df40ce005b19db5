"""Which training data stand behind an evaluation, and what is known of them."""

from __future__ import annotations

from mlflow_xfer import params
from mlflow_xfer.params.settings import EvaluationSettings
from mlflow_xfer.phases.overlaps import findings, joined, of_plan, tags
from mlflow_xfer.phases.phase import FinishedRun, Phase
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.tasks.catalogue import TASKS


def test_a_checkpoint_keeps_what_its_tasks_declare():
    start = FinishedRun("run", "0" * 32, "spec", "code", "intermediate", ("squad", "of-a-task-file"))
    (found,) = findings(Phase("evaluate", EvaluationSettings(), None, (TASKS.get("xquad"),), (), (start,)))
    assert (found.training, found.target, found.status) == (
        "squad",
        "xquad",
        "declared",
    ) and "squad → xquad" in tags([found])["xfer.overlap_details"]
    assert findings(Phase("evaluate", EvaluationSettings(), None, (TASKS.get("xnli"),), (), (start,))) == []


def test_generated_rows_are_not_compared_and_say_nothing():
    plan = make_plan(
        "transfer",
        params.parse("transfer", {"intermediate": "nli", "target": "pos"}),
        References(lambda: None),
    )
    assert of_plan(plan.phases) == [] and tags([]) == {}


def test_the_gravest_status_wins():
    assert joined(["none", "excluded", "declared"], ["a", "b"]) == {
        "xfer.overlap": "declared",
        "xfer.overlap_details": "a\nb",
    }
    assert (
        joined(["none", "found", "declared"], [])["xfer.overlap"] == "found"
        and joined(["none", "excluded"], [])["xfer.overlap"] == "excluded"
    )
