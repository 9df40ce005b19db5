"""What is asked of Trainer: how the rate rises and falls."""

from __future__ import annotations

import pytest
import torch
from tiny_world import POS, rows
from transformers import AutoModel, get_scheduler

from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.training.arguments import arguments
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.trainer import train


def rates(folder, total, ratio):
    """The rate of each step."""
    made = arguments(
        TrainingSettings(warmup_ratio=ratio, learning_rate=1.0), torch.device("cpu"), folder, total, True, 0
    )
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(made.lr_scheduler_type, optimizer, made.warmup_steps, made.max_steps)
    found = []
    for _ in range(total):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("ratio", [0.0, 0.06, 0.1, 0.5, 1.0])
def test_some_step_of_every_training_has_a_rate(tmp_path, ratio):
    assert rates(tmp_path, 1, ratio) == [1.0]
    for total in (2, 3, 10):
        found = rates(tmp_path, total, ratio)
        assert max(found) >= 0.5 and found.count(0.0) == (ratio > 0)


def test_a_training_of_one_step_moves_weights(encoder, tmp_path):
    settings = TrainingSettings(max_steps=1, train_batch_size=16, max_seq_length=64, learning_rate=2e-3)
    done = train(encoder, [Part(POS, rows(POS, "en", 40), {})], None, settings, tmp_path)
    before, after = (AutoModel.from_pretrained(at).state_dict() for at in (encoder, done.directory))
    layers = [name for name in before if ".layer." in name]
    assert done.steps == 1 and any(not torch.equal(before[name], after[name]) for name in layers)
