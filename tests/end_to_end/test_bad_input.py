"""Bad input ends in one clear error before anything is trained: exit code 2, no run left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mlflow_xfer
from mlflow_xfer import listing
from mlflow_xfer.errors import XferError
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER

TASK = """
tasks:
  fruit:
    kind: classification
    labels: [good, bad]
    format: tsv
    columns: {{text_a: 0, label: 1}}
    files:
      train: {train}
      validation: dev.tsv
      test: {{en: test-en.tsv, de: test-de.tsv}}
"""
ROWS = "apple\tgood\nstone\tbad\n" * 4


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tasks.yaml").write_text(TASK.format(train="train.tsv"))
    for name in ("train", "dev", "test-en", "test-de"):
        (tmp_path / f"{name}.tsv").write_text(ROWS)
    return tmp_path


def refused(**typed) -> str:
    with pytest.raises(XferError) as caught:
        mlflow_xfer.transfer(
            **{"model": ENCODER, "text": TEXTS, "intermediate": "none", "target": "fruit"} | typed
        )
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_malformed_files_are_named_with_their_lines_all_at_once(folder, all_runs):
    (folder / "train.tsv").write_text(ROWS + "no label here\n")
    (folder / "test-de.tsv").write_text(ROWS + "pear\tugly\n")
    (folder / "dev.tsv").write_text("")
    text = refused(task_file=str(folder / "tasks.yaml"))
    assert "3 problems" in text and "train.tsv:9" in text
    assert "test-de.tsv:9" in text and "'ugly'" in text and "good" in text and "dev.tsv" in text
    assert not all_runs()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("test-en", "apple\nstone\n", "label"),
        ("test-en", "apple\tgood\nstone\tgood\n" * 40, "good"),
        ("train", "apple\t\nstone\t\n", "label"),
    ],
)
def test_stripped_and_constant_labels_are_refused(folder, all_runs, name, content, says):
    (folder / f"{name}.tsv").write_text(content)
    text = refused(task_file=str(folder / "tasks.yaml"))
    assert f"{name}.tsv" in text and says in text and not all_runs()


def test_missing_files_tasks_and_models(folder, all_runs):
    (folder / "train.tsv").unlink()
    text = refused(
        task_file=str(folder / "tasks.yaml"), intermediate="nlii", model="/nowhere/at/all", languages="de,qqq"
    )
    assert (
        "train.tsv" in text and "Did you mean 'nli'" in text and "/nowhere/at/all" in text and "'qqq'" in text
    )
    assert not all_runs()


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path, all_runs):
    from transformers import BartConfig, BartModel

    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    BartModel(BartConfig(vocab_size=20, d_model=8, **layers, **heads)).save_pretrained(tmp_path / "bart")
    text = refused(model=str(tmp_path / "bart"), text="none", target="pos")
    assert "bart" in text and "xlm-roberta" in text and not all_runs()


def test_pickled_weights_are_refused(tmp_path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "xlm-roberta"}')
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert "ickled" in refused(model=str(folder), text="none", target="pos")


def test_a_read_only_artifact_store_is_refused(tmp_path, monkeypatch, client):
    store = tmp_path / "artifacts"
    store.write_text("a file where the folder should be: not even root can write below it")
    client.create_experiment("blocked", artifact_location=f"file://{store}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "blocked")
    assert "artifacts" in refused(target="pos")


def test_a_folder_without_the_task_says_what_it_looked_for(tmp_path):
    shutil.rmtree(tmp_path / "empty", ignore_errors=True)
    Path(tmp_path / "empty").mkdir()
    text = refused(data=str(tmp_path / "empty"), target="xnli")
    assert "xnli" in text and "no training data" in text


def test_parameters_of_the_generator_all_at_once(all_runs):
    said = refused(model="scratch:xlm-roberta:big", languages="en,klingon", target="chioce,pos")
    assert all(
        part in said
        for part in (
            "3 problems",
            "Unknown size 'big'",
            "mini, mini-192, mini-256, mini-32, mini-64, small, tiny",
            "'klingon'",
            "'chioce'",
            "Did you mean 'choice'",
        )
    )
    assert (
        "has no text in hi" in (said := refused(target="pos", text="mini", text_languages="en,hi"))
        and "eu" in said
    )
    with pytest.raises(XferError, match=r"(?s)skill 'polarty'.*polarity"):
        listing.tasks(skill="polarty")
    assert "coherence" in listing.tasks(skill="cause") and "roles" not in listing.tasks(skill="cause")
    with pytest.raises(XferError, match=r"(?s)domain 'legall'.*legal"):
        listing.tasks(domain="legall")
    legal = listing.tasks(domain="legal")
    assert "casehold" in legal and "contractnli" in legal and "bc5cdr" not in legal and "2 with hub?" in legal
    assert "helps: holds, choice, choice_both" in listing.tasks("attribute")
    assert not all_runs()
