"""Whether a configuration is of an architecture that is read, and says so in both places where it does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import files
from mlflow_xfer.models.limits import ENCODERS_OF, UNREADABLE

ALIKE = frozenset({"camembert", "roberta", "xlm-roberta"})
"""Architectures that are one under several names."""


def check(path: Path, raw: Mapping[str, Any]) -> None:
    """Raise :class:`XferError` for ``raw``, the configuration at ``path``, if it is of no text encoder or
    decoder, or names a class of another architecture."""
    _refuse_other_kinds(path, raw["model_type"], raw)
    named = next(iter(raw.get("architectures") or ()), None)
    types = _types().get(named, ()) if isinstance(named, str) else ()
    mine = ALIKE if raw["model_type"] in ALIKE else {raw["model_type"]}
    if types and not mine & set(types):
        raise XferError(
            f"{path / files.CONFIG} says model_type {raw['model_type']}, and {named}, which is of "
            f"{' or '.join(sorted(types))}: read as the wrong one, weights that fit give wrong states.",
            "Write the one that the weights were trained as, in both places (model_type, architectures).",
        )


@cache
def _types() -> Mapping[str, frozenset[str]]:
    """By name of a class of transformers, the architectures that it is of."""
    from transformers.models.auto import modeling_auto

    found: dict[str, set[str]] = defaultdict(set)
    for name, table in vars(modeling_auto).items():
        for model_type, classes in table.items() if name.endswith("_MAPPING_NAMES") else ():
            for one in [classes] if isinstance(classes, str) else classes:
                found[one].add(model_type)
    return {name: frozenset(types) for name, types in found.items()}


def _refuse_other_kinds(path: Path, model_type: str, raw: Mapping[str, Any]) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES as SEQ2SEQ

    if model_type in ENCODERS_OF:
        return
    if raw.get("is_encoder_decoder") or (model_type in SEQ2SEQ and model_type not in CAUSAL):
        kind = "an encoder-decoder"
    elif model_type in UNREADABLE:
        kind = f"which {UNREADABLE[model_type]}"
    elif model_type in MASKED or model_type in CAUSAL:
        return
    else:
        kind = "no text encoder or decoder"
    raise XferError(
        f"{path} is of architecture {model_type!r}, {kind}.",
        "Accepted: encoders such as xlm-roberta or bert, and decoders such as llama.",
    )
