"""How large models are, by their configuration alone: no weight is read, and nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_xfer.models.scratch import POSITIONS, SIZES, parse_scratch

_XLMR = {
    "model_type": "xlm-roberta",
    "vocab_size": 250_002,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
}
_BERT = {"model_type": "bert", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
         "intermediate_size": 3072}  # fmt: skip
_LLAMA = {"model_type": "llama", "vocab_size": 32_000}


def _encoder(hidden: int, layers: int, heads: int) -> dict[str, int]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
    }


def _decoder(hidden: int, layers: int, heads: int, inner: int, shared: int | None = None) -> dict[str, int]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared or heads,
        "intermediate_size": inner,
    }


CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    "xlm-roberta-base": _XLMR | _encoder(768, 12, 12),
    "xlm-roberta-large": _XLMR | _encoder(1024, 24, 16),
    "xlm-roberta-xl": _XLMR
    | {"model_type": "xlm-roberta-xl", "vocab_size": 250_880}
    | _encoder(2560, 36, 32),
    "bert-base-multilingual-cased": _BERT | {"vocab_size": 119_547},
    "bert-base-cased": _BERT | {"vocab_size": 28_996},
    "bert-base-uncased": _BERT | {"vocab_size": 30_522},
    "roberta-base": _XLMR | {"model_type": "roberta", "vocab_size": 50_265} | _encoder(768, 12, 12),
    "roberta-large": _XLMR | {"model_type": "roberta", "vocab_size": 50_265} | _encoder(1024, 24, 16),
    "mdeberta-v3-base": {"model_type": "deberta-v2", "vocab_size": 251_000} | _encoder(768, 12, 12),
    "llama-7b": _LLAMA | _decoder(4096, 32, 32, 11_008),
    "llama-13b": _LLAMA | _decoder(5120, 40, 40, 13_824),
    "llama-30b": _LLAMA | _decoder(6656, 60, 52, 17_920),
    "llama-65b": _LLAMA | _decoder(8192, 80, 64, 22_016),
    "llama-2-7b": _LLAMA | _decoder(4096, 32, 32, 11_008),
    "llama-2-13b": _LLAMA | _decoder(5120, 40, 40, 13_824),
    "llama-2-70b": _LLAMA | _decoder(8192, 80, 64, 28_672, 8),
    "llama-3-8b": _LLAMA | {"vocab_size": 128_256} | _decoder(4096, 32, 32, 14_336, 8),
    "mistral-7b": _LLAMA | {"model_type": "mistral"} | _decoder(4096, 32, 32, 14_336, 8),
}
"""Configurations that need no network, by the name that ids on the hub end with; what they leave out is their
architecture's default or costs nothing."""


@dataclass(frozen=True)
class Shape:
    """What decides what a model costs.

    Attributes:
        parameters: of the backbone, in all.
        multiplied: those of its matrices that every token is multiplied with.
        vocabulary: rows of its embedding.
        states: numbers that a layer keeps of a token for the backward pass, besides attention.
        decoder: whether it reads from left to right.
    """

    parameters: float
    multiplied: float
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    states: float
    decoder: bool


def known(reference: str) -> Mapping[str, Any] | None:
    """The configuration of a model on the hub that is known by its name."""
    name = reference.rpartition("/")[2].lower().removesuffix("-hf").removeprefix("meta-")
    return CONFIGURATIONS.get(name)


def of_scratch(reference: str) -> Shape:
    """The shape of ``scratch:<architecture>:<size>``, with the vocabulary of a tokenizer trained for it."""
    architecture, size = parse_scratch(reference)
    row: Any = SIZES[size]
    matrices = 3 if architecture == "llama" else 2
    layer = 4 * row["hidden"] ** 2 + matrices * row["hidden"] * row["inner"]
    positions = 0 if architecture == "llama" else POSITIONS
    return Shape(
        (row["vocab_size"] + positions) * row["hidden"] + row["layers"] * layer,
        row["layers"] * layer,
        row["vocab_size"],
        row["hidden"],
        row["layers"],
        row["heads"],
        _states(row["hidden"], row["inner"], matrices == 3),
        architecture == "llama",
    )


def of_configuration(raw: Mapping[str, Any]) -> Shape:
    """The shape of a model by its ``config.json``, built without memory for a weight.

    Raises:
        Exception: whatever transformers raises for a configuration that it cannot build.
    """
    import torch
    from torch import nn
    from transformers import AutoConfig, AutoModel

    from mlflow_xfer.models.limits import is_decoder
    from mlflow_xfer.models.load import quiet

    given = {name: value for name, value in raw.items() if name != "model_type"}
    config = AutoConfig.for_model(raw["model_type"], **given).get_text_config()
    with quiet(), torch.device("meta"):
        model = AutoModel.from_config(config)
    rows = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    parameters = list(model.parameters())
    multiplied = sum(p.numel() for p in parameters if p.dim() > 1 and id(p) not in rows)
    if getattr(model, "pooler", None) is not None:  # seen once a text
        multiplied -= sum(p.numel() for p in model.pooler.parameters() if p.dim() > 1)
    hidden, layers = config.hidden_size, config.num_hidden_layers
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    heads = config.num_attention_heads
    shared = getattr(config, "num_key_value_heads", None) or heads
    width = getattr(config, "head_dim", None) or hidden // heads
    attention = 2 * hidden * width * (heads + shared)
    gated = multiplied / layers - attention > 2.5 * hidden * inner
    return Shape(
        sum(p.numel() for p in parameters),
        multiplied,
        config.vocab_size,
        hidden,
        layers,
        heads,
        _states(hidden, inner, gated),
        is_decoder(config),
    )


def _states(hidden: int, inner: int, gated: bool) -> float:
    """What the backward pass needs of a token in a layer: of attention its input, queries, keys, values, its
    answer and what norms and dropout read; of the feed-forward network what goes into and out of its
    activation, where it is gated also of the gate. Measured; Korthikanti et al. 2022 count about as much."""
    return 10.75 * hidden + (4 if gated else 2) * inner
