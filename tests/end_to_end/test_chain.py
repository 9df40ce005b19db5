"""The chain on tiny models, through the functions:
what it leaves in MLflow, and that nothing is trained twice.
"""

from __future__ import annotations

import json
import logging

import pytest

import mlflow_xfer
from tests.conftest import TEXTS
from tests.end_to_end.conftest import DECODER, ENCODER, QUICK


def artifact(client, run_id, path):
    with open(client.download_artifacts(run_id, path), encoding="utf-8") as file:
        return json.load(file) if path.endswith(".json") else file.read()


@pytest.mark.parametrize("model", [ENCODER, DECODER])
def test_the_chain_and_its_runs(model, client, all_runs, steps_in_store, caplog):
    result = mlflow_xfer.transfer(model=model, **QUICK)
    phases = {run.data.tags["mlflow.runName"]: run for run in all_runs("phase")}
    assert len(phases) == 5 and all(run.info.status == "FINISHED" for run in all_runs())
    (transfer,) = all_runs("transfer")
    assert result.run_id == transfer.info.run_id and len(result.made) == 5
    assert {run.data.tags["mlflow.parentRunId"] for run in phases.values()} == {transfer.info.run_id}
    assert all(
        len(run.data.tags["xfer.spec_hash"]) == len(run.data.tags["xfer.code_hash"]) == 64
        for run in phases.values()
    )
    assert "xfer.spec_hash" not in transfer.data.tags

    metrics = transfer.data.metrics
    assert "mini/pos" not in metrics, "two of its languages are not the task"
    assert metrics["selected/avg"] == pytest.approx(
        (metrics["selected/pos"] + metrics["selected/retrieval"]) / 2
    )
    assert "mini/avg" not in metrics, "two of the suite's languages are not the suite"

    evaluated = phases["evaluate pos · nli · s0"]
    assert {"eval/pos/en", "eval/pos/de"} <= set(evaluated.data.metrics)
    table = artifact(client, evaluated.info.run_id, "results/per_language.json")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [row["language"] for row in rows] == ["en", "de"]
    for row in rows:
        assert row["low"] <= row["score"] <= row["high"] and row["n"] == 20
        assert 0 < row["chance"] < 100 and 0 <= row["majority"] < 100
        assert row["score"] == pytest.approx(evaluated.data.metrics[f"eval/pos/{row['language']}"])
        assert row["fertility"] >= 1 and row["truncated"] == 0
    buckets = artifact(client, evaluated.info.run_id, "results/buckets.json")
    assert {row[buckets["columns"].index("attribute")] for row in buckets["data"]} == {"sentence_length"}
    assert (
        len(artifact(client, evaluated.info.run_id, "predictions/pos/test-de.tsv").strip().split("\n\n"))
        == 20
    )
    examples = artifact(client, evaluated.info.run_id, "results/examples.json")
    assert examples["columns"] == ["language", "id", "text", "gold", "predicted", "right"]
    assert len(examples["data"]) == 40 and all(
        (gold == predicted) == right and text for _, _, text, gold, predicted, right in examples["data"]
    )
    (best,) = client.search_logged_models(
        [evaluated.info.experiment_id],
        datasets=[{"dataset_name": "pos/de"}],
        order_by=[{"field_name": "metrics.eval/pos/de", "dataset_name": "pos/de", "ascending": False}],
    )
    assert best.source_run_id == phases["target pos · nli · s0"].info.run_id
    assert {(m.key, m.dataset_name) for m in best.metrics} == {
        ("eval/pos/en", "pos/en"),
        ("eval/pos/de", "pos/de"),
    }
    (taken,) = client.get_run(evaluated.info.run_id).inputs.model_inputs
    assert taken.model_id == best.model_id and best.tags["mlflow.note.content"] == "target pos · nli · s0"
    trained = phases["target pos · nli · s0"].data
    assert "num_train_epochs" not in trained.params, "steps decided how long it trained"
    assert float(trained.params["max_steps"]) == trained.metrics["train/optimizer_steps"] == 4
    contexts = {
        tag.value
        for i in client.get_run(phases["target pos · nli · s0"].info.run_id).inputs.dataset_inputs
        for tag in i.tags
        if tag.key == "mlflow.data.context"
    }
    assert contexts == {"train", "dev"}

    before = steps_in_store()
    with caplog.at_level(logging.INFO):
        again = mlflow_xfer.transfer(model=model, **QUICK)
    assert again.run_id == result.run_id and not again.made
    assert steps_in_store() == before == 12
    assert len(all_runs()) == 6, "the functions open no request"
    assert result.run_id in caplog.text


def test_a_part_that_exists_is_taken_and_the_rest_is_made(all_runs, caplog):
    first = mlflow_xfer.transfer(model=ENCODER, **QUICK)
    with caplog.at_level(logging.DEBUG, "mlflow_xfer"):
        second = mlflow_xfer.transfer(model=ENCODER, **QUICK | {"target.max_steps": 5})
    assert len(second.made) == 2 and len(second.reused) == 3 and set(second.reused) <= set(first.made)
    made = {run.info.run_id: run for run in all_runs("phase")}
    assert {made[run].data.tags["xfer.phase"] for run in second.made} == {"target", "evaluate"}
    assert all(made[run].data.tags["mlflow.parentRunId"] == first.run_id for run in second.reused)
    assert "settings.max_steps: 4 -> 5" in caplog.text
    transfer = next(run for run in all_runs("transfer") if run.info.run_id == second.run_id)
    assert set(transfer.data.tags["xfer.reused_from"].split(",")) == set(second.reused)


def test_seeds_make_a_condition_with_the_difference_to_the_baseline(all_runs):
    mlflow_xfer.transfer(model=ENCODER, **QUICK | {"intermediate": "none", "target": "pos", "seeds": "1,2"})
    mlflow_xfer.transfer(model=ENCODER, **QUICK | {"target": "pos", "seeds": "1,2"})
    baseline, condition = all_runs("condition")
    assert "selected/delta" not in baseline.data.metrics and condition.data.metrics["n"] == 2
    apart = {name for name, value in condition.data.params.items() if baseline.data.params.get(name) != value}
    assert apart == {"intermediate"}, "no rate of a phase that the baseline has not"
    averages = {}
    for run in all_runs("transfer"):
        averages.setdefault(run.data.tags["mlflow.parentRunId"], []).append(run.data.metrics["selected/avg"])
    mine, theirs = averages[condition.info.run_id], averages[baseline.info.run_id]
    assert condition.data.metrics["selected/avg"] == pytest.approx(sum(mine) / 2, rel=1e-3)
    assert condition.data.metrics["selected/delta"] == pytest.approx(
        sum(mine) / 2 - sum(theirs) / 2, rel=1e-3
    )
    low, high = condition.data.metrics["selected/delta_low"], condition.data.metrics["selected/delta_high"]
    half = 12.706 * abs((mine[0] - theirs[0]) - (mine[1] - theirs[1])) / 2  # t with one degree of freedom
    assert (high - low) / 2 == pytest.approx(half, rel=1e-3)
    again = mlflow_xfer.transfer(model=ENCODER, **QUICK | {"target": "pos", "seeds": "1,2"})
    assert again.run_id == condition.info.run_id and len(all_runs("condition")) == 2


def test_mixtures_sequences_shots_and_controls(all_runs):
    from mlflow_xfer.tasks.catalogue import TASKS

    names = ",".join(
        [
            task.name
            for task in TASKS
            if "mini" in task.sources
            and "intermediate" in task.uses
            and task.kind in ("classification", "tagging")
        ][:2]
    )
    joint = mlflow_xfer.intermediate(
        model=ENCODER,
        **{
            k: v
            for k, v in QUICK.items()
            if k in ("max_steps", "train_batch_size", "max_train_examples", "text")
        },
        intermediate=names,
        mlm_share=0.5,
    )
    run = next(r for r in all_runs("phase") if r.info.run_id == joint.run_id)
    assert run.data.tags["xfer.tasks"] == ",".join(sorted(names.split(",")))
    sequential = mlflow_xfer.transfer(
        model=ENCODER,
        **QUICK | {"intermediate": names, "combine": "sequential", "target": "pos", "target_shots": 3},
    )
    kinds = [
        r.data.tags["xfer.phase"]
        for r in all_runs("phase")
        if r.data.tags.get("mlflow.parentRunId") == sequential.run_id
    ]
    assert sorted(kinds) == ["evaluate", "intermediate", "intermediate", "pretrain", "target"]
    target = next(r for r in all_runs("phase") if r.data.tags["xfer.phase"] == "target")
    transfer = next(r for r in all_runs("transfer") if r.info.run_id == sequential.run_id)
    assert (
        "Few-shot**: trained with 3 labelled examples" in transfer.data.tags["mlflow.note.content"]
        and "3 shots" in transfer.data.tags["mlflow.runName"]
    )
    assert target.data.tags["xfer.target_shots"] == "3" and target.data.tags["xfer.data_languages"] == "en,de"
    control = mlflow_xfer.transfer(model=ENCODER, **QUICK | {"target": "pos,retrieval", "control": "random"})
    assert (
        next(r for r in all_runs("transfer") if r.info.run_id == control.run_id).data.tags["xfer.control"]
        == "random"
    )


def test_a_run_can_be_the_model_of_the_next_verb_and_lineage_leads_back(client):
    base = mlflow_xfer.pretrain(model=ENCODER, text=TEXTS, max_steps=3)
    target = mlflow_xfer.target(model=base.run_id, target="pos", max_steps=3, max_train_examples=20)
    by_uri = mlflow_xfer.evaluate(model=f"runs:/{target.run_id}/model", languages="de", max_eval_examples=10)
    tree = mlflow_xfer.lineage(by_uri.run_id)
    assert (
        tree.index(by_uri.run_id) < tree.index(target.run_id) < tree.index(base.run_id) < tree.index(ENCODER)
    )
    model_id = client.get_run(target.run_id).data.tags["xfer.model_id"]
    assert (
        mlflow_xfer.evaluate(model=f"models:/{model_id}", languages="de", max_eval_examples=10).run_id
        == by_uri.run_id
    )


def test_checkpoints_load_everywhere(client):
    import mlflow.pyfunc
    from transformers import AutoModel, AutoModelForTokenClassification, AutoTokenizer

    result = mlflow_xfer.transfer(model=ENCODER, **QUICK | {"target": "pos"})
    run = next(r for r in result.made if client.get_run(r).data.tags["xfer.phase"] == "target")
    folder = mlflow.artifacts.download_artifacts(f"runs:/{run}/model")
    model, tokenizer = (
        AutoModelForTokenClassification.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
    )
    assert model(**tokenizer("a test", return_tensors="pt")).logits.shape[-1] == model.config.num_labels > 2
    assert AutoModel.from_pretrained(folder).config.hidden_size == 32
    assert mlflow.pyfunc.load_model(f"runs:/{run}/model") is not None
    for run in result.made:
        if "xfer.model_id" in client.get_run(run).data.tags:
            AutoModel.from_pretrained(mlflow.artifacts.download_artifacts(f"runs:/{run}/model"))
