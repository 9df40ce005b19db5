"""What a model reads and how, from its configuration and its tokenizer: the one place that says so.

How many tokens, which of them have an embedding, what pads a row, and which segment ids tell two texts apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_xfer.errors import XferError

AFTER_PAD = frozenset(
    {
        "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta",
        "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
    }
)  # fmt: skip
"""Architectures whose position ids begin after the pad id."""

POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len")
"""What configurations call the number of positions."""

SHORTEST = 8
"""Tokens of a row below which nothing is encoded."""

PROMPT = "xfer_prompt_length"
"""Name in a head's configuration: how many vectors are read before each text (``models/prompt.py``)."""

ENCODERS_OF = frozenset({"mt5", "t5", "umt5"})
"""Architectures of encoder-decoders whose encoder is read alone; it has no head of transformers'."""

BOTH_WAYS = frozenset({"bert-generation", "xlnet"})
"""Architectures that transformers lists as causal language models and that read both ways."""

UNREADABLE = {
    "convbert": "lets padding change what is read of a text",
    "fnet": "lets padding change what is read of a text",
    "funnel": "lets padding change what is read of a text",
    "mobilebert": "lets padding change what is read of a text",
    "mra": "reads each token by itself where its kernel is not installed",
    "nystromformer": "lets padding change what is read of a text",
    "yoso": "draws at random what is read of a text",
    "xmod": "wants the language of each text",
}
"""Architectures whose answers would not be those of the text, and of nothing else."""

ANY_SEGMENTS = frozenset({"xlnet"})
"""Architectures that read segment ids without a table of them; without any they compare none."""

ONE_PAIR = ("a", "1", "。", "的")
"""Texts of which a tokenizer knows at least one."""


def is_decoder(config: Any) -> bool:
    """Whether models of ``config`` read from left to right only."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

    # Encoders such as XLM-R stand in both tables (they can be run as decoders); then the configuration
    # decides.
    if config.model_type not in CAUSAL or getattr(config, "use_bidirectional_attention", None):
        return False
    either = config.model_type in MASKED or config.model_type in BOTH_WAYS
    return not either or bool(getattr(config, "is_decoder", False))


def longest(config: Mapping[str, Any]) -> int | None:
    """The most tokens of a row, special tokens included, for a configuration as a mapping; None: not said."""
    text = config.get("text_config")
    config = {**config, **text} if isinstance(text, Mapping) else config
    positions = next((config[name] for name in POSITIONS if isinstance(config.get(name), int)), None)
    if positions is None or positions < 1:
        return None
    return positions - first_position(config) - (config.get(PROMPT) or 0)


def first_position(config: Mapping[str, Any]) -> int:
    """The position id of a row's first token."""
    if config.get("model_type") not in AFTER_PAD:
        return 0
    pad = 1 if config["model_type"] == "mpnet" else config.get("pad_token_id", 1)  # mpnet's is fixed
    return (pad if isinstance(pad, int) else 1) + 1


def pad_id(config: Any, tokenizer: Any) -> int:
    """The id that fills rows up: one that has an embedding; the mask hides it, so any would do."""
    asked = (tokenizer.pad_token_id, config.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id)
    return next((one for one in asked if isinstance(one, int) and 0 <= one < config.vocab_size), 0)


def without_embedding(config: Any, tokenizer: Any) -> list[str]:
    """Tokens that texts may hold and the model has no embedding for; special tokens among them are no tokens
    to a tokenizer that was loaded beside the model, but for those that it puts around a text."""
    markup = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    around = tokenizer.convert_ids_to_tokens(tokenizer(ONE_PAIR[0], ONE_PAIR[0])["input_ids"])
    beyond = {token: i for token, i in tokenizer.get_vocab().items() if i >= config.vocab_size}
    return sorted(beyond.keys() - (markup - set(around)), key=beyond.__getitem__)


def check_vocabulary(config: Any, tokenizer: Any) -> None:
    """Raise :class:`XferError` for a tokenizer that makes tokens the model with ``config`` cannot read."""
    lacking = without_embedding(config, tokenizer)
    if lacking:
        shown = ", ".join(lacking[:5]) + (" …" if len(lacking) > 5 else "")
        raise XferError(
            f"The tokenizer has {len(tokenizer)} tokens, the model embeddings for {config.vocab_size}: none "
            f"for {shown}.",
            "They do not belong together; or tokens were added: then make embeddings for them with "
            "model.resize_token_embeddings(len(tokenizer)), train and save the model.",
        )


def check_size(max_seq_length: int, most: int | None) -> None:
    """Raise :class:`XferError` as :func:`check_length`, and where rows hold no text to speak of."""
    if most is not None and most < SHORTEST:
        raise XferError(
            f"The model reads at most {most} tokens: no room for a text.",
            f"Take one with at least {SHORTEST} positions beside those of a prompt.",
        )
    if max_seq_length < SHORTEST:
        raise XferError(
            f"max_seq_length={max_seq_length} leaves no room for a text.", f"Use at least {SHORTEST}."
        )
    check_length(max_seq_length, most)


def check_length(max_seq_length: int, most: int | None) -> None:
    """Raise :class:`XferError` for rows that are longer than what a model reads at most."""
    if most is not None and max_seq_length > most:
        raise XferError(
            f"max_seq_length={max_seq_length}, but the model reads at most {most} tokens.",
            f"Use {most} or less, or auto.",
        )


def check_language_model(config: Any, tokenizer: Any) -> None:
    """Raise :class:`XferError` where raw text cannot train the model with ``config``."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

    if is_decoder(config):
        return
    if config.model_type not in MASKED:
        raise XferError(f"transformers has no language model for architecture {config.model_type!r}.")
    if tokenizer.mask_token_id is None:
        raise XferError("Masked language modelling needs a tokenizer with a mask token.")


def check_ids(ids: np.ndarray, vocabulary: int) -> None:
    """Raise :class:`XferError` where ``ids`` of a batch hold one without an embedding."""
    if ids.size and int(ids.max()) >= vocabulary:
        raise XferError(
            f"A text holds token {int(ids.max())}, but the model has only {vocabulary} embeddings.",
            "The tokenizer knows a token that the model does not; take it out of the texts.",
        )


def agree(model: Any, tokenizer: Any) -> None:
    """Leave the pad id in the configuration of a decoder and the heads that are trained on it: transformers'
    heads find the last token of a text by it. Encoders keep theirs, from which some count positions."""
    if not is_decoder(model.config):
        return
    pad = pad_id(model.config, tokenizer)
    for part in model.modules():
        if hasattr(part, "config"):
            part.config.pad_token_id = pad


def check_room(tokenizer: Any, max_seq_length: int) -> None:
    """Raise :class:`XferError` where special tokens leave a pair of texts less than a token each."""
    special = tokenizer.num_special_tokens_to_add(pair=True)
    if max_seq_length < special + 2:
        raise XferError(
            f"max_seq_length={max_seq_length} leaves no room for two texts beside {special} special tokens.",
            f"Use at least {special + 2}.",
        )


@dataclass(frozen=True)
class Segments:
    """Segment ids as a tokenizer gives them: of what stands before a text, of the text, and of what follows.

    Attributes:
        single: (before, text, after) of a text alone.
        pair: (before, first text, between, second text, after) of two.
    """

    single: tuple[tuple[int, ...], int, tuple[int, ...]] = ((), 0, ())
    pair: tuple[tuple[int, ...], int, tuple[int, ...], int, tuple[int, ...]] = ((), 0, (), 1, ())

    def of(self, length: int, second: int) -> np.ndarray:
        """The ids of a row of ``length`` tokens whose second text begins at ``second`` (at its end: none)."""
        if second >= length:
            before, text, after = self.single
            segments = np.full(length, text, np.int64)
        else:
            before, text, between, other, after = self.pair
            segments = np.full(length, text, np.int64)
            segments[second:] = other
            segments[second - len(between) : second] = between
        segments[: len(before)] = before
        if after:
            segments[-len(after) :] = after
        return segments


def segments(config: Any, tokenizer: Any) -> Segments | None:
    """The segment ids that a model with ``config`` reads; None where separators alone tell texts apart.

    A tokenizer that gives none stands for zeros, as in transformers.
    """
    compared = config.model_type in ANY_SEGMENTS
    if not compared and (getattr(config, "type_vocab_size", 0) or 0) < 2:
        return None
    if "token_type_ids" not in tokenizer.model_input_names:
        return None if compared else Segments(pair=((), 0, (), 0, ()))
    for text in ONE_PAIR:
        alone, both = tokenizer([text]).encodings[0], tokenizer([text], [text]).encodings[0]
        if 0 in alone.sequence_ids and {0, 1} <= set(both.sequence_ids):
            before, own, after = _parts(alone, (0,))
            return Segments((before, own, after), _parts(both, (0, 1)))
    return Segments()


def _parts(encoding: Any, texts: Sequence[int]) -> tuple[Any, ...]:
    """By turns the ids before a text and the id of the text, then those after the last."""
    types, owners = encoding.type_ids, encoding.sequence_ids
    pieces: list[Any] = []
    at = 0
    for text in texts:
        begin = owners.index(text)
        end = len(owners) - owners[::-1].index(text)
        pieces += [tuple(types[at:begin]), types[begin]]
        at = end
    return (*pieces, tuple(types[at:]))
