"""A report on real runs: read in one go, logged beside them, and honest about two seeds."""

from __future__ import annotations

import json

import mlflow
import pytest
from huggingface_hub import ModelCard

import mlflow_xfer
from mlflow_xfer import cli
from mlflow_xfer.errors import XferError
from tests.end_to_end.conftest import ENCODER, QUICK


def test_a_report_on_two_conditions(tmp_path, client):
    runs = [
        mlflow_xfer.transfer(
            model=ENCODER, **QUICK | {"intermediate": tasks, "target": "pos", "seeds": "1,2"}
        ).run_id
        for tasks in ("none", "nli")
    ]
    frame = mlflow_xfer.results(runs)
    assert (
        len(frame) == 2 * 2 * 2
        and set(frame["condition"]) == {"none", "nli"}
        and set(frame["seed"]) == {1, 2}
    )
    with pytest.raises(SystemExit) as ended:
        cli.main(["report", *runs, "--question", "Does NLI help?", "--out", str(tmp_path / "out")])
    assert ended.value.code == 0
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text("utf-8"))
    assert (
        "Does NLI help?" in page and "<script src" not in page and "http://" not in page.split("</style>")[0]
    )
    assert verdict and "nli" in json.dumps(verdict)
    (run,) = [
        r
        for e in client.search_experiments()
        for r in client.search_runs([e.experiment_id], "tags.xfer.study = 'report'")
    ]
    assert (
        run.info.status == "FINISHED"
        and run.data.tags["xfer.kind"] == "study"
        and "nli" in run.data.tags["mlflow.note.content"]
    )
    assert {"report.html", "verdict.json", "tables"} <= {
        f.path for f in client.list_artifacts(run.info.run_id)
    }
    publishes_the_best_seed(tmp_path, client, runs[1])


def publishes_the_best_seed(tmp_path, client, condition):
    """``publish`` of a condition: a folder that hubs take, and scores that a report shows beside its own."""
    out = tmp_path / "best-tagger"
    with pytest.raises(SystemExit) as ended:
        cli.main(["publish", condition, "--out", str(out), "--register", "tagger"])
    assert ended.value.code == 0
    (version,) = client.search_model_versions("name = 'tagger'")
    assert client.get_model_version_by_alias("tagger", "published").run_id == version.run_id
    trained = [
        run
        for seed in client.get_run(condition).data.tags["xfer.input_run_ids"].split(",")
        for made in client.get_run(seed).data.tags["xfer.input_run_ids"].split(",")
        if (run := client.get_run(made)).data.tags["xfer.phase"] == "target"
    ]
    best = max(run.data.metrics["dev/pos/en/selected"] for run in trained)
    assert client.get_run(version.run_id).data.metrics["dev/pos/en/selected"] == best and len(trained) == 2
    assert "points against the same without intermediate task, over 2 seeds" in version.tags["xfer.verdict"]
    assert "trained on nli, then trained on pos (with labels in en alone)" in version.description

    card = ModelCard.load(out / "README.md")
    scored = {one.dataset_config: one.metric_value for one in card.data.eval_results}
    said = json.loads((out / "results.json").read_text("utf-8"))
    assert said["condition"] == card.data.model_name == "tagger" and set(said["pos"]) == {"en", "de"}
    assert scored == pytest.approx(said["pos"], abs=0.005)
    assert "base_model" not in card.data.to_dict(), "random weights are on no hub"
    assert version.tags["xfer.verdict"].split(":")[0] in card.text.replace("\\", "")
    files = {path.name for path in out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= files
    assert not files & {"MLmodel", "manifest.json", "requirements.txt"}
    length = json.loads((out / "mlflow_xfer.json").read_text("utf-8"))["max_seq_length"]
    assert length == int(mlflow.get_run(version.run_id).data.params["max_seq_length"])
    sentences = tmp_path / "own.txt"
    sentences.write_text("one two three\n", "utf-8")
    assert mlflow_xfer.predict(out, sentences) == mlflow_xfer.predict(version.run_id, sentences)

    page = mlflow_xfer.report(runs=[condition], imported=str(out / "results.json"), missing="common")
    assert "tagger" in page.report.html and "results.json" in page.report.html
    with pytest.raises(XferError, match="something already"):
        mlflow_xfer.publish(condition, out=str(out))
    with pytest.raises(XferError, match="nowhere to publish"):
        mlflow_xfer.publish(condition)
