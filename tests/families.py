"""Tiny random models of many families, with tokenizers such as their makers publish."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

LINES = [f"the ship number {i} left the old harbour of Lima at noon, and the sea was calm" for i in range(60)]
LINES += [f"mashua namba {i} iliondoka bandarini asubuhi" for i in range(60)]

# style: special tokens, (before a text, between two, after), names of special tokens, ids of the second text
STYLES: dict[str, tuple[list[str], tuple[str, str, str], dict[str, str], bool]] = {
    "roberta": (
        ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        ("<s>", "</s> </s>", "</s>"),
        {"cls": "<s>", "sep": "</s>", "bos": "<s>", "eos": "</s>", "pad": "<pad>", "unk": "<unk>"}
        | {"mask": "<mask>"},
        False,
    ),
    "bert": (
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        ("[CLS]", "[SEP]", "[SEP]"),
        {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"},
        True,
    ),
    "llama": (
        ["<unk>", "<s>", "</s>"],
        ("<s>", "", ""),
        {"bos": "<s>", "eos": "</s>", "unk": "<unk>"},
        False,
    ),
    "gpt2": (
        ["<|endoftext|>"],
        ("", "", ""),
        dict.fromkeys(("bos", "eos", "unk"), "<|endoftext|>"),
        False,
    ),
    "qwen": (
        ["<|endoftext|>", "<|im_end|>"],
        ("", "", ""),
        {"pad": "<|endoftext|>", "eos": "<|im_end|>"},
        False,
    ),
    "gemma": (
        ["<pad>", "<eos>", "<bos>", "<unk>"],
        ("<bos>", "", ""),
        {"pad": "<pad>", "eos": "<eos>", "bos": "<bos>", "unk": "<unk>"},
        False,
    ),
    "bloom": (
        ["<unk>", "<s>", "</s>", "<pad>"],
        ("", "", ""),
        {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"},
        False,
    ),
    "eurobert": (
        ["<|begin_of_text|>", "<|end_of_text|>", "<|mask|>", "<|pad|>"],
        ("<|begin_of_text|>", "", "<|end_of_text|>"),
        {"bos": "<|begin_of_text|>", "eos": "<|end_of_text|>", "mask": "<|mask|>", "pad": "<|pad|>"},
        False,
    ),
    "mmbert": (
        ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"],
        ("<bos>", "<eos>", "<eos>"),
        {"cls": "<bos>", "sep": "<eos>", "bos": "<bos>", "eos": "<eos>", "pad": "<pad>", "unk": "<unk>"}
        | {"mask": "<mask>"},
        False,
    ),
    "t5": (
        ["<pad>", "</s>", "<unk>"],
        ("", "</s>", "</s>"),
        {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"},
        False,
    ),
    "xglm": (
        ["<s>", "<pad>", "</s>", "<unk>"],
        ("</s>", "</s>", ""),
        {"bos": "<s>", "eos": "</s>", "pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>"},
        False,
    ),
}


@cache
def _trained(style: str) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    specials, (before, between, after), names, types = STYLES[style]
    made = Tokenizer(models.BPE(unk_token=names.get("unk")))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        LINES,
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=specials, show_progress=False, initial_alphabet=alphabet
        ),
    )
    if before or after:
        second = [f"{part}:1" if types else part for part in ("$B", *after.split())]
        made.post_processor = processors.TemplateProcessing(
            single=" ".join(filter(None, (before, "$A", after))),
            pair=" ".join(filter(None, (before, "$A", between, *second))),
            special_tokens=[(token, made.token_to_id(token)) for token in specials],
        )
    return made


def make_tokenizer(style: str, **more: Any) -> Any:
    """A fast tokenizer in the manner of ``style``; ``more`` as for ``PreTrainedTokenizerFast``."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    names = {f"{name}_token": token for name, token in STYLES[style][2].items()}
    inputs = ["input_ids", *(["token_type_ids"] if STYLES[style][3] else []), "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_trained(style).to_str()),
        **{"model_input_names": inputs, **names, **more},
    )


def _sizes(draw: random.Random) -> dict[str, Any]:
    heads = draw.choice([2, 4])
    return {
        "hidden_size": heads * draw.choice([4, 8]),
        "num_hidden_layers": draw.choice([1, 2, 3]),
        "num_attention_heads": heads,
        "intermediate_size": draw.choice([24, 40]),
        "initializer_range": 0.3,  # at 0.02 a wrong mask hardly shows
    }


def _ids(tokenizer: Any) -> dict[str, Any]:
    return {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}


def _encoder(name: str, **fixed: Any) -> Callable[[random.Random, Any], Any]:
    def config(draw: random.Random, tokenizer: Any) -> Any:
        import transformers

        return getattr(transformers, f"{name}Config")(
            **{"vocab_size": len(tokenizer), "max_position_embeddings": 80}
            | _sizes(draw)
            | _ids(tokenizer)
            | fixed
        )

    return config


def _decoder(name: str, windows: bool = False, **fixed: Any) -> Callable[[random.Random, Any], Any]:
    """``windows``: with a sliding window, shorter than a row."""

    def config(draw: random.Random, tokenizer: Any) -> Any:
        import transformers

        sizes = _sizes(draw)
        sizes |= {
            "num_key_value_heads": draw.choice([1, 2]),
            "head_dim": sizes["hidden_size"] // sizes["num_attention_heads"],
            "max_position_embeddings": 80,
            "tie_word_embeddings": draw.random() < 0.5,
        }
        if windows:
            sizes |= {"sliding_window": draw.choice([4, 7])}
        return getattr(transformers, f"{name}Config")(
            **{"vocab_size": len(tokenizer)} | sizes | _ids(tokenizer) | fixed
        )

    return config


def _deberta(draw: random.Random, tokenizer: Any) -> Any:
    return _encoder(
        "DebertaV2", relative_attention=True, pos_att_type=["p2c", "c2p"], position_biased_input=False,
        position_buckets=draw.choice([8, 16]), norm_rel_ebd="layer_norm", share_att_key=True,
        type_vocab_size=0, max_relative_positions=-1,
    )(draw, tokenizer)  # fmt: skip


def _modernbert(draw: random.Random, tokenizer: Any) -> Any:
    return _encoder(
        "ModernBert", local_attention=draw.choice([4, 8]), global_attn_every_n_layers=2,
        cls_token_id=tokenizer.cls_token_id, sep_token_id=tokenizer.sep_token_id,
        num_hidden_layers=draw.choice([2, 3]), classifier_pooling=draw.choice(["cls", "mean"]),
    )(draw, tokenizer)  # fmt: skip


def _eurobert(draw: random.Random, tokenizer: Any) -> Any:
    return _encoder("EuroBert", mask_token_id=tokenizer.mask_token_id)(draw, tokenizer)


def _gpt2(draw: random.Random, tokenizer: Any) -> Any:
    import transformers

    sizes = _sizes(draw)
    return transformers.GPT2Config(
        vocab_size=len(tokenizer), n_positions=80, n_embd=sizes["hidden_size"],
        n_layer=sizes["num_hidden_layers"], n_head=sizes["num_attention_heads"], initializer_range=0.3,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip


def _xglm(draw: random.Random, tokenizer: Any) -> Any:
    import transformers

    sizes = _sizes(draw)
    return transformers.XGLMConfig(
        vocab_size=len(tokenizer), max_position_embeddings=80, d_model=sizes["hidden_size"],
        ffn_dim=sizes["intermediate_size"], num_layers=sizes["num_hidden_layers"],
        attention_heads=sizes["num_attention_heads"], init_std=0.3, **_ids(tokenizer),
    )  # fmt: skip


def _bloom(draw: random.Random, tokenizer: Any) -> Any:
    import transformers

    sizes = _sizes(draw)
    return transformers.BloomConfig(
        vocab_size=len(tokenizer), hidden_size=sizes["hidden_size"], n_layer=sizes["num_hidden_layers"],
        n_head=sizes["num_attention_heads"], initializer_range=0.3, **_ids(tokenizer),
    )  # fmt: skip


def _gemma3(draw: random.Random, tokenizer: Any) -> Any:
    return _decoder(
        "Gemma3Text", windows=True, layer_types=["sliding_attention", "full_attention"], num_hidden_layers=2,
        query_pre_attn_scalar=8,
    )(draw, tokenizer)  # fmt: skip


FAMILIES: dict[str, tuple[str, Callable[[random.Random, Any], Any]]] = {
    "XLM-R": ("roberta", _encoder("XLMRoberta", type_vocab_size=1)),
    "XLM-R-XL": ("roberta", _encoder("XLMRobertaXL", type_vocab_size=1)),
    "BERT": ("bert", _encoder("Bert")),
    "DeBERTa-v3": ("bert", _deberta),
    "ModernBERT": ("bert", _modernbert),
    "EuroBERT": ("eurobert", _eurobert),
    "LLaMA": ("llama", _decoder("Llama")),
    "Qwen3": ("qwen", _decoder("Qwen3")),
    "Gemma 3": ("gemma", _gemma3),
    "Mistral": ("llama", _decoder("Mistral", windows=True)),
    "GPT-2": ("gpt2", _gpt2),
    "XGLM": ("xglm", _xglm),
    "BLOOM": ("bloom", _bloom),
}
"""By name, the style of the tokenizer and a random small configuration."""


def make_model(family: str, folder: Path, draw: random.Random, positions: int = 80, **more: Any) -> Path:
    """A random language model of ``family`` in ``folder``; ``more`` as for the tokenizer."""
    from mlflow_xfer.models.load import save
    from mlflow_xfer.models.scratch import random_lm

    style, config = FAMILIES[family]
    tokenizer = make_tokenizer(style, **{"padding_side": draw.choice(["left", "right"]), **more})
    made = config(draw, tokenizer)
    made.max_position_embeddings = positions
    model = random_lm(made, draw.randrange(100))
    return save(model, tokenizer, folder)
