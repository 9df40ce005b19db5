"""Merging: one set of weights from several models that began as the same one.

``average`` (Wortsman et al. 2022, uniform soup), ``task_arithmetic`` (Ilharco et al. 2023: base + λ
Σ (model - base)) and ``ties`` (Yadav et al. 2023: trim each task vector to its largest entries,
elect a sign for each weight, mean of the entries of that sign). Only what the models share is
merged, backbone and LM head; task heads stay behind.

Sums are made in float64 over sorted terms, so that the order of the models does not
change a bit of the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.registry import unknown

if TYPE_CHECKING:
    from torch import Tensor

    from mlflow_xfer.models.heads import MultiTaskModel

METHODS = ("average", "task_arithmetic", "ties")
WITH_BASE = ("task_arithmetic", "ties")
DENSITY = 0.2
"""Share of each task vector that TIES keeps where nothing is tuned (Yadav et al. 2023 §4)."""

CHUNK = 2**22  # weights of each model that are merged at once
OF_A_TASK = (
    "architectures", "id2label", "label2id", "num_labels", "problem_type", "transformers_version", "dtype",
    "torch_dtype", "_name_or_path",
)  # fmt: skip


def auto_weight(method: str, n: int) -> float:
    """λ where nothing is tuned: 1 for TIES (Yadav et al. 2023 §4); 1/n, hence the
    average, for task arithmetic.

    Ilharco et al. tune λ on validation data; a constant such as their 0.4 adds up with the number of tasks.
    """
    return 1.0 if method == "ties" else 1.0 / n


def merge(
    models: Sequence[Mapping[str, Tensor]],
    base: Mapping[str, Tensor] | None = None,
    method: str = "average",
    weights: Sequence[float] | None = None,
    density: float = DENSITY,
) -> dict[str, Tensor]:
    """Merged weights, by name; each in the type it had. What is no floating-point
    number must be the same in all.

    Args:
        models: weights by name, the same names and shapes in each.
        base: what all began as; needed by ``task_arithmetic`` and ``ties``.
        weights: λ of each model (for ``ties`` only equal ones make sense: its mean is over models); none: see
            :func:`auto_weight`.
        density: TIES keeps this share of each task vector, by magnitude over all its weights.

    Raises:
        XferError: unknown method, no model, no base where one is needed, other names, shapes or types.
    """
    if method not in METHODS:
        raise unknown("merge method", method, METHODS)
    if not models:
        raise XferError("Nothing to merge.", "Give at least one model.")
    if method in WITH_BASE and base is None:
        raise XferError(
            f"merge_method={method} needs the weights that the models began with.",
            "Give the base, or merge_method=average.",
        )
    if not 0 < density <= 1:
        raise XferError(f"merge_density={density} is not accepted.", "Accepted: above 0, at most 1.")
    given = list(weights) if weights is not None else [auto_weight(method, len(models))] * len(models)
    if len(given) != len(models):
        raise XferError(f"{len(given)} weights for {len(models)} models.")
    _check_same([*models, *([base] if base is not None else [])])
    limits = (
        [_limit(model, base, density) for model in models] if method == "ties" and base is not None else []
    )
    return {name: _merged(name, models, base, method, given, limits) for name in models[0]}


def _check_same(models: Sequence[Mapping[str, Tensor]]) -> None:
    import torch

    first, problems = models[0], Problems()
    for other in models[1:]:
        names = sorted(set(first) ^ set(other))
        if names:
            problems.add(
                f"The models to merge have different weights: "
                f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''} in some only.",
                "Merge models of one architecture.",
            )
        for name in first.keys() & other.keys():
            one, two = first[name], other[name]
            if one.shape != two.shape:
                problems.add(
                    f"The models to merge differ in the shape of {name}: "
                    f"{tuple(one.shape)} and {tuple(two.shape)}.",
                    "Merge models of one size and one vocabulary.",
                )
            elif not one.is_floating_point() and not torch.equal(one, two):
                problems.add(f"The models to merge differ in {name}, which holds no weights to merge.")
    problems.raise_if_any()


def _limit(model: Mapping[str, Tensor], base: Mapping[str, Tensor], density: float) -> float:
    """The smallest magnitude that is kept of the task vector ``model - base``."""
    import torch

    sizes = torch.cat(
        [
            (part.double() - start.double()).abs().float()
            for name in model
            if model[name].is_floating_point()
            for part, start in zip(_chunks(model[name]), _chunks(base[name]), strict=True)
        ]
    )
    kept = max(1, int(density * sizes.numel()))
    return float(sizes.kthvalue(sizes.numel() - kept + 1).values)


def _chunks(tensor: Tensor) -> Iterator[Tensor]:
    yield from tensor.reshape(-1).split(CHUNK)


def _merged(
    name: str,
    models: Sequence[Mapping[str, Tensor]],
    base: Mapping[str, Tensor] | None,
    method: str,
    weights: Sequence[float],
    limits: Sequence[float],
) -> Tensor:
    import torch

    like = models[0][name]
    if not like.is_floating_point():
        return like.clone()
    parts = []
    starts = _chunks(base[name]) if base is not None else iter([None] * -(-like.numel() // CHUNK))
    for start, *pieces in zip(starts, *(_chunks(model[name]) for model in models), strict=True):
        values = torch.stack([piece.double() for piece in pieces])
        if method == "average":
            made = _sum(values) / len(models)
        elif method == "task_arithmetic":
            made = _arithmetic(values, start.double(), weights)
        else:
            made = _ties(values, start.double(), weights, limits)
        parts.append(made.to(like.dtype))
    return torch.cat(parts).reshape(like.shape) if parts else like.clone()


def _sum(values: Tensor) -> Tensor:
    """The sum over the first dimension, whatever the order of its rows."""
    return values.sort(dim=0).values.sum(dim=0)


def _arithmetic(values: Tensor, base: Tensor, weights: Sequence[float]) -> Tensor:
    """base + Σ λ (value - base), as a weighted sum: one model of weight 1 is that model to the bit."""
    import math

    import torch

    of_base = 1.0 - math.fsum(weights)
    scale = torch.tensor([*weights, of_base], dtype=torch.float64)[:, None]
    return _sum(torch.cat([values, base[None]]) * scale)


def _ties(values: Tensor, base: Tensor, weights: Sequence[float], limits: Sequence[float]) -> Tensor:
    """Trim, elect, disjoint mean. An exact tie of signs elects none: the base's value stays."""
    import torch

    vectors = values - base
    kept = vectors.abs().float() >= torch.tensor(limits, dtype=torch.float32)[:, None]
    vectors = torch.where(kept, vectors, 0.0) * torch.tensor(weights, dtype=torch.float64)[:, None]
    elected = torch.where(vectors.sign() == _sum(vectors).sign(), vectors, 0.0)
    return base + _sum(elected) / (elected != 0).sum(dim=0).clamp(min=1)


# -- checkpoints -------------------------------------------------------------------------------------------
def merge_checkpoints(
    directories: Sequence[Path],
    base: Path | None,
    out: Path,
    *,
    method: str = "average",
    weights: Sequence[float] | None = None,
    density: float = DENSITY,
    scratch: Path,
) -> Path:
    """Merge published checkpoints into a new one at ``out``: the backbone, with the
    LM head where all have one.

    A pooler that only some of them trained counts in the others with the weights
    that every training begins with.

    Args:
        scratch: a folder for the weights in a common form, as large as the checkpoints together; memory holds
            one model and what is merged at once.

    Raises:
        XferError: the checkpoints are of different architectures, sizes or tokenizers, or
            what :func:`merge` refuses.
    """
    from mlflow_xfer.models.checkpoint import save
    from mlflow_xfer.models.load import load_tokenizer

    every = [*directories, *([base] if base is not None else [])]
    check_alike(every)
    parts = shared_parts(every)
    tensors = [
        _spilled(_skeleton(path, parts).tensors(), scratch / f"{n}.safetensors")
        for n, path in enumerate(every)
    ]
    models = tensors[: len(directories)]
    merged = merge(models, tensors[-1] if base is not None else None, method, weights, density)
    skeleton = _skeleton(every[0], parts)
    skeleton.load_tensors(merged)
    save(skeleton, load_tokenizer(every[0]), out)
    return out


def check_alike(directories: Sequence[Path]) -> None:
    """Raise :class:`XferError` unless the checkpoints have one architecture, one size and one tokenizer."""
    from mlflow_xfer.models.load import load_config, load_tokenizer
    from mlflow_xfer.models.tokenizer import digest

    configs = [_compared(_of_no_task(load_config(path))) for path in directories]
    problems = Problems()
    for path, config in zip(directories[1:], configs[1:], strict=True):
        differ = sorted(
            key for key in configs[0].keys() | config.keys() if configs[0].get(key) != config.get(key)
        )
        differ = ["model_type"] if "model_type" in differ else differ  # the rest follows from it
        if differ:
            said = ", ".join(f"{key} {configs[0].get(key)} and {config.get(key)}" for key in differ[:4])
            problems.add(
                f"{directories[0]} and {path} cannot be merged: {said}.",
                "Merge models of one architecture and size, trained from one base.",
            )
    problems.raise_if_any()
    if len({digest(load_tokenizer(path)) for path in directories}) > 1:
        raise XferError(
            f"The models to merge have different tokenizers: {', '.join(map(str, directories))}.",
            "Merge models trained from one base.",
        )


def _compared(config: Any) -> dict[str, Any]:
    """What configurations of models that can be merged have in common; decoders get their pad id late."""
    from mlflow_xfer.models.limits import is_decoder

    without = (*OF_A_TASK, *(("pad_token_id",) if is_decoder(config) else ()))
    return {key: value for key, value in config.to_dict().items() if key not in without}


def shared_parts(directories: Sequence[Path]) -> tuple[bool, bool]:
    """(whether all have an LM head, whether any holds a trained pooler)."""
    from mlflow_xfer.models.heads import carries_lm_head

    return all(carries_lm_head(path) for path in directories), any(_has_pooler(path) for path in directories)


def _has_pooler(directory: Path) -> bool:
    from mlflow_xfer.models import files

    return any("pooler." in name for name in files.names(Path(directory)))


def _skeleton(directory: Path, parts: tuple[bool, bool]) -> MultiTaskModel:
    """The model at ``directory`` without task heads, in the form that all of them have."""
    from mlflow_xfer.models.heads import build
    from mlflow_xfer.models.load import load_backbone

    lm, pooler = parts
    model = build(directory, [], lm=False, seed=0)
    _of_no_task(model.backbone.config)
    if not lm:
        model.lm = None
    if pooler:  # of DeBERTa it is the classifier's
        model.backbone.pooler = getattr(load_backbone(directory), "pooler", None)
    return model


def _of_no_task(config: Any) -> Any:
    """``config`` without the labels and marks of the task that was trained on it last."""
    config.num_labels, config.problem_type = 2, None  # transformers' defaults, which are not written out
    for mark in (mark for name in kind.KINDS.names() for mark in kind.model(name).marks):
        if hasattr(config, mark):
            delattr(config, mark)
    return config


def _spilled(tensors: Mapping[str, Tensor], file: Path) -> Mapping[str, Tensor]:
    """The same tensors, mapped from a file instead of held in memory."""
    from safetensors.torch import load_file, save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return load_file(file)
