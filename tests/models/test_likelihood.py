"""Choices scored by a decoder's own likelihood:
the figures by hand, without training, and what is refused.
"""

from __future__ import annotations

import pytest
import torch
from datasets import Dataset

from mlflow_xfer.data.encode import encode
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.multiple_choice.model import choices
from mlflow_xfer.models.checkpoint import load_task_model, save
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import load_lm, load_tokenizer
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import reading
from mlflow_xfer.training.predict import predict

MC = Task(
    name="mc",
    kind="multiple_choice",
    metric="accuracy",
    languages=("en",),
    sources={},
    options={"choice_scoring": "likelihood"},
)
ROWS = Dataset.from_list(
    [
        {
            "id": "0",
            "context": "the quick fox",
            "question": "jumps over",
            "choices": ["the dog", "a lazy dog", "fox"],
            "label": 0,
        },
        {"id": "1", "context": "", "question": "", "choices": ["the dog", "quick"], "label": 1},
    ]
)


@pytest.fixture(scope="module")
def decoder(any_model):
    if "llama" not in str(any_model):
        pytest.skip("encoders have no likelihood of a text")
    return any_model


def by_hand(folder, prompt: str, choice: str) -> float:
    """Mean log-probability of the choice's tokens, one by one."""
    tokenizer, lm = load_tokenizer(folder), load_lm(folder).eval()
    text = f"{prompt} {choice}".strip()
    ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
    before = 1 + len(tokenizer(prompt, add_special_tokens=False)["input_ids"]) if prompt else 1
    with torch.no_grad():
        scores = torch.log_softmax(lm(torch.tensor([ids])).logits[0], -1)
    found = [float(scores[at - 1, ids[at]]) for at in range(before, len(ids))]
    return sum(found) / len(found)


def test_a_choice_scores_the_mean_log_probability_of_its_tokens(decoder):
    model, tokenizer = build(decoder, [MC], False, 0).eval(), load_tokenizer(decoder)
    encoded = encode(ROWS, MC, tokenizer, 64, decoder=True, cached=False)
    inputs = choices(encoded, [0, 1], reading(tokenizer, model.config, True))
    with torch.no_grad():
        logits = model.head("mc")(**inputs).logits
    wanted = [
        [by_hand(decoder, "the quick fox jumps over", c) for c in ROWS[0]["choices"]],
        [by_hand(decoder, "", c) for c in ROWS[1]["choices"]],
    ]
    assert logits[0].tolist() == pytest.approx(wanted[0], abs=1e-4) and logits[
        1, :2
    ].tolist() == pytest.approx(wanted[1], abs=1e-4)
    best = [max(range(len(row)), key=row.__getitem__) for row in wanted]
    assert predict(decoder, MC, {"en": ROWS})["en"] == best  # straight from the base: nothing was trained


def test_a_prompt_too_long_loses_its_beginning_never_the_choice(decoder):
    long = Dataset.from_list(
        [
            {
                "id": "0",
                "context": "the quick fox " * 40,
                "question": "",
                "choices": ["the lazy dog", "fox"],
                "label": 0,
            }
        ]
    )
    encoded = encode(long, MC, load_tokenizer(decoder), 16, decoder=True, cached=False)
    scored, owner = encoded.token_column("token_scored", 0), encoded.token_column("token_choice", 0)
    assert len(encoded.row(0)) == 32 and [scored[owner == n].sum() for n in (0, 1)] == [
        len(load_tokenizer(decoder)(c, add_special_tokens=False)["input_ids"])
        for c in ("the lazy dog", "fox")
    ]
    assert encoded.counts["truncated"] == 1  # examples, not choices


def test_a_trained_one_is_published_and_loaded(decoder, tmp_path):
    model, tokenizer = build(decoder, [MC], False, 0), load_tokenizer(decoder)
    with torch.no_grad():
        model.backbone.get_input_embeddings().weight.mul_(1.5)
    save(model, tokenizer, tmp_path / "saved")
    loaded = load_task_model(tmp_path / "saved", MC).eval()
    inputs = choices(
        encode(ROWS, MC, tokenizer, 64, decoder=True, cached=False),
        [0, 1],
        reading(tokenizer, model.config, True),
    )
    with torch.no_grad():
        assert torch.allclose(loaded(**inputs).logits, model.eval().head("mc")(**inputs).logits, atol=1e-5)


def test_encoders_are_refused(any_model):
    if "llama" not in str(any_model):
        with pytest.raises(XferError, match="needs a decoder"):
            build(any_model, [MC], False, 0)
    else:
        assert (
            build(any_model, [MC.with_options(choice_scoring="head")], False, 0).head("mc").score.out_features
            == 1
        )
