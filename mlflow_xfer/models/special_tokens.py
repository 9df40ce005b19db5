"""Special tokens of tokenizers that others published: named where nothing names them, left out where the
model has no embedding for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "pad": ("<pad>", "[PAD]", "<|pad|>", "<|padding|>"),
    "unk": ("<unk>", "[UNK]"),
    "mask": ("<mask>", "[MASK]", "<|mask|>"),
    "cls": ("[CLS]", "<s>"),
    "sep": ("[SEP]", "</s>"),
}
"""How tokens are spelled that no configuration numbers."""

NUMBERED = ("pad", "bos", "eos")
"""Tokens whose ids stand in a model's configuration."""


def from_json(path: Path, config: Mapping[str, Any]) -> Any:
    """The tokenizer of a ``tokenizer.json`` that stands alone: its special tokens are those that the model's
    configuration numbers, and others that are spelled as such.

    transformers would build the tokenizer that it knows for the architecture instead, which may be another.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer.from_file(str(path / "tokenizer.json"))
    special = {token.content for token in made.get_added_tokens_decoder().values() if token.special}
    names = {
        name: spelled
        for name, spellings in SPELLINGS.items()
        if (spelled := next((one for one in spellings if one in special), None))
    }
    for name in NUMBERED:
        number = config.get(f"{name}_token_id")
        number = number[0] if isinstance(number, list) and number else number
        token = made.id_to_token(number) if isinstance(number, int) and number >= 0 else None
        if token is not None:
            names[name] = token
    return PreTrainedTokenizerFast(
        tokenizer_object=made, **{f"{name}_token": token for name, token in names.items()}
    )


def drop_markup(tokenizer: Any, size: int) -> None:
    """Have special tokens beyond the ``size`` embeddings of a model read as the signs they are spelled with.

    Tokenizers of text models name tokens of images, and a pad token may have been added without an embedding.
    """
    from tokenizers import Tokenizer

    beyond = {
        i: str(token) for i, token in tokenizer.added_tokens_decoder.items() if token.special and i >= size
    }
    if not beyond:
        return
    for name in tokenizer.SPECIAL_TOKENS_ATTRIBUTES:
        if getattr(tokenizer, name, None) in beyond.values():
            setattr(tokenizer, name, None)
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["added_tokens"] = [one for one in state["added_tokens"] if one["id"] not in beyond]
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state))
