"""Commands as they are noted on runs: typed again word by word, runs before them by name."""

from __future__ import annotations

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import commands
from mlflow_xfer.tracking.store import Store


@pytest.fixture
def store(own_store):
    with Store.open() as opened:
        yield opened


def made(store: Store, kind: str = "phase", status: str = "FINISHED", **tags: str) -> str:
    run_id = store.start(kind, "a run", tags=tags)
    store.finish(run_id, status)
    return run_id


def noted(verb: str, **given: str) -> dict[str, str]:
    return commands.tag(verb, given)


def test_a_command_is_typed_as_it_was_given():
    given = {"prefix": "query: ", "template": "", "text": "/a b/c", "target.max_steps": "4", "workers": "2"}
    text = commands.tag("transfer", given)[commands.COMMAND_TAG]
    assert text.startswith("mlflow-xfer transfer --prefix 'query: ' --template ''")
    again = commands.of_text(text)
    assert again.verb == "transfer" and again.given == {k: v for k, v in given.items() if k != "workers"}


def test_runs_that_it_starts_from_come_first(store):
    first = made(store, **noted("pretrain", text="texts"))
    second = made(store, **noted("target", model=first))
    last = made(store, **noted("evaluate", model=second))
    chain = commands.behind(store, store.get(last))
    assert [one.verb for one in chain] == ["pretrain", "target", "evaluate"]
    assert [one.given.get("model") for one in chain] == [None, "$run1", "$run2"]


def test_a_phase_of_a_transfer_is_made_by_that(store):
    phase = made(store)
    transfer = made(
        store, "transfer", **noted("transfer", target="pos"), **{"xfer.input_run_ids": f"x,{phase}"}
    )
    assert [one.run_id for one in commands.cell(store, phase)] == [phase, transfer]


def test_what_is_no_finished_cell_is_refused(store):
    with pytest.raises(XferError, match="no run says by which command.*\n.*Repeat its command"):
        commands.cell(store, made(store))
    with pytest.raises(XferError, match="is KILLED"):
        commands.cell(store, made(store, status="KILLED"))
    study = made(store, "study")
    part = store.start("condition", "an arm", parent=study)
    store.finish(part)
    with pytest.raises(XferError, match=f"not one cell but many.\n.*{part}"):
        commands.cell(store, study)


def test_of_a_search_only_what_is_taken_is_proposed(store):
    search = store.start("search", "a search")
    trial = store.start("trial", "trial 0", parent=search)
    parts = {}
    for name, parent, kind in (
        ("candidate", search, "condition"),
        ("of the trial", trial, "transfer"),
        ("a phase", trial, "phase"),
        ("failed", trial, "transfer"),
    ):
        parts[name] = store.start(kind, name, parent=parent)
        store.finish(parts[name], "FAILED" if name == "failed" else "FINISHED")
    store.finish(trial)
    store.finish(search)
    with pytest.raises(XferError, match="not one cell but many") as error:
        commands.cell(store, search)
    assert error.value.hint == (
        f"Name one of: {parts['candidate']} (candidate), {parts['of the trial']} (of the trial)"
    )
    with pytest.raises(XferError, match="Name a condition, a transfer or a phase"):
        commands.cell(store, made(store, "search"))
