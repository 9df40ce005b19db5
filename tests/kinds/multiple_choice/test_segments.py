"""Choices are read with the segment ids that transformers gives them."""

from __future__ import annotations

import json

import pytest
import torch

import mlflow_xfer
from tests.families import make_tokenizer

ROWS = [
    {"context": f"the {a} left the harbour", "question": asked, "choices": choices}
    for a in ("ship", "sea", "noon", "Lima")
    for asked in ("because", "at noon")
    for choices in (["it was old", "the sea was calm at noon"], ["calm", "it", "the old ship of Lima", "sea"])
]


def model_of(name: str, tokenizer, **more):
    import transformers

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = getattr(transformers, f"{name}Config")(
        vocab_size=len(tokenizer), max_position_embeddings=64, initializer_range=0.4, **sizes, **more
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}ForMultipleChoice")(config).eval()
    segments = getattr(model, model.base_model_prefix).embeddings.token_type_embeddings
    segments.weight.data.mul_(4)
    return model


def theirs(model, tokenizer, row, *, segments=True) -> int:
    asked = " ".join(filter(None, (row["context"], row["question"])))
    inputs = tokenizer([asked] * len(row["choices"]), row["choices"], padding=True, return_tensors="pt")
    if not segments:
        inputs.pop("token_type_ids", None)
    with torch.no_grad():
        return int(model(**{name: value[None] for name, value in inputs.items()}).logits.argmax())


@pytest.mark.parametrize(
    ("name", "more", "style"),
    [
        ("Bert", {}, "bert"),
        ("Electra", {"embedding_size": 16}, "bert"),
        ("Bert", {"type_vocab_size": 4}, "roberta"),
        ("XLMRoberta", {"type_vocab_size": 1, "pad_token_id": 1}, "roberta"),
    ],
)
def test_predictions_are_those_of_transformers(name, more, style, tmp_path):
    """Of a tokenizer that gives segment ids, and of one that gives none."""
    tokenizer = make_tokenizer(style)
    model = model_of(name, tokenizer, **more)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    found = mlflow_xfer.predict(str(tmp_path / "model"), tmp_path / "rows.jsonl")
    ours = [row["prediction"] for row in found]
    wanted = [theirs(model, tokenizer, row) for row in ROWS]
    said = [
        answer if isinstance(answer, int) else row["choices"].index(answer)
        for answer, row in zip(ours, ROWS, strict=True)
    ]
    assert said == wanted
    if style == "bert":
        assert wanted != [theirs(model, tokenizer, row, segments=False) for row in ROWS]
