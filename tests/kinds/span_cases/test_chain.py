"""MultiCheckList through `transfer` and `evaluate`, on a tiny random model trained on SQuAD's layout."""

from __future__ import annotations

import json

import pytest

import mlflow_xfer
from mlflow_xfer.data.readers.checklist import TESTS
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.load import save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from tests.kinds.span_cases.suites import NAMES, write, write_squad

QUICK = {"max_steps": 2, "train_batch_size": 4, "max_seq_length": 48}
SHORT = list(TESTS.values())


@pytest.fixture(autouse=True)
def quick(own_store, caches):
    """A store with its tables, and caches that the session shares."""


@pytest.fixture
def asked(tmp_path):
    folder = tmp_path / "download"
    write_squad(folder)
    for language in ("en", "sw"):
        write(folder, language)
    texts = ["Gary is older than Ida. Who is less old? Anna Tom number 0 1 2 3 4 5 6 7 8 9"] * 3
    tokenizer = train_tokenizer(texts, 120, "xlm-roberta")
    model = save(build_scratch("xlm-roberta", "tiny", tokenizer, 0), tokenizer, tmp_path / "model")
    return {"model": str(model), "data": str(folder), "languages": "en,sw"} | QUICK


def tables(run_id, *names):
    from mlflow import MlflowClient

    client = MlflowClient()
    for name in names:
        with open(client.download_artifacts(run_id, f"results/{name}.json")) as file:
            found = json.load(file)
        yield [dict(zip(found["columns"], line, strict=True)) for line in found["data"]]


def runs(phase):
    from mlflow import MlflowClient

    client = MlflowClient()
    return list(
        client.search_runs(
            [e.experiment_id for e in client.search_experiments()], f"tags.xfer.phase = '{phase}'"
        )
    )


def test_cases_are_scored_by_language_and_test(asked):
    asked |= {"languages": "de,en,sw"}
    result = mlflow_xfer.transfer(target="multichecklist", intermediate="none", **asked)
    (run,) = runs("evaluate")
    assert len(result.made) == 2 and run.data.tags["xfer.missing"] == "de"
    rows, buckets = tables(run.info.run_id, "per_language", "buckets")
    assert [row["language"] for row in rows] == ["en", "sw"]
    for row in rows:
        assert row["n"] == 2 * len(NAMES) and row["questions"] == 4 * len(NAMES)
        errors = [row[f"error_{test}"] for test in SHORT]
        assert row["component_error_rate"] == pytest.approx(sum(errors) / 6) == 100 - row["score"]
        assert row["low"] <= row["score"] <= row["high"]
        metric = run.data.metrics[f"eval/multichecklist/{row['language']}"]
        assert metric == pytest.approx(row["score"], abs=0.01)
    assert [(row["language"], row["attribute"]) for row in buckets] == [
        (language, test) for language in ("en", "sw") for test in SHORT
    ]


def test_what_was_trained_on_span_questions_answers_cases(asked):
    """As the target's training (``train_on``), and as a run that is evaluated."""
    chain = mlflow_xfer.transfer(
        target="multichecklist", train_on="squad", select_by="last", intermediate="none", **asked
    )
    (trained,) = runs("target")
    assert trained.data.tags["xfer.train_on"] == "squad"
    given = {name: value for name, value in asked.items() if name not in QUICK}
    alone = mlflow_xfer.evaluate(target="multichecklist", **given | {"model": trained.info.run_id})
    scores = {f"eval/multichecklist/{code}" for code in ("en", "sw")}
    assert len(chain.made) == 2 and len(alone.made) == 1 and scores <= set(alone.metrics)


def test_what_was_trained_on_labels_cannot_answer_cases(asked):
    with pytest.raises(XferError, match="train_on=mnli .* cannot train 'multichecklist'"):
        mlflow_xfer.transfer(target="multichecklist", train_on="mnli", intermediate="none", **asked)


def test_torn_cases_are_refused_before_anything_is_trained(asked, tmp_path):
    path = write(tmp_path / "download", "sw")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(XferError, match="sw_squad_suite.jsonl:12: .*truncated"):
        mlflow_xfer.transfer(target="multichecklist", intermediate="none", **asked)
    assert runs("target") == []


def test_languages_without_a_file_are_named(asked):
    with pytest.raises(XferError, match="multichecklist.* has test data in none of the languages"):
        mlflow_xfer.transfer(
            target="multichecklist",
            intermediate="none",
            **asked | {"languages": "de", "data": asked["data"] + "/squad"},
        )
