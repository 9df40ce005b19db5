"""Models from nothing: their sizes, and random weights that depend on a seed alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import load_config, load_tokenizer, quiet, save
from mlflow_xfer.registry import unknown

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

ARCHITECTURES = ("xlm-roberta", "llama")
SIZES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # hidden, layers, heads, feed-forward, initializer range, vocabulary of a tokenizer trained for it
        "tiny": {"hidden": 32, "layers": 2, "heads": 2, "inner": 64, "std": 0.04, "vocab_size": 1000},
        "mini": {"hidden": 128, "layers": 2, "heads": 4, "inner": 256, "std": 0.04, "vocab_size": 5000},
        # beside mini: its depth and vocabulary, so that nothing but the width differs
        **{
            f"mini-{hidden}": {
                "hidden": hidden,
                "layers": 2,
                "heads": 4,
                "inner": 2 * hidden,
                "std": 0.04,
                "vocab_size": 5000,
            }
            for hidden in (32, 64, 192, 256)
        },
        "small": {"hidden": 256, "layers": 4, "heads": 4, "inner": 1024, "std": 0.02, "vocab_size": 16000},
    }
)
POSITIONS = 512


def parse_scratch(name: str) -> tuple[str, str]:
    """(architecture, size) of ``scratch:<architecture>:<size>``; raises :class:`XferError` for another."""
    parts = name.split(":")
    if len(parts) != 3 or parts[0] != "scratch":
        raise XferError(
            f"Model {name!r} is not of the form scratch:<{'|'.join(ARCHITECTURES)}>:<{'|'.join(SIZES)}>."
        )
    if parts[1] not in ARCHITECTURES:
        raise unknown("architecture", parts[1], ARCHITECTURES)
    if parts[2] not in SIZES:
        raise unknown("size", parts[2], SIZES)
    return parts[1], parts[2]


def scratch_config(architecture: str, size: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    """The configuration of a model from nothing; dropout 0.1 is for fine-tuning (see
    ``Settings.dropout``)."""
    from transformers import LlamaConfig, XLMRobertaConfig

    row = SIZES[size]
    shared = {
        "vocab_size": len(tokenizer),
        "hidden_size": row["hidden"],
        "num_hidden_layers": row["layers"],
        "num_attention_heads": row["heads"],
        "intermediate_size": row["inner"],
        "initializer_range": row["std"],
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if architecture == "llama":
        return LlamaConfig(**shared, max_position_embeddings=POSITIONS, tie_word_embeddings=True)
    # Position ids begin after pad_token_id.
    longest = POSITIONS + cast("int", tokenizer.pad_token_id) + 1
    return XLMRobertaConfig(**shared, max_position_embeddings=longest, type_vocab_size=1)


def build_scratch(
    architecture: str, size: str, tokenizer: PreTrainedTokenizerFast, seed: int
) -> PreTrainedModel:
    """A language model with random weights that depend on ``seed`` alone."""
    return random_lm(scratch_config(architecture, size, tokenizer), seed)


def random_lm(config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    """A language model of ``config`` with random weights; the global random state is left as it was."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    kind = AutoModelForCausalLM if is_decoder(config) else AutoModelForMaskedLM
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind.from_config(config).float()


def randomised(path: Path | str, destination: Path | str, seed: int) -> Path:
    """A control: a model of the config and tokenizer at ``path``, with random weights,
    saved at ``destination``."""
    model, tokenizer = random_lm(load_config(path), seed), load_tokenizer(path)
    return save(model, tokenizer, destination)
