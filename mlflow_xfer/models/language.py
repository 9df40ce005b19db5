"""Adapters of languages under those of tasks, swapped from language to language (cf. MAD-X: Pfeiffer et al.
2020).

A low-rank adapter that a language model learnt on texts of one language is added to the weights that a task
is trained on; the checkpoint keeps it beside the weights (``language/``), so that it can be taken out again
and that of another language put in its place.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.durable.files import write_json
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.derived import Adapter, tensor_files
from mlflow_xfer.models.files import LANGUAGE
from mlflow_xfer.models.trainable import ADAPTER, BASE, CONFIG, WEIGHTS


def base_of(adapter: Path) -> str:
    """The identity of what the adapter in a folder was trained on."""
    return json.loads((adapter / BASE).read_text(encoding="utf-8"))["identity"]


def of_checkpoint(checkpoint: Path, reference: str) -> Path:
    """The folder of the adapter that a checkpoint of a language was trained with.

    Raises:
        XferError: it was trained without one.
    """
    folder = checkpoint / ADAPTER
    if not (folder / WEIGHTS).is_file():
        raise XferError(
            f"adapter={reference}: this run has no adapter.",
            "Name one of pretrain with trainable=lora, trained on texts of one language.",
        )
    return folder


def check(adapter: Path, base: str, reference: str) -> None:
    """Raise :class:`XferError` where ``adapter`` was trained on another model than ``base``, an identity."""
    if (own := base_of(adapter)) != base:
        raise XferError(
            f"adapter={reference} was trained on another base: {own}, not {base}.",
            "Adapters of languages and of tasks go together where all were trained on one model.",
        )


def put(checkpoint: Path, adapter: Path, out: Path) -> Path:
    """``checkpoint`` with the language of ``adapter`` in its weights, instead of the one that may be there;
    written into the new folder ``out`` unless it is that one already.

    Raises:
        XferError: the adapter is not one to a model of this shape.
    """
    held = checkpoint / LANGUAGE
    if (held / WEIGHTS).is_file() and file_digest(held / WEIGHTS) == file_digest(adapter / WEIGHTS):
        return checkpoint
    before, after = Adapter(held if held.is_dir() else None), Adapter(adapter)
    check_shape(checkpoint, after, adapter)
    out.mkdir(parents=True)
    weights = set(tensor_files(checkpoint))
    for path in sorted(checkpoint.rglob("*")):
        name = path.relative_to(checkpoint)
        if path.is_dir() or name.parts[0] == LANGUAGE:
            continue
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        if name.as_posix() not in weights:
            shutil.copyfile(path, out / name)
            continue
        tensors = load_file(path)
        for tensor, weight in tensors.items():
            for sign, one in ((-1, before), (1, after)):
                if (added := one.added(tensor, weight.shape)) is not None:
                    tensors[tensor] = (tensors[tensor].float() + sign * added).contiguous()
        save_file(tensors, out / name, metadata={"format": "pt"})
    keep(adapter, out)
    return out


def keep(adapter: Path, checkpoint: Path) -> None:
    """Leave ``adapter`` in ``checkpoint`` as that of the language in its weights."""
    (checkpoint / LANGUAGE).mkdir()
    for file in (CONFIG, WEIGHTS):
        shutil.copyfile(adapter / file, checkpoint / LANGUAGE / file)
    write_json(checkpoint / LANGUAGE / BASE, {"identity": base_of(adapter)})


def check_shape(checkpoint: Path, adapter: Adapter, folder: Path) -> None:
    """Raise :class:`XferError` unless all that ``adapter`` adds has a place in ``checkpoint``."""
    placed = set()
    for file in tensor_files(checkpoint):
        with safe_open(checkpoint / file, "pt") as held:
            for name in held.keys():  # noqa: SIM118 - it is no mapping
                layer = adapter.layer(name)
                if layer and adapter.shape(layer) == tuple(held.get_slice(name).get_shape()):
                    placed.add(layer)
    if lacking := sorted(adapter.layers - placed):
        raise XferError(
            f"The adapter in {folder} is to a model of another shape: {checkpoint} has no {lacking[0]} of "
            f"{' x '.join(map(str, adapter.shape(lacking[0])))}.",
            "Train it on the model that the task is trained on.",
        )
