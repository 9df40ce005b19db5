"""Selecting by target-language labels through the whole product: always said, never in a suite's total."""

from __future__ import annotations

import mlflow_xfer
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER, QUICK
from tests.end_to_end.test_chain import artifact


def test_an_oracle_is_called_one_everywhere(client, all_runs):
    base = mlflow_xfer.pretrain(model=ENCODER, text=TEXTS, max_steps=2).run_id
    options = {
        name: QUICK[name]
        for name in ("train_batch_size", "max_train_examples", "max_eval_examples", "languages")
    }
    options |= {
        "model": base,
        "text": "none",
        "intermediate": "none",
        "target": "retrieval,pos",
        "max_steps": 4,
    }
    oracle, free = (mlflow_xfer.transfer(**options, select_by=by) for by in ("oracle", "label_free"))
    runs = {run.info.run_id: run for run in all_runs()}
    named = {run.data.tags["mlflow.runName"]: run for run in runs.values()}
    assert runs[oracle.run_id].data.tags["mlflow.runName"] == "baseline → retrieval+pos oracle s0"
    marked = {
        run.data.tags["mlflow.runName"] for run in runs.values() if run.data.tags.get("xfer.oracle") == "true"
    }
    assert marked == {
        "baseline → retrieval+pos oracle s0",
        "target pos oracle · baseline · s0",
        "evaluate pos oracle · baseline · s0",
    }
    assert (
        "Oracle" in runs[oracle.run_id].data.tags["mlflow.note.content"]
        and "Oracle" not in runs[free.run_id].data.tags["mlflow.note.content"]
    )
    table = artifact(
        client, named["evaluate pos oracle · baseline · s0"].info.run_id, "results/per_language.json"
    )
    assert {row[table["columns"].index("oracle")] for row in table["data"]} == {True}
    assert not [name for name in runs[oracle.run_id].data.metrics if name.startswith("mini/")]

    target = named["target pos oracle · baseline · s0"]
    assert target.data.params["select_by"] == "oracle" and "oracle/pos/de/selected" in target.data.metrics
    contexts = {
        tag.value
        for one in target.inputs.dataset_inputs
        for tag in one.tags
        if tag.key == "mlflow.data.context"
    }
    assert contexts == {"train", "dev", "selection (oracle)"}
    assert "label_free/pos/de/selected" in named["target pos label_free · baseline · s0"].data.metrics
    assert "xfer.oracle" not in runs[free.run_id].data.tags and free.run_id != oracle.run_id

    later = mlflow_xfer.evaluate(
        model=target.info.run_id, target="pos", languages="en,de", max_eval_examples=5
    )
    assert client.get_run(later.run_id).data.tags["xfer.oracle"] == "true", "whatever is made of it"
    frame = mlflow_xfer.results([oracle.run_id, free.run_id])
    assert set(frame.loc[frame["task"] == "pos", "protocol"]) == {"select_by=oracle", "select_by=label_free"}
