"""A decoder's head answers of a text among others what transformers says of the text alone."""

from __future__ import annotations

import random

import pytest
import torch
from datasets import Dataset
from tokenizers import processors
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from mlflow_xfer.models import last_token
from mlflow_xfer.models.checkpoint import heads_of
from mlflow_xfer.training.predict import Options, encoded_for, outputs, reading_of
from tests.families import make_model

TEXTS = [
    "the ship",
    "the ship number 3 left the old harbour of Lima at noon",
    "a",
    "sea </s>",
    "",
    "</s> </s>",
]

# pad token of the tokenizer, pad id of the configuration
PADS = {
    "none": (None, None),
    "another in the configuration": ("</s>", 0),
    "of the tokenizer alone": ("</s>", None),
    "the last token in both": ("</s>", 2),
    "of the configuration alone": (None, 0),
    "one without embedding": (None, -1),
}


def published(family: str, folder, pad: int | None, ends: bool, **more):
    """A head as its maker leaves it, with a tokenizer that puts </s> after a text if it ``ends``."""
    made = make_model(family, folder / "base", random.Random(3), **more)
    config = {"num_labels": 40, "id2label": {i: f"L{i}" for i in range(40)}, "pad_token_id": pad}
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(made, **config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, 0, 0.4)
    model.save_pretrained(folder / "head")
    tokenizer = AutoTokenizer.from_pretrained(made)
    if ends:
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    tokenizer.save_pretrained(folder / "head")
    return folder / "head"


def difference(folder) -> float:
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer, task = AutoTokenizer.from_pretrained(folder), heads_of(folder)[""]
    texts = [text for text in TEXTS if tokenizer(text)["input_ids"]]
    with torch.no_grad():
        alone = torch.cat([plain(**tokenizer(text, return_tensors="pt")).logits for text in texts])
    split = Dataset.from_list([{"text_a": text, "text_b": None} for text in texts])
    with Options(max_seq_length=64).opened(folder, task) as (model, read):
        encoded = encoded_for(model, read, task, {"x": split}, 64)["x"]
        together = torch.zeros_like(alone)
        for rows, output in outputs(model, task, encoded, reading_of(model, read), 8192):
            together[rows] = output.logits
    return float((alone - together).abs().max())


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("case", PADS)
def test_a_head_of_others_answers_as_of_a_text_alone(case, ends, tmp_path):
    token, pad = PADS[case]
    assert difference(published("LLaMA", tmp_path, pad, ends, pad_token=token)) < 1e-4


@pytest.mark.parametrize("family", ["GPT-2", "BLOOM", "Qwen3", "Mistral"])
def test_architectures_with_code_of_their_own_do_too(family, tmp_path):
    assert difference(published(family, tmp_path, None, ends=False)) < 1e-4


def test_encoders_are_left_alone():
    from mlflow_xfer.models.scratch import build_scratch
    from tests.families import make_tokenizer

    model = build_scratch("xlm-roberta", "tiny", make_tokenizer("roberta"), 0)
    last_token.read_as_alone(model)
    assert not model._forward_pre_hooks and model.config.pad_token_id == 1
