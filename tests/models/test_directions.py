"""Decoders that read both ways, and heads on one vector of a text: alone as in any batch."""

from __future__ import annotations

import random

import pytest
import torch

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import directions
from mlflow_xfer.models.checkpoint import load_task_model, save
from mlflow_xfer.models.embed import pooled
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.tasks.task import Task
from tests.families import make_model

TASK = Task("t", "classification", "accuracy", ("en",), {}, labels=("a", "b", "c"))
BOTH, ONE = "bidirectional", "causal"


@pytest.fixture(scope="module", params=["LLaMA", "Qwen3", "XLM-R"])
def folder(request, tmp_path_factory):
    return make_model(request.param, tmp_path_factory.mktemp("model"), random.Random(3))


def head_of(folder, pooling: str, attention: str | None):
    model = build(folder, [TASK.with_options(pooling=pooling)], lm=False, seed=1, attention=attention)
    return model, model.head("t").eval()


def batch(rows: list[list[int]], pad: int, left: bool) -> dict[str, torch.Tensor]:
    width = max(map(len, rows)) + 2
    fill = [[pad] * (width - len(row)) for row in rows]
    ids = [more + row if left else row + more for row, more in zip(rows, fill, strict=True)]
    pairs = list(zip(rows, fill, strict=True))
    mask = [[0] * len(m) + [1] * len(r) if left else [1] * len(r) + [0] * len(m) for r, m in pairs]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


@pytest.mark.parametrize("attention", [ONE, BOTH])
@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
def test_a_text_reads_alone_as_among_others(folder, pooling, attention):
    encoder = "xlm" in str(build(folder, [], lm=False, seed=0).config.model_type)
    if encoder and attention == BOTH:
        with pytest.raises(XferError, match="reads both ways as it is"):
            head_of(folder, pooling, attention)
        return
    if not encoder and pooling == "cls" and attention == ONE:
        with pytest.raises(XferError, match="its first token has read nothing"):
            head_of(folder, pooling, attention)
        return
    model, head = head_of(folder, pooling, attention)
    pad = load_tokenizer(folder).pad_token_id
    draw, others = random.Random(5), sorted(set(range(5, 60)) - {pad})
    rows = [[draw.choice(others) for _ in range(n)] for n in (1, 3, 9, 14)]
    with torch.no_grad():
        alone = [head(**batch([row], pad, False)).logits[0] for row in rows]
        whole = {"input_ids": torch.tensor(rows[3:]), "attention_mask": torch.ones(1, 14, dtype=torch.long)}
        bare = head(**whole).logits[0]
        for left in (False, True):
            together = head(**batch(rows, pad, left)).logits
            for mine, theirs in zip(together, alone, strict=True):
                assert torch.allclose(mine, theirs, atol=1e-5)
        assert torch.allclose(bare, alone[3], atol=1e-5), "without padding transformers makes no mask"
        changed = [*rows[3][:-1], others[0] if rows[3][-1] != others[0] else others[1]]
        states = [
            model.backbone(**batch([row], pad, False)).last_hidden_state[0, 0] for row in (rows[3], changed)
        ]
    assert ((states[0] - states[1]).abs().max() > 1e-5) == (encoder or attention == BOTH)


def test_what_is_published_reads_as_it_was_trained(folder, tmp_path):
    config = build(folder, [], lm=False, seed=0).config
    attention, pooling = (BOTH, "cls") if directions.is_decoder(config) else (ONE, "mean")
    model, head = head_of(folder, pooling, attention)
    tokenizer = load_tokenizer(folder)
    save(model, tokenizer, tmp_path / "saved")
    again = load_task_model(tmp_path / "saved", TASK).eval()
    inputs = batch([[7, 8, 9], [5]], tokenizer.pad_token_id, False)
    with torch.no_grad():
        assert torch.allclose(again(**inputs).logits, head(**inputs).logits, atol=1e-6)
    if attention == BOTH:
        assert directions.reads_both_ways(again.model.config)
        back = build(tmp_path / "saved", [], lm=False, seed=0, attention=ONE)
        assert not directions.reads_both_ways(back.config)
        options = {"choice_scoring": "likelihood"}
        likely = Task("l", "multiple_choice", "accuracy", ("en",), {}, options=options)
        with pytest.raises(XferError, match="reads from left to right"):
            build(tmp_path / "saved", [likely], lm=False, seed=0)


def test_an_architecture_that_does_not_says_so():
    from transformers import MambaConfig, MambaModel

    model = MambaModel(MambaConfig(vocab_size=40, hidden_size=16, state_size=4, num_hidden_layers=1))
    with pytest.raises(XferError, match="mamba reads from left to right all the same"):
        directions.read(model, both_ways=True)
    assert not directions.reads_both_ways(model.config)


def test_pooling_finds_the_ends_on_either_side():
    states = torch.arange(12.0).view(2, 6, 1)
    mask = torch.tensor([[0, 0, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0]])
    assert pooled(states, mask, "cls")[:, 0].tolist()[0] == 2 and pooled(states, mask, "last")[0, 0] == 4
    assert pooled(states, mask, "mean")[0, 0] == 3
