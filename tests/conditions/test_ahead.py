"""What an engine is given ahead of time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlflow_xfer.conditions.ahead import ahead
from mlflow_xfer.phases.plan import unique


@pytest.fixture
def wanted(plan):
    """Phases of two seeds, each with an intermediate task and three targets on it, on one base."""
    asked = plan(intermediate="nli", target="choice,qa,pos", seeds="0,1")
    return unique(phase for one in asked.transfers for phase in one.phases)


def given(wanted, done, running, slots, common=()):
    """What is submitted at one look, in words."""
    labels = []
    for phase in ahead(wanted, done, running, slots, common):
        running[phase.spec_hash] = SimpleNamespace(phase=phase)
        labels.append(phase.kind)
    return labels


def test_what_all_stand_on_comes_first_and_alone(wanted):
    common = {wanted[0].spec_hash}
    assert given(wanted, set(), {}, 2, common) == ["pretrain"]
    assert given(wanted, set(), {wanted[0].spec_hash: SimpleNamespace(phase=wanted[0])}, 2, common) == []
    assert given(wanted, set(), {}, 2)[0] == "pretrain" and len(given(wanted, set(), {}, 2)) == 5


def test_what_stands_on_a_long_training_leaves_room_for_others(wanted):
    base, running = wanted[0].spec_hash, {}
    found = given(wanted, {base}, running, 2)
    assert found.count("intermediate") == 2, "both workers have one"
    assert found == ["intermediate", "target", "evaluate", "target", "evaluate", "intermediate"]
    first = next(iter(running))
    del running[first]
    assert given(wanted, {base, first}, running, 2) == ["target", "evaluate"]
    assert [one.phase.seed for one in running.values() if one.phase.kind == "target"] == [0, 0, 1], (
        "one more than run has all it needs: the third target of the first waits"
    )


def test_one_worker_is_given_one_phase_at_a_time(wanted):
    running, done, order = {}, set(), []
    while found := given(wanted, done, running, 1):
        order += found
        assert len(found) == 1
        done.update(running)
        running.clear()
    assert order == [phase.kind for phase in wanted]


def test_what_another_process_has_made_takes_no_room(wanted):
    done, seen = {wanted[0].spec_hash}, []
    for phase in ahead(wanted, done, {}, 2):
        done.add(phase.spec_hash)
        seen.append(phase)
    assert seen == wanted[1:]
