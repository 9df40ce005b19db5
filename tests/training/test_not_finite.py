"""A training whose loss or weights are not finite ends with its step and learning rate, and leaves none."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_world import PAIRS, POS, SENTIMENT, rows, texts

from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.tasks.task import Mixture
from mlflow_xfer.training import loop
from mlflow_xfer.training.parts import LanguageModelPart, NotFinite, Part
from mlflow_xfer.training.trainer import CHECKPOINT, train

WILD = TrainingSettings(max_steps=6, train_batch_size=8, max_seq_length=32, learning_rate=1e30)


def part(task):
    return Part(task, rows(task, "en", 40), {"en": rows(task, "en", 8, 1)})


PARTS = {
    "classification": [part(SENTIMENT)],
    "tagging": [part(POS)],
    "language model": [LanguageModelPart({"en": texts("en", 100)})],
    "several tasks": [part(PAIRS), part(POS)],
}


def diverges(model, parts, work, settings=WILD) -> str:
    mixture = Mixture(tuple(one.name for one in parts)) if len(parts) > 1 else None
    with pytest.raises(NotFinite) as caught:
        train(model, parts, mixture, settings, work)
    assert caught.value.exit_code == 2 and not (work / CHECKPOINT).exists()
    return str(caught.value)


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_too_high_a_learning_rate(any_model, tmp_path, parts):
    said = diverges(any_model, parts, tmp_path)
    assert "diverged" in said and "learning_rate=1e+30" in said and "of 6" in said


@pytest.mark.parametrize("select_by", ["dev", "last", "average"])
def test_weights_that_only_the_last_step_spoilt(encoder, tmp_path, select_by):
    """The first step warms up and the loss of the second is one of good weights: none shows it."""
    said = diverges(
        encoder, [part(POS)], tmp_path, WILD.model_copy(update={"max_steps": 2, "select_by": select_by})
    )
    assert "after step 2 of 2" in said


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [1, 4, 6])
def test_a_single_loss_that_is_not_finite(encoder, tmp_path, monkeypatch, value, at):
    usual, calls = loop.Loop._loss, []

    def spoilt(self, *args):
        calls.append(1)
        return usual(self, *args) + (value if len(calls) == at else 0.0)

    monkeypatch.setattr(loop.Loop, "_loss", spoilt)
    said = diverges(encoder, [part(POS)], tmp_path, WILD.model_copy(update={"learning_rate": 1e-5}))
    assert f"train/loss is {torch.tensor(value).item()} at step {at} of 6" in said


def test_a_high_finite_loss_is_no_divergence(encoder, tmp_path, monkeypatch):
    usual = loop.Loop._loss
    monkeypatch.setattr(loop.Loop, "_loss", lambda self, *args: usual(self, *args) + 1e30)
    done = train(encoder, [part(POS)], None, WILD.model_copy(update={"learning_rate": 1e-5}), tmp_path)
    assert done.metrics["train/loss"] >= 1e30
