"""Rows of the embedding that no training text holds cost nothing, and end as if they had been trained."""

from __future__ import annotations

import pytest
import torch
from tiny_world import PAIRS, POS, SENTIMENT, rows, texts

from mlflow_xfer.models.heads import build
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture
from mlflow_xfer.training.devices import threads
from mlflow_xfer.training.parts import LanguageModelPart, Part
from mlflow_xfer.training.read_rows import rows_read, why_whole
from mlflow_xfer.training.trainer import Training

SETTINGS = TrainingSettings(
    train_batch_size=8, max_seq_length=64, learning_rate=1e-3, max_grad_norm=0.5, evaluations=3
)


def part(task, n=120):
    return Part(task, rows(task, "en", n), {"de": rows(task, "de", 20, 1)})


def training(model, work, parts, log=lambda metrics, step: None, **settings):
    mixture = Mixture(tuple(one.name for one in parts if isinstance(one, Part)))
    chosen = SETTINGS.model_copy(update=settings)
    return Training(model, parts, mixture, chosen, RuntimeOptions(save_every_steps=50), work, log)


def trained(model, work, parts, whole, fused=True, **settings):
    """(weights, figures, the loop) of a training, of all rows of the embedding or of those that are read."""
    seen = []
    one = training(model, work, parts, lambda metrics, step: seen.append((step, dict(metrics))), **settings)
    loop = one.loop(whole_embedding=whole)
    if not fused:
        loop.args.optim = "adamw_torch"
    with threads(1):
        loop.run()
        if one.settings.select_by == "average":
            loop.load_average()
        elif one.settings.select_by != "last":
            loop.load_best()
    return {name: tensor.clone() for name, tensor in one.model.tensors().items()}, seen, loop


def assert_equal(model, folder, parts, **settings):
    ours, figures, loop = trained(model, folder / "read", parts, False, **settings)
    theirs, expected, plain = trained(model, folder / "whole", parts, True, **settings)
    assert loop.read_rows is not None and plain.read_rows is None
    assert len(loop.read_rows.rows) < 0.75 * len(loop.read_rows.all)
    assert figures == expected
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    return loop


def test_the_weights_are_those_of_a_training_of_all_rows(any_model, tmp_path):
    loop = assert_equal(any_model, tmp_path, [part(SENTIMENT), part(POS)], max_steps=40, weight_decay=0.1)
    states = [value["exp_avg"].shape for value in loop.optimizer.state.values()]
    assert loop.read_rows.read.shape in states and loop.read_rows.all.shape not in states
    before = build(any_model, [SENTIMENT, POS], False, 0).backbone.get_input_embeddings().weight
    unread = torch.ones(len(before), dtype=torch.bool)
    unread[loop.read_rows.rows] = False
    assert not torch.equal(before[unread], loop.read_rows.all[unread])  # decayed, and the comparison can fail


def test_the_average_of_weights_is_that_of_a_training_of_all_rows(encoder, tmp_path):
    assert_equal(encoder, tmp_path, [part(PAIRS, 64)], select_by="average", weight_decay=0.1)


@pytest.mark.slow
def test_an_interrupted_training_goes_on_with_the_same_rows(encoder, tmp_path):
    parts = [part(SENTIMENT)]
    expected, figures, _ = trained(encoder, tmp_path / "whole", parts, True, max_steps=40, weight_decay=0.1)

    class Enough(Exception):
        exit_code = 75

    def stop(metrics, step):
        if step >= 17:
            raise Enough

    settings = {"max_steps": 40, "weight_decay": 0.1}
    with threads(1), pytest.raises(Enough):
        training(encoder, tmp_path / "read", parts, stop, **settings).loop().run()
    resumed, again, loop = trained(encoder, tmp_path / "read", parts, False, **settings)
    assert again[-1] == figures[-1] and again[1][0] > 17
    assert [name for name in expected if not torch.equal(expected[name], resumed[name])] == []
    with pytest.raises(ValueError, match="other rows"):
        training(encoder, tmp_path / "read", parts, **settings).loop(whole_embedding=True).run()


@pytest.mark.slow
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01, 0.1])
def test_after_300_steps_every_bit_is_the_same(encoder, tmp_path, weight_decay, fused):
    settings = {"max_steps": 300, "train_batch_size": 4, "weight_decay": weight_decay, "fused": fused}
    assert_equal(encoder, tmp_path, [part(SENTIMENT), part(PAIRS)], **settings)


def test_rows_count_over_all_tasks_and_special_tokens(encoder, tmp_path):
    one, both = (training(encoder, tmp_path, parts) for parts in ([part(POS)], [part(POS), part(SENTIMENT)]))
    size = one.model.backbone.get_input_embeddings().num_embeddings
    few, many = (set(rows_read(t.data, t.tokenizer, size).tolist()) for t in (one, both))
    assert few < many and set(one.tokenizer.all_special_ids) <= few


def test_all_rows_are_trained_where_the_loss_reaches_them(encoder, tmp_path):
    lm = LanguageModelPart({"en": texts("en", 50)})
    mixed = training(encoder, tmp_path, [part(POS), lm])
    few = rows_read(mixed.data, mixed.tokenizer, 300)[:20]
    assert "language model" in why_whole(mixed.model, few) and mixed.loop().read_rows is None
    plain = build(encoder, [POS], False, 0)
    embedding = plain.backbone.get_input_embeddings()
    assert why_whole(plain, few) == ""
    assert "most" in why_whole(plain, rows_read(mixed.data, mixed.tokenizer, 10**6)[[0] * 290])
    embedding.max_norm = 1.0
    assert "max_norm" in why_whole(plain, few)
    embedding.max_norm = None
    plain.head("pos").classifier.weight = embedding.weight
    assert "tied" in why_whole(plain, few)
