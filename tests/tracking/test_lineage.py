from __future__ import annotations

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import lineage
from mlflow_xfer.tracking.store import Store


def phase(store: Store, name: str, kind: str, inputs=(), **tags: str) -> str:
    own = {
        "xfer.phase": kind,
        "xfer.input_run_ids": ",".join(inputs),
        "xfer.base_model": "xlm-roberta-base@abc",
        **tags,
    }
    run = store.start("phase", name, tags={key.replace("__", "."): value for key, value in own.items()})
    store.finish(run)
    return run


@pytest.fixture
def chain(local_store) -> dict[str, str]:
    first = phase(local_store, "mnli s1", "intermediate", xfer__tasks="mnli", xfer__seed="1")
    target = phase(local_store, "xnli s1", "target", [first], xfer__target="xnli")
    evaluated = phase(local_store, "xnli test s1", "evaluate", [target])
    retrieval = phase(local_store, "tatoeba s1", "evaluate", [first])
    transfer = local_store.start("transfer", "t1", tags={"xfer.input_run_ids": f"{evaluated},{retrieval}"})
    child = local_store.start(
        "phase", "launched", tags={"xfer.phase": "evaluate", "xfer.input_run_ids": target}, parent=transfer
    )
    request = local_store.start("request", "again", tags={"xfer.result_run_id": transfer})
    local_store.flush()
    return {
        "first": first,
        "target": target,
        "evaluated": evaluated,
        "retrieval": retrieval,
        "transfer": transfer,
        "child": child,
        "request": request,
    }


@pytest.mark.parametrize(
    "start, ends_at",
    [
        ("first", {"first"}),
        ("evaluated", {"evaluated", "target", "first"}),
        ("transfer", {"transfer", "evaluated", "retrieval", "target", "first", "child"}),
        ("request", {"request", "transfer", "evaluated", "retrieval", "target", "first", "child"}),
    ],
)
def test_every_run_leads_back_to_its_base_model(local_store, chain, start, ends_at):
    tree = lineage.lineage(local_store, chain[start])
    assert {run.run_id for run in tree.runs()} == {chain[name] for name in ends_at}
    assert tree.base_models() == ["xlm-roberta-base@abc"]


def test_the_text_names_every_run_and_repeats_no_branch(local_store, chain):
    text = lineage.text(lineage.lineage(local_store, chain["request"]))
    lines = text.splitlines()
    assert lines[0].startswith("request · again")
    assert (
        "result of transfer · t1" in text and "made from intermediate · mnli s1" in text and "seed 1" in text
    )
    assert sum(chain["first"] in line for line in lines) == 2
    assert sum("starts from xlm-roberta-base@abc" in line for line in lines) == 1
    assert "(see above)" in text


def test_missing_circular_and_deleted_inputs_end_the_tree(local_store):
    gone = phase(local_store, "gone", "target", ["0" * 32])
    assert "no longer has" in lineage.text(lineage.lineage(local_store, gone))
    circle = phase(local_store, "circle", "target")
    local_store.tags(circle, {"xfer.input_run_ids": circle})
    local_store.flush()
    assert "(circular)" in lineage.text(lineage.lineage(local_store, circle))
    local_store.client.delete_run(gone)
    assert "[deleted]" in lineage.text(lineage.lineage(local_store, gone))
    with pytest.raises(XferError, match="No run"):
        lineage.lineage(local_store, "1" * 32)
