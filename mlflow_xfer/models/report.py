"""Whether a model's weights are those of its files: what loading found missing or in excess, judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError

TRACES = (
    "position_ids",
    "inv_freq",
    "attn.bias",
    "attn.masked_bias",
    "embed_positions.weights",
    "_extra_state",
)
"""Endings of names of buffers that earlier versions of transformers saved."""

WRAPPERS = {
    "module.": "a wrapper of parallel training (model.module is the model)",
    "_orig_mod.": "torch.compile (model._orig_mod is the model)",
    "base_model.model.": "an adapter (merge_and_unload gives the model)",
    "model.": "a class that held it in training",
}
"""What puts a prefix before the names of weights."""


def judge(
    model: Any, report: Mapping[str, Collection[Any]], saved: Collection[str], path: Path, head: bool
) -> None:
    """Raise :class:`XferError` where weights of ``model`` are not in the files at ``path``, or of another
    shape, or the files hold weights that it has no place for.

    A pooler and weights of other heads say nothing of the model; nor does a head that is missing, unless it
    is what the model is loaded for.

    Args:
        found: transformers' report of loading.
        saved: names of the weights in the files.
        head: whether the model is loaded for its head.
    """
    prefix = model.base_model_prefix + "."
    backbone = getattr(model, model.base_model_prefix, model)
    parts = {name.split(".")[0] for name, _ in backbone.named_parameters()} - {"pooler"}

    def of_backbone(name: str) -> bool:
        return name.removeprefix(prefix).split(".")[0] in parts and not name.endswith(TRACES)

    other = sorted(report["mismatched_keys"])
    if other:
        name, there, wanted = other[0]
        more = f" … ({len(other)} such weights)" if len(other) > 1 else ""
        raise XferError(
            f"The weights at {path} cannot be loaded: {name} has the shape {_shape(there)}, by config.json "
            f"it would be {_shape(wanted)}{more}.",
            "config.json and weights belong to different models, or one of them was changed alone "
            "(vocab_size, max_position_embeddings): save them anew.",
        )
    missing = sorted(name for name in report["missing_keys"] if head or of_backbone(name))
    if missing:
        raise XferError(
            f"{path} lacks weights of its {type(model).__name__}: {_some(missing)}.",
            _remedy(missing, saved, prefix),
        )
    excess = sorted(name for name in report["unexpected_keys"] if of_backbone(name))
    if excess:
        raise XferError(
            f"{path} holds weights that a {type(model).__name__} of its config.json has no place for: "
            f"{_some(excess)}.",
            "config.json and weights belong to different models, or layers were left out: save them anew.",
        )


def _shape(sizes: Collection[int]) -> str:
    return " x ".join(map(str, sizes))


def _some(names: Collection[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:3]) + (f" … ({len(shown)} in all)" if len(shown) > 3 else "")


def _remedy(missing: Collection[str], saved: Collection[str], prefix: str) -> str:
    """What to do about names that stand in the files behind a prefix, or not at all."""
    for name in missing:
        for wanted in (name, name.removeprefix(prefix)):
            longer = next((one for one in saved if one.endswith(wanted) and one != wanted), None)
            if longer is not None:
                before = longer.removesuffix(wanted)
                known = (said for start, said in WRAPPERS.items() if before.startswith(start))
                why = next(known, "a class that held it")
                return f"In the files their names begin with {before!r}, from {why}. Save it without."
    return "They would be random. Save the model anew, or take the checkpoint that it comes from."
