"""A checkpoint without the weights that follow from what it was trained on: adapters and heads alone.

It names its base and, tensor by tensor, what of the base each of its weights is made of: the base's own, the
same in 4 bits, or with an adapter added. Only what is found to be so to the bit is left out; all else stays
in ``kept/``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.durable.files import write_json
from mlflow_xfer.errors import XferError
from mlflow_xfer.models import files, nf4
from mlflow_xfer.models.adapters import PREFIX, change
from mlflow_xfer.models.trainable import ADAPTER, CONFIG, WEIGHTS

ABOUT, KEPT = files.ABOUT_BASE, "kept"


class Source:
    """The weights of a base, as the training that stood on it held them.

    Args:
        folder: the base, a whole checkpoint.
        trained: the checkpoint that was trained on it, whose adapters are read.
        continued: whether its adapter went on from the base's own, which was taken out first.
    """

    def __init__(self, folder: Path, trained: Path, continued: bool):
        self.folder, self.own = folder, Adapter(trained / ADAPTER)
        languages = [one / files.LANGUAGE / WEIGHTS for one in (folder, trained)]
        swapped = len({file_digest(one) if one.is_file() else "" for one in languages}) > 1
        before, language = (Adapter(one.parent if swapped else None) for one in languages)
        self.first = ((-1, before), (1, language), (-1, Adapter(folder / ADAPTER if continued else None)))

    @cached_property
    def places(self) -> dict[str, list[tuple[str, str]]]:
        """(file, tensor) by a tensor's name, and by its name without what stands before the first dot."""
        found: dict[str, list[tuple[str, str]]] = {}
        for file in tensor_files(self.folder):
            with safe_open(self.folder / file, "pt") as held:
                for name in held.keys():  # noqa: SIM118 - it is no mapping
                    for key in (name, name.partition(".")[2]):
                        found.setdefault(key, []).append((file, name))
        return found

    def candidates(self, name: str) -> Iterator[tuple[str, str]]:
        """Where the base may hold the weight that a checkpoint calls ``name``."""
        for key in dict.fromkeys((name, name.partition(".")[2])):
            yield from self.places.get(key, [])

    def value(self, file: str, tensor: str, name: str, small: bool) -> Tensor:
        """The weight ``name`` of the checkpoint, made of a ``tensor`` of the base; ``small``: in 4 bits."""
        with safe_open(self.folder / file, "pt") as held:
            weight = held.get_tensor(tensor)
        if not weight.is_floating_point():
            return weight
        weight = weight.float()
        for sign, adapter in self.first:
            if (added := adapter.added(name, weight.shape)) is not None:
                weight = weight + sign * added
        weight = nf4.rounded(weight) if small else weight
        added = self.own.added(name, weight.shape)
        return weight if added is None else weight + added


class Adapter:
    """The adapter in a folder of peft's form; None: one that adds nothing."""

    def __init__(self, folder: Path | None):
        self.tensors: dict[str, Tensor] = {}
        self.scale, self.turned = 0.0, False
        if folder is not None and (folder / WEIGHTS).is_file():
            said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            self.scale, self.turned = said["lora_alpha"] / said["r"], bool(said.get("fan_in_fan_out"))
            self.tensors = {n.removeprefix(PREFIX): t for n, t in load_file(folder / WEIGHTS).items()}
        self.layers = {name.rpartition(".lora_")[0] for name in self.tensors}

    def layer(self, name: str) -> str:
        """The layer whose weight a checkpoint calls ``name``, whatever its names begin with; "": none."""
        layer = name.removesuffix(".weight")
        while layer and layer not in self.layers:
            layer = layer.partition(".")[2]
        return layer if name.endswith(".weight") else ""

    def shape(self, layer: str) -> tuple[int, ...]:
        """That of a layer's weight."""
        down, up = self.tensors[f"{layer}.lora_A.weight"], self.tensors[f"{layer}.lora_B.weight"]
        found = (up.shape[0], down.shape[1])
        return found[::-1] if self.turned else found

    def added(self, name: str, shape: torch.Size) -> Tensor | None:
        """What it adds to the weight ``name`` of a checkpoint; None: nothing."""
        layer = self.layer(name)
        if not layer or self.shape(layer) != tuple(shape):
            return None
        found = change(self.tensors, layer, self.scale)
        return found.T if self.turned else found


def tensor_files(folder: Path) -> list[str]:
    """The files of weights of a whole checkpoint, adapters aside, relative to it."""
    named = (path.relative_to(folder) for path in files.of(folder) if path.suffix == ".safetensors")
    return [path.as_posix() for path in named if path.parts[0] not in (ADAPTER, files.LANGUAGE)]


def reduce(whole: Path, base: Path, out: Path, about: Mapping[str, Any], continued: bool, small: bool) -> int:
    """Write the checkpoint ``whole``, trained on ``base``, into the folder ``out`` without what follows from
    ``base``.

    Args:
        about: what is said of the base, so that it is found again.
        continued: whether its adapter went on from that of the base.
        small: whether linear layers were held in 4 bits.

    Returns:
        How many bytes of weights are left out.
    """
    source = Source(base, whole, continued)
    made: dict[str, dict[str, list[Any]]] = {}
    left_out, used = 0, set()
    for file in tensor_files(whole):
        kept, made[file] = {}, {}
        for name, tensor in load_file(whole / file).items():
            found = _found(source, name, tensor, small)
            if found is None:
                kept[name] = tensor
            else:
                made[file][name] = found
                left_out += tensor.nbytes
                used.add(found[0])
        if kept:
            (out / KEPT / file).parent.mkdir(parents=True, exist_ok=True)
            save_file(kept, out / KEPT / file, metadata={"format": "pt"})
    _copy(whole, out, without=set(made))
    digests = {file: file_digest(base / file) for file in sorted(used)}
    base_adapter = file_digest(base / ADAPTER / WEIGHTS) if continued else ""
    write_json(
        out / ABOUT,
        {"base": dict(about), "files": digests, "continued": base_adapter, "weights": made},
    )
    return left_out


def _found(source: Source, name: str, tensor: Tensor, small: bool) -> list[Any] | None:
    """[file, tensor, whether in 4 bits] of the base that ``tensor`` is made of, to the bit."""
    for file, one in source.candidates(name):
        for in_4_bits in (False, True) if small and tensor.dim() == 2 else (False,):
            value = source.value(file, one, name, in_4_bits)
            if value.shape == tensor.shape and value.dtype == tensor.dtype and torch.equal(value, tensor):
                return [file, one, in_4_bits]
    return None


def restore(folder: Path, base: Path, out: Path) -> None:
    """Write the checkpoint in ``folder`` whole into the folder ``out``; ``base`` is what it was trained on.

    Raises:
        XferError: ``base`` is another one.
    """
    about = read(folder)
    check_base(about, base)
    source = Source(base, folder, bool(about["continued"]))
    for file, weights in about["weights"].items():
        kept = folder / KEPT / file
        tensors = load_file(kept) if kept.is_file() else {}
        for name, (held, tensor, in_4_bits) in weights.items():
            tensors[name] = source.value(held, tensor, name, in_4_bits).contiguous()
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, out / file, metadata={"format": "pt"})
    _copy(folder, out, without={ABOUT}, without_folder=KEPT)


def read(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of the base that it stands on."""
    return json.loads((folder / ABOUT).read_text(encoding="utf-8"))


def check_base(about: Mapping[str, Any], base: Path) -> None:
    """Raise :class:`XferError` where ``base`` is not what a checkpoint says that it was trained on."""
    wanted = dict(about["files"])
    if about["continued"]:
        wanted[f"{ADAPTER}/{WEIGHTS}"] = about["continued"]
    for file, digest in wanted.items():
        path = base / file
        if not path.is_file() or file_digest(path) != digest:
            raise XferError(
                f"The base at {base} is another one than the adapter was trained on: {file} "
                f"{'has changed' if path.is_file() else 'is not there'}.",
                f"It was trained on {about['base']['reference']} ({about['base']['identity']}).",
            )


def _copy(folder: Path, out: Path, without: set[str], without_folder: str = "") -> None:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.as_posix() not in without and name.parts[0] != without_folder:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / name)
