"""Only a finished, intact phase run with equal hashes is used again; otherwise what differed is said."""

from __future__ import annotations

import shutil
import time
import uuid
from pathlib import Path

import pytest

from mlflow_xfer.tracking import checkpoints, reuse
from mlflow_xfer.tracking.store import Store

HASHES = {"xfer.spec_hash": "a" * 64, "xfer.code_hash": "b" * 64, "xfer.phase": "target"}
FIND = ("a" * 64, "b" * 64)


def phase(
    store: Store, status: str = "FINISHED", kind: str = "phase", spec: dict | None = None, **tags: str
) -> str:
    run = store.start(kind, "p", tags=HASHES | tags)
    if spec is not None:
        store.dict_artifact(run, spec, reuse.SPEC_FILE)
    store.finish(run, status)
    time.sleep(0.002)  # MLflow orders by ms
    return run


def test_the_oldest_finished_phase_is_found_everywhere(store):
    assert store.find_phase(*FIND) is None
    phase(store, "FAILED")
    phase(store, "KILLED")
    store.start("phase", "running", tags=HASHES)
    phase(store, kind="request")
    phase(store, **{"xfer.code_hash": "c" * 64})
    phase(store, **{"xfer.spec_hash": "c" * 64})
    deleted = phase(store)
    store.client.delete_run(deleted)
    assert store.find_phase(*FIND) is None

    with Store.open(f"elsewhere-{store.experiment_id}") as elsewhere:
        oldest = phase(elsewhere)
    phase(store)
    assert store.find_phase(*FIND) == oldest
    assert Store.find_phase(store, FIND[0], None) != oldest  # any code: the one with other code is older
    store.client.delete_run(oldest)
    assert store.find_phase(*FIND) not in (None, oldest)
    for run in store.search({"xfer.kind": "phase"}):
        store.client.delete_run(run.run_id)


def test_a_deleted_experiment_holds_nothing(local_store):
    with Store.open("old") as old:
        phase(old)
    local_store.client.delete_experiment(old.experiment_id)
    assert local_store.find_phase(*FIND) is None


def test_damaged_artifacts_are_not_reused(local_store, checkpoint, caplog):
    run = local_store.start("phase", "p", tags={**HASHES, reuse.ARTIFACTS_TAG: "model"})
    model = checkpoints.publish(local_store, run, checkpoint)
    local_store.finish(run)
    assert local_store.find_phase(*FIND) == run
    second = local_store.start(
        "phase", "p", tags={**HASHES, reuse.ARTIFACTS_TAG: "results/per_language.json,predictions"}
    )
    local_store.table(second, [{"a": 1}], "results/per_language.json")
    (checkpoint / "config.json").rename("en.tsv")
    local_store.artifact(second, "en.tsv", "predictions")
    local_store.finish(second)
    (checkpoints.fetch(local_store, model) / "config.json").unlink()
    assert local_store.find_phase(*FIND) == second
    assert run in caplog.text and "config.json is missing" in caplog.text
    shutil.rmtree(Path(local_store.get(second).artifact_uri) / "predictions")
    assert local_store.find_phase(*FIND) is None


def test_a_promised_model_that_was_never_published(local_store):
    phase(local_store, **{reuse.ARTIFACTS_TAG: "model"})
    assert local_store.find_phase(*FIND) is None


SPEC = {
    "kind": "target",
    "params": {"learning_rate": 2e-5, "max_steps": None},
    "data": [{"language": "en", "identity": "sha256:1"}],
}


def test_what_differed_names_the_fields_of_the_closest_run(store):
    assert store.near_misses(SPEC) == "" or store.uri.startswith("http")
    phase(store, spec={**SPEC, "params": {"learning_rate": 1e-3, "max_steps": 5}, "seed": 2})
    close = phase(store, spec={**SPEC, "data": [{"language": "en", "identity": "sha256:2"}]})
    said = store.near_misses(SPEC, FIND[1])
    assert close in said
    assert "data[0].identity: sha256:2 -> sha256:1" in said
    assert "learning_rate" not in said


def test_what_differed_can_be_code_or_versions(local_store):
    run = local_store.start("phase", "p", tags={**HASHES, "xfer.version.transformers": "4.0.0"})
    local_store.dict_artifact(run, SPEC, reuse.SPEC_FILE)
    local_store.finish(run)
    said = local_store.near_misses(SPEC, "c" * 64)
    assert "the code that computes it" in said
    assert "transformers: 4.0.0 -> " in said
    said = local_store.near_misses(SPEC, FIND[1])
    assert "code" not in said


@pytest.mark.parametrize(
    "earlier, now, expected",
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": None}, {}, ["a: none -> absent"]),
        ({"a": [1, 2]}, {"a": [2, 1]}, ["a: 1,2 -> 2,1"]),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, ["a.b[0].c: 1 -> 2"]),
    ],
)
def test_differences(earlier, now, expected):
    assert reuse.differences(earlier, now) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["train/loss", "dev/pos/en", "eval/pos/de"])
def test_what_diverged_is_not_reused(store, caplog, name, value):
    own = {"xfer.spec_hash": uuid.uuid4().hex, "xfer.code_hash": "b" * 64}

    def found():
        return store.find_phase(*own.values())

    runs = []
    for figure in (value, 1.0):
        runs.append(store.start("phase", "p", tags=own))
        store.metrics(runs[-1], {name: figure, "encoded/pos/fertility": float("nan")})
        store.finish(runs[-1])
        assert found() == (None if figure is value else runs[-1])
    assert f"its {name} is not finite" in caplog.text
