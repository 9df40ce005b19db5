"""Batches: no attention across documents, exact denominators, the same parts as the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_world import POS, SENTIMENT, rows, texts

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import IGNORED
from mlflow_xfer.data.packing import Masking, Packer
from mlflow_xfer.models.attention import masked_inputs
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import load_lm, load_tokenizer
from mlflow_xfer.training.batches import lm_batch, packed_batch, padded, reading, task_batch
from mlflow_xfer.training.devices import half_norms
from mlflow_xfer.training.lm import TEXT
from mlflow_xfer.training.micro_batches import parts


@pytest.fixture
def world(any_model):
    """(model directory, tokenizer, language model, how it reads, encoded texts)."""
    tokenizer, lm = load_tokenizer(any_model), load_lm(any_model).eval()
    decoder = "llama" in str(any_model)
    encoded = encode(texts("en", 60), TEXT, tokenizer, 64, decoder=decoder)
    return any_model, tokenizer, lm, reading(tokenizer, lm.config, decoder), encoded


def masking(tokenizer, decoder):
    return (
        None
        if decoder
        else Masking(tokenizer.mask_token_id, len(tokenizer), tuple(tokenizer.all_special_ids))
    )


def test_a_packed_document_reads_as_it_would_alone(world):
    """The mask is block-diagonal and positions begin anew: else hidden states would differ."""
    _, _, lm, how, encoded = world
    packer = Packer({"en": encoded}, 64, 1.0, 0)
    batch = lm_batch(packer, range(3), how, None, 0, 0)
    backbone = getattr(lm, lm.base_model_prefix)
    with torch.no_grad():
        together = backbone(**masked_inputs(batch["inputs"], backbone)).last_hidden_state
        document = batch["inputs"]["document"]
        assert document.max() > 1
        for r in range(3):
            for number, (_, row) in enumerate(packer.row(r), 1):
                alone = backbone(**padded(encoded, [row], how)).last_hidden_state[0]
                assert torch.allclose(together[r][document[r] == number], alone, atol=1e-5)


def test_a_change_in_one_document_changes_no_other(world):
    _, _, lm, how, encoded = world
    packer = Packer({"en": encoded}, 64, 1.0, 0)
    arrays = packer.batch(range(1))
    backbone = getattr(lm, lm.base_model_prefix)

    def states(arrays):
        batch = packed_batch(arrays, how, None, 0, 0)
        with torch.no_grad():
            return backbone(**masked_inputs(batch["inputs"], backbone)).last_hidden_state[0]

    before, mine = states(arrays), arrays["document"][0] == 1
    changed = {**arrays, "tokens": np.where(arrays["document"] == 1, 7, arrays["tokens"])}
    after = states(changed)
    assert not torch.allclose(before[mine], after[mine]) and torch.equal(before[~mine], after[~mine])


def test_padding_changes_nothing_and_gives_numbers(world):
    _, _, lm, how, encoded = world
    backbone = getattr(lm, lm.base_model_prefix)
    short = int(np.argmin(encoded.lengths))
    long = int(np.argmax(encoded.lengths))
    with torch.no_grad():
        both = backbone(**padded(encoded, [short, long], how)).last_hidden_state[0]
        alone = backbone(**padded(encoded, [short], how)).last_hidden_state[0]
    assert torch.allclose(both[: len(alone)], alone, atol=1e-5) and both.isfinite().all()


def test_targets_are_asked_at_their_positions(world):
    _, tokenizer, _, how, encoded = world
    packer = Packer({"en": encoded}, 64, 1.0, 0)
    batch = lm_batch(packer, range(4), how, masking(tokenizer, how.decoder), 0, 5)
    flat = batch["inputs"]["input_ids"].flatten()
    at, labels = batch["targets"]["positions"], batch["targets"]["labels"]
    assert batch["count"] == len(at) == len(labels)
    if how.decoder:
        assert torch.equal(flat[at + 1], labels)
    else:
        original = torch.from_numpy(packer.batch(range(4))["tokens"]).flatten()
        assert (
            torch.equal(original[at], labels) and (flat[at] == tokenizer.mask_token_id).float().mean() > 0.6
        )


def test_a_step_of_language_modelling_is_pure(world):
    _, tokenizer, _, how, encoded = world
    one, other = (
        lm_batch(Packer({"en": encoded}, 64, 1.0, 0), range(4), how, masking(tokenizer, how.decoder), 0, step)
        for step in (5, 5)
    )
    assert torch.equal(one["inputs"]["input_ids"], other["inputs"]["input_ids"])


@pytest.mark.parametrize("task", [SENTIMENT, POS])
def test_denominators_and_tokens_are_those_of_the_batch(any_model, task):
    tokenizer = load_tokenizer(any_model)
    lm = load_lm(any_model)
    decoder = "llama" in str(any_model)
    encoded = encode(rows(task, "en", 20), task, tokenizer, 64, decoder=decoder)
    batch = task_batch(task.name, task.kind, encoded, list(range(7)), reading(tokenizer, lm.config, decoder))
    assert batch["tokens"] == encoded.lengths[:7].sum()
    assert batch["count"] == (7 if task is SENTIMENT else int((batch["targets"]["labels"] != IGNORED).sum()))
    assert batch["count"] == 7 if task is SENTIMENT else batch["count"] == 28


@pytest.mark.parametrize("task", [SENTIMENT, POS, None])
def test_micro_batches_sum_to_the_batch(any_model, task):
    tokenizer = load_tokenizer(any_model)
    model = build(any_model, [t for t in (task,) if t], task is None, 0).eval()
    how = reading(tokenizer, model.config, model.decoder)
    if task is None:
        encoded = encode(texts("en", 60), TEXT, tokenizer, 64)
        batch = lm_batch(
            Packer({"en": encoded}, 64, 1.0, 0), range(5), how, masking(tokenizer, model.decoder), 0, 0
        )
    else:
        encoded = encode(rows(task, "en", 20), task, tokenizer, 64, decoder=model.decoder)
        batch = task_batch(task.name, task.kind, encoded, list(range(5)), how)
    with torch.no_grad():
        losses = {
            size: sum(
                model(batch["task"], part["targets"], batch["count"], **part["inputs"])
                for part in parts(batch, size)
            )
            for size in (0, 2, 3, 9)
        }
    assert all(torch.allclose(loss, losses[0], atol=1e-5) for loss in losses.values()) and losses[0] > 0


def test_half_precision_norms_are_close_and_leave_no_trace(any_model):
    tokenizer = load_tokenizer(any_model)
    model = build(any_model, [SENTIMENT], False, 0).eval()
    batch = tokenizer(["a dog runs"], return_tensors="pt")
    before = [type(module) for module in model.modules()]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        plain = model.backbone(**batch).last_hidden_state
        with half_norms(model, True):
            half = model.backbone(**batch).last_hidden_state
    assert [type(module) for module in model.modules()] == before
    assert torch.allclose(plain.float(), half.float(), atol=0.1)
    assert model.decoder or not torch.equal(plain.float(), half.float())
