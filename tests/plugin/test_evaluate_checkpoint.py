"""``mlflow.models.evaluate`` on logged models gives what a phase's own prediction and scoring give."""

from __future__ import annotations

import pandas as pd
import pytest

pytest.importorskip("torch")
mlflow = pytest.importorskip("mlflow")

from mlflow_xfer.errors import XferError  # noqa: E402
from mlflow_xfer.scoring.score import score  # noqa: E402
from mlflow_xfer.tasks.catalogue import TASKS  # noqa: E402

pytestmark = pytest.mark.usefixtures("evaluations")


@pytest.fixture(scope="module")
def rows():
    """Generated rows in two languages, as one long frame for each task."""
    from mlflow_xfer.data import mini

    def frame(name: str) -> pd.DataFrame:
        parts = [
            pd.DataFrame(mini.rows(name, "test", lang)[:24]).assign(task=name, lang=lang)
            for lang in ("en", "de")
        ]
        return pd.concat(parts, ignore_index=True)

    return frame


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, rows):
    """A function that makes the directory of a tiny untrained model for a task."""
    from mlflow_xfer.models import checkpoint, heads, load, tokenizer
    from mlflow_xfer.models.scratch import build_scratch

    home = tmp_path_factory.mktemp("checkpoints")
    texts = [" ".join(words) for words in rows("pos")["words"]]
    vocabulary = tokenizer.train_tokenizer(texts, 300, "xlm-roberta")
    base = load.save(build_scratch("xlm-roberta", "tiny", vocabulary, 0), vocabulary, home / "base")

    def make(name: str):
        directory = home / f"trained-{name}"
        if not directory.exists():
            checkpoint.save(heads.build(base, [TASKS.get(name)], False, 0), vocabulary, directory)
        return directory

    return make


def evaluate(model, data, target, **config):
    return mlflow.models.evaluate(
        model, data, targets=target, model_type="xtreme", evaluators="xtreme", evaluator_config=config
    ).metrics


def expected(directory, name, data, target, **options) -> dict[str, float]:
    from datasets import Dataset

    from mlflow_xfer.training.predict import predict

    splits = {
        lang: Dataset.from_pandas(part, preserve_index=False)
        for lang, part in data.groupby("lang", sort=False)
    }
    answers = predict(directory, TASKS.get(name), splits, **options)
    return {
        f"eval/{name}/{lang}": score(TASKS.get(name).metric, answers[lang], splits[lang][target], lang).value
        for lang in splits
    }


@pytest.mark.parametrize("name, target", [("pos", "tags"), ("nli", "label")])
def test_published_checkpoint(rows, checkpoint, name, target):
    from mlflow_xfer.tracking import checkpoints
    from mlflow_xfer.tracking.store import Store

    store = Store.open("e")
    run_id = store.start("phase", f"target {name}")
    model_id = checkpoints.publish(store, run_id, checkpoint(name))
    store.finish(run_id, "FINISHED")
    store.close()
    data, wanted = rows(name), expected(checkpoint(name), name, rows(name), target)
    for uri in (f"models:/{model_id}", f"runs:/{run_id}/model"):
        got = evaluate(uri, data, target)
        assert {key: value for key, value in got.items() if key.startswith("eval/")} == pytest.approx(wanted)


@pytest.mark.parametrize("name, target", [("choice", "label"), ("qa", "answers"), ("retrieval", "row")])
def test_checkpoint_that_no_flavour_loads(rows, checkpoint, name, target):
    directory = checkpoint("pos") if name == "retrieval" else checkpoint(name)
    data = rows(name).assign(row=list(range(24)) * 2)
    task = TASKS.get(name)
    got = evaluate(None, data, target, checkpoint=str(directory))
    wanted = expected(directory, name, data, target, max_seq_length=task.recipe.max_seq_length)
    assert {key: value for key, value in got.items() if key.startswith("eval/")} == pytest.approx(wanted)
    assert len(wanted) == 2
    with pytest.raises(XferError, match="a model and a checkpoint"):
        evaluate(lambda frame: [0] * len(frame), data, target, checkpoint=str(directory))


def test_task_of_ones_own(rows, checkpoint, tmp_path):
    labels = ", ".join(TASKS.get("nli").labels)
    (tmp_path / "tasks.yaml").write_text(
        f"tasks: {{own: {{kind: classification, labels: [{labels}], files: {{test: {{en: t.tsv}}}}}}}}"
    )
    config = {"checkpoint": str(checkpoint("nli")), "task_file": str(tmp_path / "tasks.yaml")}
    got = evaluate(None, rows("nli").assign(task="own"), "label", **config)
    assert [got["eval/own/en"], got["eval/own/de"]] == pytest.approx(
        list(expected(checkpoint("nli"), "nli", rows("nli"), "label").values())
    )
    with pytest.raises(XferError, match="Did you mean"):
        evaluate(None, rows("nli").assign(task="owm"), "label", **config)


def test_model_logged_with_mlflow_transformers(rows, checkpoint):
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    directory = checkpoint("pos")
    parts = {
        "model": AutoModelForTokenClassification.from_pretrained(directory),
        "tokenizer": AutoTokenizer.from_pretrained(directory),
    }
    with mlflow.start_run():
        logged = mlflow.transformers.log_model(
            parts, name="m", task="token-classification", pip_requirements=["torch"]
        )
    got = evaluate(logged.model_uri, rows("pos"), "tags")
    wanted = expected(directory, "pos", rows("pos"), "tags")
    assert {key: value for key, value in got.items() if key.startswith("eval/")} == pytest.approx(wanted)
