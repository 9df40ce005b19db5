"""The trained tokenizer is the same in every process, knows every script, and loads with AutoTokenizer."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tiny_texts import TEXTS

from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.models.tokenizer import digest, train_tokenizer

CODE = """
import random
from mlflow_xfer.models.tokenizer import digest, train_tokenizer
draw = random.Random(0)
texts = [
    " ".join("".join(draw.choices("abcdeäöüहिदी", k=draw.randrange(1, 8))) for _ in range(12))
    for _ in range(400)
]
print(digest(train_tokenizer(iter(texts), 600, "xlm-roberta")))
"""


def test_every_process_trains_the_same_tokenizer():
    found = set()
    for seed, threads in (("0", "false"), ("1", "true"), ("2", "true")):
        environment = {
            "PYTHONHASHSEED": seed,
            "TOKENIZERS_PARALLELISM": threads,
            "PYTHONPATH": ":".join(sys.path),
        }
        found.add(
            subprocess.run(
                [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
            ).stdout
        )
    assert len(found) == 1 and len(found.pop().strip()) == 64


@pytest.mark.parametrize("architecture", ["xlm-roberta", "llama"])
def test_a_saved_tokenizer_loads_and_encodes_the_same(architecture, tmp_path):
    tokenizer = train_tokenizer(TEXTS, 200, architecture)
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert digest(again) == digest(tokenizer)
    assert again(TEXTS, TEXTS[::-1])["input_ids"] == tokenizer(TEXTS, TEXTS[::-1])["input_ids"]
    assert (again.padding_side, again.pad_token_id) == ("right", 1)


def test_special_tokens_are_where_xlm_r_has_them():
    tokenizer = train_tokenizer(TEXTS, 200, "xlm-roberta")
    assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>"]) == [0, 1, 2, 3]
    ids = tokenizer("fox", "dog")["input_ids"]
    assert ids[0] == 0 and ids.count(2) == 3 and tokenizer.mask_token_id is not None
    decoder = train_tokenizer(TEXTS, 200, "llama")
    assert decoder("fox", "dog")["input_ids"].count(2) == 2 and decoder.mask_token is None


def test_every_text_comes_back():
    tokenizer = train_tokenizer(TEXTS, 8300, "xlm-roberta")  # all bytes have a place at this size
    for text in (*TEXTS, "ሰላም ¿dónde? 🦊", "ความสุข"):
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_combining_marks_do_not_end_a_word():
    tokenizer = train_tokenizer(["हिन्दी में"] * 50, 8300, "xlm-roberta")
    assert len(tokenizer("हिन्दी", add_special_tokens=False)["input_ids"]) == 1


def test_a_digest_does_not_depend_on_earlier_calls():
    tokenizer = train_tokenizer(TEXTS, 200, "xlm-roberta")
    before = digest(tokenizer)
    tokenizer(TEXTS, truncation=True, max_length=5, padding="max_length")
    assert digest(tokenizer) == before
