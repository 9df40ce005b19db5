"""Trains a subword tokenizer that is the same in every process.

Byte-pair encoding (Sennrich et al. 2016) over bytes: unlike the Unigram trainer it gives equal
results in equal runs, and unlike a character alphabet it has no unknown script. Words are cut at
blanks, punctuation and digits only (GPT-2's pattern would also cut before combining marks, hence
inside Hindi or Thai words), and every word begins with its blank, so that words tokenised one by
one give the pieces they have in running text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

BOS, PAD, EOS, UNK, MASK = "<s>", "<pad>", "</s>", "<unk>", "<mask>"
ENCODER_SPECIALS = (BOS, PAD, EOS, UNK, MASK)  # the first four with XLM-R's ids 0-3
DECODER_SPECIALS = (BOS, PAD, EOS, UNK)
WORD = r" ?\p{N}+| ?[^\s\p{P}\p{S}\p{N}]+| ?[\p{P}\p{S}]|\s+"
SMALL = 8192
"""Below this size only bytes that occur get a place: 256 places would cost a small vocabulary its words."""


def train_tokenizer(texts: Iterable[str], vocab_size: int, architecture: str) -> PreTrainedTokenizerFast:
    """A fast tokenizer trained on ``texts``; deterministic, saved and loaded by ``AutoTokenizer``.

    Args:
        texts: raw texts, read once.
        vocab_size: size of the vocabulary, special tokens included; smaller where the texts do not fill it.
        architecture: ``xlm-roberta`` (``<s> a </s></s> b </s>``, with ``<mask>``) or
            ``llama`` (``<s> a </s> b </s>``).
    """
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    decoder = architecture == "llama"
    specials = DECODER_SPECIALS if decoder else ENCODER_SPECIALS
    tokenizer = Tokenizer(models.BPE(unk_token=UNK))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Strip(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Prepend(" "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(specials),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if vocab_size >= SMALL else [],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in (BOS, EOS)]
    pair = f"{BOS} $A {EOS} $B {EOS}" if decoder else f"{BOS} $A {EOS} {EOS} $B {EOS}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}", pair=pair, special_tokens=ids
    )
    return _wrapped(tokenizer, decoder)


def _wrapped(tokenizer: Tokenizer, decoder: bool) -> PreTrainedTokenizerFast:
    """The transformers tokenizer around ``tokenizer``; pads on the right, as
    pooling of the last token expects."""
    from transformers import PreTrainedTokenizerFast

    names = {"bos_token": BOS, "pad_token": PAD, "eos_token": EOS, "unk_token": UNK}
    if not decoder:
        names |= {"mask_token": MASK, "cls_token": BOS, "sep_token": EOS}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        padding_side="right",
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **names,
    )


def digest(tokenizer: PreTrainedTokenizerFast) -> str:
    """sha256 of what a fast tokenizer does to a text, whatever it was asked to pad or cut before."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    for name in ("truncation", "padding"):
        state.pop(name, None)
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
