"""Checkpoints are whole, verified, loadable by others, and free of pickles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mlflow_xfer.durable import manifest
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.tracking import checkpoints, published
from mlflow_xfer.tracking.references import run_of


@pytest.fixture
def run(store) -> str:
    return store.start("phase", "p", tags={"xfer.phase": "target"})


def remote_folder(store, request) -> Path:
    """Where the artifacts of ``store`` really lie."""
    if store.uri.startswith("http"):
        return request.getfixturevalue("running_server").artifacts
    return Path("mlruns").absolute()


def stored(store, request, model_id: str, name: str) -> Path:
    (found,) = remote_folder(store, request).glob(f"*/models/{model_id}/artifacts/{name}")
    return found


def test_published_checkpoints_come_back_the_same(store, run, checkpoint):
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    model_id = checkpoints.publish(store, run, checkpoint, step=7, tags={"xfer.task": "xnli"})
    for reference in (run, f"runs:/{run}/model", f"models:/{model_id}"):
        assert not checkpoints.damage(store, reference)
        folder = checkpoints.fetch(store, reference)
        assert (folder / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()
        assert run_of(store, reference) == run
    before = AutoModelForSequenceClassification.from_pretrained(checkpoint).state_dict()
    after = AutoModelForSequenceClassification.from_pretrained(folder).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert AutoModel.from_pretrained(folder).config.hidden_size == 16
    assert AutoTokenizer.from_pretrained(folder)("a b")["input_ids"]

    seen = store.get(run)
    assert seen.models == (model_id,) and seen.tags[checkpoints.MODEL_TAG] == model_id
    (output,) = store.client.get_run(run).outputs.model_outputs
    assert output.step == 7
    assert store.client.get_logged_model(model_id).tags["xfer.task"] == "xnli"


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_mlflow_loads_what_it_has_a_flavour_for(local_store, checkpoints_folder, kind, recwarn):
    import mlflow

    run = local_store.start("phase", kind)
    model_id = checkpoints.publish(local_store, run, checkpoints_folder / kind)
    for uri in (f"runs:/{run}/model", f"models:/{model_id}"):
        model = mlflow.pyfunc.load_model(uri)
        assert model.metadata.model_id == model_id
        predicted = model.predict(["a b", "c"])
        assert len(predicted) == 2
        if kind == "classification":
            assert set(predicted["label"]) <= {"no", "yes"}
    pair = {"text": "a", "text_pair": "b"}
    assert kind == "tagging" or len(model.predict(pair)) == 1


def test_mlflow_cuts_a_text_as_training_did(local_store, checkpoints_folder):
    """Else one that is longer than the model's positions ends in an error of torch."""
    import mlflow

    run = local_store.start("phase", "p")
    model_id = checkpoints.publish(local_store, run, checkpoints_folder / "classification", longest=8)
    model = mlflow.pyfunc.load_model(f"models:/{model_id}")
    cut, whole = model.predict(["a b c d a a b b", "a b c d a a b b " + "c d " * 40]).to_dict("records")
    assert whole == cut != model.predict(["c d"]).to_dict("records")[0]
    assert model.predict({"text": "a b c", "text_pair": "d " * 60}).to_dict("records")


def test_what_mlflow_cannot_load_says_how_to(local_store, checkpoints_folder):
    run = local_store.start("phase", "lm")
    folder = checkpoints.fetch(local_store, checkpoints.publish(local_store, run, checkpoints_folder / "lm"))
    assert not (folder / "MLmodel").exists()
    assert "XLMRobertaForMaskedLM.from_pretrained" in (folder / "README.md").read_text()


def test_nothing_published_is_a_pickle(local_store, checkpoint):
    run = local_store.start("phase", "p")
    folder = checkpoints.fetch(local_store, checkpoints.publish(local_store, run, checkpoint))
    suffixes = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert suffixes <= {"", ".json", ".safetensors", ".md", ".txt", ".yaml"}
    assert not [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05", b"PK")
    ]


@pytest.mark.parametrize("name", ["training_args.bin", "optimizer.pt", "heads/xnli/head.pkl"])
def test_pickles_are_not_published(local_store, checkpoint, name):
    (checkpoint / name).parent.mkdir(parents=True, exist_ok=True)
    (checkpoint / name).write_bytes(b"\x80\x04.")
    run = local_store.start("phase", "p")
    with pytest.raises(XferError, match="pickle"):
        checkpoints.publish(local_store, run, checkpoint)
    assert published.of_run(local_store, run) == []


def test_links_and_other_folders_are_not_published(local_store, checkpoint, tmp_path):
    run = local_store.start("phase", "p")
    with pytest.raises(XferError, match="no config.json"):
        checkpoints.publish(local_store, run, tmp_path / "home")
    (checkpoint / "vocab.txt").symlink_to("/etc/hostname")
    with pytest.raises(XferError, match=r"vocab.txt is no plain file"):
        checkpoints.publish(local_store, run, checkpoint)


def test_publishing_again_keeps_the_same_model_and_replaces_another(store, run, checkpoint):
    first = checkpoints.publish(store, run, checkpoint)
    assert checkpoints.publish(store, run, checkpoint) == first
    (checkpoint / "config.json").write_text((checkpoint / "config.json").read_text() + " ")
    second = checkpoints.publish(store, run, checkpoint)
    assert [model.model_id for model in published.of_run(store, run)] == [second] != [first]


def test_an_interrupted_publication_is_not_used_and_not_in_the_way(store, run, checkpoint):
    """As a publisher leaves it that dies after the upload, before the model is READY."""
    half = store.client.create_logged_model(
        store.experiment_id, name="model", source_run_id=run, tags={"xfer.phase": "target"}
    )
    store.client.log_model_artifacts(half.model_id, str(checkpoint))
    assert checkpoints.damage(store, run)
    with pytest.raises(XferError, match="no finished checkpoint"):
        checkpoints.fetch(store, run)
    with pytest.raises(XferError):
        checkpoints.fetch(store, half.model_id)
    model_id = checkpoints.publish(store, run, checkpoint)
    assert [model.model_id for model in published.of_run(store, run)] == [model_id]


def test_a_ready_model_without_manifest_is_not_used(store, run, checkpoint):
    """As ``mlflow.transformers.log_model`` and other tools leave it."""
    foreign = store.client.create_logged_model(store.experiment_id, name="model", source_run_id=run)
    store.client.log_model_artifacts(foreign.model_id, str(checkpoint))
    store.client.finalize_logged_model(foreign.model_id, "READY")
    assert checkpoints.damage(store, run)
    with pytest.raises(XferError, match="manifest is gone"):
        checkpoints.fetch(store, run)


def flip(path: Path) -> None:
    """Change one byte, keep the size."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit(path: Path) -> None:
    """Make the manifest agree with a changed file."""
    weights = path.parent / "model.safetensors"
    flip(weights)
    body = json.loads(path.read_text())
    body["files"]["model.safetensors"]["sha256"] = manifest.of(path.parent)["model.safetensors"].sha256
    path.write_text(json.dumps(body))


@pytest.mark.parametrize(
    "name, change, seen_remotely",
    [
        ("model.safetensors", flip, False),
        ("model.safetensors", Path.unlink, True),
        ("manifest.json", flip, True),
        ("manifest.json", edit, True),
        ("manifest.json", Path.unlink, True),
    ],
)
def test_tampering_is_noticed(store, run, checkpoint, request, name, change, seen_remotely):
    model_id = checkpoints.publish(store, run, checkpoint)
    change(stored(store, request, model_id, name))
    if seen_remotely or store.uri.startswith("sqlite"):
        assert checkpoints.damage(store, run)
    with pytest.raises(XferError, match="not as it was published"):
        checkpoints.fetch(store, run)
    assert not [
        path for path in (home() / "checkpoints").glob("*") if path.name != model_id
    ]  # nothing half-fetched


def test_a_file_that_was_added_is_noticed_or_left_out(store, run, checkpoint, request):
    model_id = checkpoints.publish(store, run, checkpoint)
    (stored(store, request, model_id, "config.json").parent / "adapter_config.json").write_text("{}")
    if store.uri.startswith("http"):
        assert not (checkpoints.fetch(store, run) / "adapter_config.json").exists()
    else:
        with pytest.raises(XferError, match=r"adapter_config.json was added"):
            checkpoints.fetch(store, run)


def test_a_cached_copy_that_was_changed_is_fetched_again(server, checkpoint):
    from mlflow_xfer.tracking.store import Store

    with Store.open() as store:
        run = store.start("phase", "p")
        checkpoints.publish(store, run, checkpoint)
        folder = checkpoints.fetch(store, run)
        flip(folder / "model.safetensors")
        assert (checkpoints.fetch(store, run) / "model.safetensors").read_bytes() == (
            checkpoint / "model.safetensors"
        ).read_bytes()


def test_a_registered_version_leads_to_its_checkpoint(local_store, checkpoint):
    import mlflow

    run = local_store.start("phase", "p")
    model_id = checkpoints.publish(local_store, run, checkpoint)
    mlflow.register_model(f"models:/{model_id}", "xfer-best")
    local_store.client.set_registered_model_alias("xfer-best", "champion", 1)
    for reference in ("models:/xfer-best/1", "models:/xfer-best@champion"):
        assert run_of(local_store, reference) == run
        assert checkpoints.fetch(local_store, reference).is_dir()
    for unknown in ("models:/xfer-best/2", "models:/nothing/1", "runs:/x", "models:/m-" + "0" * 32):
        with pytest.raises(XferError):
            checkpoints.fetch(local_store, unknown)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "C:\\x", "..\\x", "\\\\host\\x", ""])
def test_manifests_that_lead_out_of_their_folder_are_refused(name):
    text = json.dumps({"files": {name: {"sha256": "0", "size": 1}}})
    with pytest.raises(ValueError, match="outside"):
        manifest.load(text)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"files": {"a": 1}}', '{"files": []}', '{"files": {"a": {"sha256": "x"}}}']
)
def test_malformed_manifests_are_refused(text):
    with pytest.raises(ValueError):
        manifest.load(text)


def test_manifests_list_every_file(checkpoint):
    shutil.copytree(checkpoint, checkpoint / "heads" / "xnli")
    files = manifest.of(checkpoint)
    assert "heads/xnli/config.json" in files and manifest.load(manifest.dump(files)) == files
    assert manifest.faults(checkpoint, files) == []


def test_what_a_user_logged_to_the_run_stays(store, run, checkpoint):
    """A run that a job starter opened may hold the user's own models, one called ``model`` too."""
    theirs = [
        store.client.create_logged_model(store.experiment_id, name=name, source_run_id=run)
        for name in ("model", "another")
    ]
    store.client.finalize_logged_model(theirs[0].model_id, "READY")
    published_ = [checkpoints.publish(store, run, checkpoint) for _ in range(2)]
    assert published_[0] == published_[1] and not checkpoints.damage(store, run)
    kept = store.client.search_logged_models([store.experiment_id], f"source_run_id = '{run}'")
    assert {model.model_id for model in kept} == {published_[0], *(model.model_id for model in theirs)}
    late = store.client.create_logged_model(store.experiment_id, name="model", source_run_id=run)
    store.client.finalize_logged_model(late.model_id, "READY")
    assert not checkpoints.damage(store, run), "the newest of that name is not ours"
