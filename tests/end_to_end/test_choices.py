"""XCOPA through `evaluate` on a decoder that was never trained on it, and through the chain."""

from __future__ import annotations

import json

import pytest

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.load import save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer


@pytest.fixture
def folder(tmp_path) -> str:
    home = tmp_path / "download" / "xcopa"
    home.mkdir(parents=True)
    for name in ("train-en", "val-en", "test-en", "test-th"):
        rows = [
            {
                "premise": f"the dog number {n} ran",
                "choice1": "it saw a cat",
                "choice2": "it was a stone",
                "question": "effect" if "th" in name else "cause",
                "label": n % 2,
                "idx": n,
            }
            for n in range(12)
        ]
        (home / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path / "download")


def model(architecture: str, tmp_path) -> str:
    tokenizer = train_tokenizer(
        ["the dog number ran it saw a cat was a stone What was the cause ? 0 1 2 3 4 5 6 7 8 9"] * 3,
        120,
        architecture,
    )
    return str(save(build_scratch(architecture, "tiny", tokenizer, 0), tokenizer, tmp_path / architecture))


def test_likelihood_needs_no_training_and_can_be_trained(folder, tmp_path):
    base = model("llama", tmp_path)
    zero = mlflow_xfer.evaluate(
        model=base, data=folder, target="xcopa", suite="xtreme-r", choice_scoring="likelihood"
    )
    assert 0 <= zero.metrics["eval/xcopa/th"] <= 100 and len(zero.made) == 1
    trained = mlflow_xfer.transfer(
        model=base,
        data=folder,
        target="xcopa",
        intermediate="none",
        suite="xtreme-r",
        choice_scoring="likelihood",
        max_steps=2,
        train_batch_size=4,
    )
    assert 0 <= trained.metrics["selected/xcopa"] <= 100 and len(trained.made) == 2
    with pytest.raises(XferError, match="no head for task 'xcopa'"):
        mlflow_xfer.evaluate(model=base, data=folder, target="xcopa", suite="xtreme-r")


def test_an_encoder_is_refused_before_any_training(folder, tmp_path):
    with pytest.raises(XferError, match="likelihood needs a decoder") as caught:
        mlflow_xfer.transfer(
            model=model("xlm-roberta", tmp_path),
            data=folder,
            target="xcopa",
            intermediate="none",
            suite="xtreme-r",
            choice_scoring="likelihood",
        )
    assert caught.value.exit_code == 2
