"""combine=merge through the whole product:
single trainings shared by every subset, a merge that trains nothing.
"""

from __future__ import annotations

import mlflow
import pytest
import torch

import mlflow_xfer
from tests.end_to_end.conftest import DECODER, ENCODER, QUICK

MERGED = {k: v for k, v in QUICK.items() if k != "intermediate"} | {
    "combine": "merge",
    "target": "pos",
    "max_steps": 2,
    "max_train_examples": 8,
    "max_eval_examples": 4,
}


def weights(client, run_id):
    from transformers import AutoModel

    return AutoModel.from_pretrained(
        mlflow.artifacts.download_artifacts(f"runs:/{run_id}/model")
    ).state_dict()


@pytest.mark.parametrize(
    ("model", "method"), [(ENCODER, "average"), pytest.param(DECODER, "ties", marks=pytest.mark.slow)]
)
def test_subsets_share_the_trainings_of_their_tasks(model, method, client, all_runs, steps_in_store):
    options = MERGED | {"model": model, "merge_method": method}
    first = mlflow_xfer.transfer(**options, intermediate="nli,types,attribute")
    steps = steps_in_store()
    runs = {run.data.tags["mlflow.runName"]: run for run in all_runs("phase")}
    merge = runs[f"intermediate attribute+nli+types merge {method} · s0"]
    assert (
        merge.data.tags["xfer.tasks"] == "attribute,nli,types" and merge.data.tags["xfer.combine"] == "merge"
    )
    assert merge.data.metrics["train/optimizer_steps"] == 0 and merge.data.params["merge_method"] == method
    singles = [runs[f"intermediate {name} · s0"].info.run_id for name in ("attribute", "nli", "types")]
    base = next(run.info.run_id for name, run in runs.items() if name.startswith("pretrain"))
    assert merge.data.tags["xfer.input_run_ids"].split(",") == ([base] if method == "ties" else []) + singles
    tree = mlflow_xfer.lineage(first.run_id)
    assert all(run in tree for run in [merge.info.run_id, *singles, base]) and model in tree
    transfer = client.get_run(first.run_id)
    assert (
        transfer.data.tags["xfer.combine"] == "merge"
        and transfer.data.tags["xfer.tasks"] == "attribute,nli,types"
    )
    merged = weights(client, merge.info.run_id)
    if method == "average":
        parts = [weights(client, run) for run in singles]
        name = next(n for n in merged if n.endswith("query.weight"))
        assert torch.equal(merged[name], torch.stack([part[name].double() for part in parts]).mean(0).float())

    second = mlflow_xfer.transfer(**options, intermediate="types,nli")
    assert set(second.reused) == {base, *singles[1:]} and steps_in_store() == steps + 2, (
        "only the target is trained"
    )
    made = {client.get_run(run).data.tags["mlflow.runName"] for run in second.made}
    assert made == {
        f"intermediate nli+types merge {method} · s0",
        "target pos · nli+types (merge) · s0",
        "evaluate pos · nli+types (merge) · s0",
    }
    again = mlflow_xfer.transfer(**options, intermediate="nli,types")
    assert again.run_id == second.run_id and not again.made

    joint = mlflow_xfer.transfer(**options | {"combine": "joint"}, intermediate="nli,types")
    frame = mlflow_xfer.results([second.run_id, joint.run_id])
    assert len(frame["condition"].unique()) == 2 and any(
        "combine=merge" in name for name in frame["condition"]
    )
    own = {
        name: options[name]
        for name in ("combine", "merge_method", "max_steps", "train_batch_size", "max_train_examples")
    }
    alone = mlflow_xfer.intermediate(model=base, intermediate="nli", **own)
    assert alone.run_id == singles[1] and not alone.made
