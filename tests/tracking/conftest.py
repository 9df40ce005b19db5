"""One server for the session, tiny checkpoints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_xfer.tracking.store import Store
from tests.server import Server


@pytest.fixture(autouse=True)
def migrated(own_store, monkeypatch):
    """The test's own database, ready to use; a store that does not answer fails a test soon."""
    monkeypatch.setenv("XFER_SERVER_PATIENCE", "20")


@pytest.fixture(scope="session")
def running_server(tmp_path_factory, blank_store):
    server = Server(tmp_path_factory.mktemp("server"), blank_store)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(running_server, monkeypatch) -> Server:
    """The session's server, made the active store; each test opens an experiment of its own name."""
    if running_server.process.poll() is not None:
        running_server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", running_server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test-{os.urandom(4).hex()}")
    return running_server


@pytest.fixture(params=["sqlite", "server"])
def store(request):
    """An open store; every test that uses it runs on SQLite and on a server."""
    if request.param == "server":
        request.getfixturevalue("server")
    with Store.open() as opened:
        yield opened


@pytest.fixture
def local_store():
    with Store.open() as opened:
        yield opened


@pytest.fixture(scope="session")
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: n for n, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "a", "b", "c", "d"])}
    fast = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, unk_token="<unk>", pad_token="<pad>", cls_token="<s>", sep_token="</s>"
    )


@pytest.fixture(scope="session")
def checkpoints_folder(tmp_path_factory, tokenizer) -> Path:
    """Tiny checkpoints as training writes them: ``classification``, ``tagging`` and ``lm``."""
    import torch
    from transformers import (
        XLMRobertaConfig,
        XLMRobertaForMaskedLM,
        XLMRobertaForSequenceClassification,
        XLMRobertaForTokenClassification,
    )

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoints")
    labels = {0: "no", 1: "yes"}
    config = XLMRobertaConfig(
        vocab_size=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=40,
        pad_token_id=1,
        id2label=labels,
        label2id={v: k for k, v in labels.items()},
    )
    for name, architecture in {
        "classification": XLMRobertaForSequenceClassification,
        "tagging": XLMRobertaForTokenClassification,
        "lm": XLMRobertaForMaskedLM,
    }.items():
        architecture(config).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


@pytest.fixture
def checkpoint(checkpoints_folder, tmp_path) -> Path:
    """A private copy of the classification checkpoint."""
    return Path(shutil.copytree(checkpoints_folder / "classification", tmp_path / "checkpoint"))


@pytest.fixture
def python():
    """Runs a piece of Python in a process of its own, with this test's environment."""
    started: list[subprocess.Popen] = []

    def run(code: str, *arguments: str) -> subprocess.Popen:
        root = str(Path(__file__).resolve().parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
