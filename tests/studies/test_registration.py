"""What is frozen before the first run, which looks are left, and what makes a run exploratory."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlflow_xfer.params import parse
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.stats.multiplicity import spending
from mlflow_xfer.studies.registration import ARTIFACT, HASH, SEEDS, TERMS, WHY, enter
from mlflow_xfer.studies.run import hash_of
from mlflow_xfer.studies.study import Arm, Contrast, Study

STUDY = Study(
    "made",
    "Does A help?",
    {"target": "choice", "seeds": "0,1"},
    (Arm("none", {"intermediate": "none"}), Arm("a", {"intermediate": "attribute"}, "none")),
    (Contrast("a helps", {"a": 1, "none": -1}, primary=True),),
)


def look(store, study=STUDY, seeds=(0, 1), overrides=None, known=(), status="FINISHED"):
    """One run of the study, from its registration to its end."""
    run = store.start("study", study.name, tags={"xfer.study": study.name})
    found = enter(store, run, study, overrides or {}, seeds, known)
    store.finish(run, status)
    return found, store.get(run)


def test_the_first_run_registers_before_anything_is_run(store):
    found, run = look(store)
    assert found.stands and found.look == 1 and found.run_id == run.run_id
    assert found.level == pytest.approx(1 - spending(2)[0])
    terms = json.loads(run.tags[TERMS])
    assert terms["primary"] == ["a helps"] and terms["margin"] == 1.0 and terms["hash"] == run.tags[HASH]
    assert terms["population"] == "these languages" and "after seeds 0,1; 2 looks" in terms["stopping"]
    frozen = json.loads(store.read_artifact(run.run_id, ARTIFACT))
    assert frozen["contrasts"][0]["weights"] == {"a": 1, "none": -1} and run.tags[WHY] == "no"


def test_seeds_can_be_added_and_the_look_is_paid_for(store):
    first, _ = look(store)
    look(store, seeds=(0, 1, 2), status="FAILED")  # no look: nothing was seen
    second, run = look(store, seeds=(0, 1, 2, 3))
    assert second.stands and second.look == 2 and second.run_id == first.run_id
    assert second.level == pytest.approx(1 - spending(2)[1]) and run.tags[SEEDS] == "0,1,2,3"
    assert sum(1 - one.level for one in (first, second)) == pytest.approx(0.05)
    again, _ = look(store)
    assert again.look == 1 and again.level == first.level, "the same seeds are the same look"
    third, run = look(store, seeds=(0, 1, 2, 3, 4))
    assert not third.stands and "all 2 looks" in run.tags[WHY] and third.level == 0.95


def test_seeds_that_were_looked_at_cannot_be_left_out(store):
    look(store, seeds=(0, 1))
    found, _ = look(store, seeds=(1, 2, 3))
    assert "seeds 0, which were looked at before, are left out" in found.said(STUDY)


@pytest.mark.parametrize(
    ("changed", "overrides", "says"),
    [
        (replace(STUDY, margin=2.0), {}, "margin changed"),
        (replace(STUDY, contrasts=(replace(STUDY.contrasts[0], kind="spread"),)), {}, "contrasts changed"),
        (STUDY, {"max_steps": "3"}, "what is said besides changed"),
    ],
)
def test_a_changed_specification_is_exploratory(store, changed, overrides, says):
    first, _ = look(store)
    found, run = look(store, changed, overrides=overrides)
    assert found.said(changed).startswith("Exploratory: ") and says in found.why and first.run_id in found.why
    assert HASH not in run.tags
    again, _ = look(store, seeds=(0, 1, 2))
    assert again.stands and again.look == 2, "the registered one goes on"


def test_where_it_runs_and_more_seeds_change_nothing(store):
    first, _ = look(store)
    found, _ = look(
        store, seeds=(0, 1, 2), overrides={"seeds": "0,1,2", "device": "cpu", "reuse": "any-code"}
    )
    assert found.stands and found.look == 2 and found.run_id == first.run_id


def test_what_was_known_before_is_no_registration(store):
    found, run = look(store, known=["a helps"])
    assert (
        not found.stands
        and "told of 'a helps' before it was registered" in found.why
        and HASH not in run.tags
    )
    other = replace(STUDY, scale="small")
    assert look(store, other)[0].stands, "each scale is registered by itself"


def test_what_the_report_says_makes_another_run_of_the_same_registration(store):
    """Sections, limits and the name change the page; they leave what is registered as it is."""
    plans = {
        arm.name: make_plan("transfer", parse("transfer", {}), References(lambda: None)) for arm in STUDY.arms
    }
    mine = hash_of(STUDY, {}, plans)
    assert mine == hash_of(replace(STUDY, sd=3.0, minutes={"quick": 1}), {"workers": 3}, plans)
    look(store)
    for change in (
        {"sections": ("arms by targets",)},
        {"limits": ("No more.",)},
        {"name": "other"},
        {"effort": "registered"},
    ):
        changed = replace(STUDY, **change)
        assert hash_of(changed, {}, plans) != mine
        assert look(store, changed)[0].stands
    without = replace(STUDY, contrasts=())
    assert hash_of(without, {}, plans) != hash_of(replace(without, question="Else?"), {}, plans)
