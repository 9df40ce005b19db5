"""Models that other programs logged in MLflow are started from as directories are."""

from __future__ import annotations

import shutil

import mlflow
import pytest
from mlflow import MlflowClient
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases.prediction import predict_file
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tracking import logged_models
from mlflow_xfer.tracking.store import Store

pytestmark = pytest.mark.usefixtures("own_store", "caches")
QUICK = {"target": "holds", "languages": "en", "max_eval_examples": 20}


@pytest.fixture
def classifier(tmp_path):
    """A directory with a classifier of the labels of ``holds``, as another program trains it."""
    folder = tmp_path / "classifier"
    vocabulary = train_tokenizer(["one word and another", "more words"] * 20, 200, "xlm-roberta")
    build_scratch("xlm-roberta", "tiny", vocabulary, 0).save_pretrained(folder)
    vocabulary.save_pretrained(folder)
    labels = TASKS.get("holds").labels
    names = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    AutoModelForSequenceClassification.from_pretrained(folder, **names).save_pretrained(folder)
    return folder


def logged(folder, **more) -> str:
    """The run in which ``mlflow.transformers`` logged the model of a directory, and the directory itself."""
    parts = {
        "model": AutoModelForSequenceClassification.from_pretrained(folder),
        "tokenizer": AutoTokenizer.from_pretrained(folder),
    }
    with mlflow.start_run() as run:
        mlflow.transformers.log_model(
            parts, name="model", task="text-classification", pip_requirements=["transformers"], **more
        )
        mlflow.log_artifacts(str(folder), "saved")
    return run.info.run_id


def test_each_way_to_name_one_gives_what_its_directory_gives(classifier, tmp_path):
    run_id = logged(classifier, registered_model_name="clf")
    MlflowClient().set_registered_model_alias("clf", "best", 1)
    wanted = mlflow_xfer.evaluate(model=str(classifier), **QUICK).metrics["eval/holds/en"]
    (tmp_path / "texts.txt").write_text("one word\nmore words and another\n")
    alike = []
    for name in (f"runs:/{run_id}/saved", "models:/clf/1", "models:/clf@best", "models:/clf/latest"):
        assert mlflow_xfer.evaluate(model=name, **QUICK).metrics["eval/holds/en"] == wanted, name
        with Store.open(probe=False) as store:
            alike.append(predict_file(name, tmp_path / "texts.txt", None, lambda: store))  # noqa: B023
    assert alike[0] and all(one == alike[0] for one in alike)


def test_an_alias_that_is_moved_names_another_model(classifier, tmp_path):
    logged(classifier, registered_model_name="clf")
    other = shutil.copytree(classifier, tmp_path / "other")
    model = AutoModelForSequenceClassification.from_pretrained(other)
    model.classifier.out_proj.bias.data[0] += 100
    model.save_pretrained(other)
    logged(other, registered_model_name="clf")
    client, found = MlflowClient(), []
    for version in (1, 2):
        client.set_registered_model_alias("clf", "best", version)
        found.append(mlflow_xfer.plan("evaluate", model="models:/clf@best", **QUICK).as_dict())
    first, second = (one["phases"][-1]["spec_hash"] for one in found)
    assert first != second


def test_artifacts_of_a_run_are_downloaded_once_a_command_and_others_keep_what_they_read(
    classifier, monkeypatch
):
    run_id, downloads = logged(classifier), []
    told = logged_models.put_together
    monkeypatch.setattr(logged_models, "put_together", lambda *given: downloads.append(given) or told(*given))
    name = f"runs:/{run_id}/saved"
    with Store.open(probe=False) as store:
        before = logged_models.fetched(store, name)
        weights = (before / "model.safetensors").read_bytes()
        model = AutoModelForSequenceClassification.from_pretrained(classifier)
        model.classifier.out_proj.bias.data[0] += 100
        model.save_pretrained(classifier)
        MlflowClient().log_artifacts(run_id, str(classifier), "saved")
        after = logged_models.fetched(store, name)
        assert after != before and (before / "model.safetensors").read_bytes() == weights
        assert logged_models.fetched(store, name) == after
    assert not list(after.parents[1].glob(".*")), "nothing is left of the downloads"
    downloads.clear()
    mlflow_xfer.plan(
        "transfer", model=name, intermediate="nli", target="holds", languages="en", seeds="0,1,2"
    )
    assert len(downloads) == 1


def test_what_holds_no_model_is_refused(classifier):
    run_id = logged(classifier)
    with mlflow.start_run() as run:
        mlflow.log_text("nothing", "notes/a.txt")
    with pytest.raises(XferError, match=r"holds no model of transformers. It holds: a\.txt(.|\n)*Accepted"):
        mlflow_xfer.evaluate(model=f"runs:/{run.info.run_id}/notes", **QUICK)
    with pytest.raises(XferError, match=r"holds no model of transformers. It is a file\.(.|\n)*Accepted"):
        mlflow_xfer.evaluate(model=f"runs:/{run.info.run_id}/notes/a.txt", **QUICK)
    with pytest.raises(XferError, match="cannot be downloaded"):
        mlflow_xfer.evaluate(model=f"runs:/{run.info.run_id}/nowhere", **QUICK)
    with pytest.raises(XferError, match=r"no checkpoint of a phase(.|\n)*runs:/<run id>/<path>"):
        mlflow_xfer.evaluate(model=run_id, **QUICK)
