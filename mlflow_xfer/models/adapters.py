"""What of a model is trained, and low-rank adapters beside what is not (LoRA, Hu et al. 2022).

Adapters are peft's, put into the shared backbone: heads know nothing of them. A checkpoint holds the weights
with the adapter merged, so that it loads everywhere, and beside them the adapter by itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from mlflow_xfer.durable.files import write_json
from mlflow_xfer.errors import XferError
from mlflow_xfer.models import nf4, prompt
from mlflow_xfer.models.heads import MultiTaskModel, carries_lm_head, stream
from mlflow_xfer.models.trainable import (
    ADAPTER,
    BASE,
    CONFIG,
    KEEPS_LM_HEAD,
    NO_TEXT,
    WEIGHTS,
    check_start,
    continues,
)
from mlflow_xfer.params.settings import TrainingSettings

NAME = "default"  # peft's for the only adapter of a model
PREFIX = "base_model.model."  # of the names in peft's files
POOLER = "pooler."


def restrict(
    model: MultiTaskModel, settings: TrainingSettings, start: Path, seed: int, half: bool = False
) -> Lora | None:
    """Leave of ``model``, loaded from ``start``, only that to be trained which ``settings`` say; returns the
    adapter that was put into it, if any.

    Args:
        seed: of the adapter's first weights.
        half: whether it is computed in bfloat16.

    Raises:
        XferError: the checkpoint lacks what would stay as it is, or nothing would be trained.
    """
    how = settings.trainable
    if how == "all":
        return None
    if model.trains_lm and how == "prompt":
        raise XferError(NO_TEXT, "Use another trainable for this phase.")
    if model.trains_lm and how in KEEPS_LM_HEAD and not carries_lm_head(start):
        raise XferError(
            f"trainable={how} keeps the head of the language model as it is, and {start} has none.",
            "Start from a checkpoint with an LM head, or use trainable=all.",
        )
    opened = list(_opened(model, how))
    model.requires_grad_(False)
    adapter = Lora(model.backbone, settings, start, seed, half) if how == "lora" else None
    for parameter in opened:  # last: peft freezes all of a backbone but its own weights, the pooler too
        parameter.requires_grad_(True)
    if how == "prompt":
        _put_prompt(model, settings, start, seed)
    model.trained = frozenset(
        name
        for name, tensor in model.state_dict(keep_vars=True).items()
        if isinstance(tensor, nn.Parameter) and tensor.requires_grad
    )
    if not model.trained:
        raise XferError(f"trainable={how} leaves nothing to train: no head of this model has weights.")
    return adapter


def _put_prompt(model: MultiTaskModel, settings: TrainingSettings, start: Path, seed: int) -> None:
    """Have all heads of ``model`` read one prompt: the one at ``start``, or a fresh one."""
    vectors = prompt.fresh(model.backbone, settings.prompt_length, stream(seed, "prompt"))
    if continues(settings):
        with torch.no_grad():
            vectors.copy_(prompt.saved(start, settings.prompt_length))
    for head in model.heads.values():
        prompt.put(head, model.backbone, vectors)


def _opened(model: MultiTaskModel, how: str) -> Iterator[nn.Parameter]:
    """The weights of ``model`` that are trained; adapters come later."""
    backbone = dict(model.backbone.named_parameters())
    shared = {id(parameter) for parameter in backbone.values()}
    of_lm = list(model.lm.parameters()) if model.lm is not None else []
    beyond = shared | {id(parameter) for parameter in of_lm}
    yield from (parameter for parameter in model.heads.parameters() if id(parameter) not in beyond)
    if model.trains_lm and how not in KEEPS_LM_HEAD:
        yield from (parameter for parameter in of_lm if id(parameter) not in shared)
    yield from (parameter for name, parameter in backbone.items() if name.startswith(POOLER))
    if how == "norms":
        for module in model.backbone.modules():
            if "Norm" in type(module).__name__:
                yield from module.parameters(recurse=False)
    elif how == "no-embeddings":
        tokens = {id(parameter) for parameter in model.backbone.get_input_embeddings().parameters()}
        yield from (parameter for parameter in backbone.values() if id(parameter) not in tokens)


class Lora:
    """A low-rank adapter in ``backbone``, fresh or from the checkpoint that it starts from."""

    def __init__(self, backbone: Any, settings: TrainingSettings, start: Path, seed: int, half: bool = False):
        from peft import LoraConfig, inject_adapter_in_model

        check_start(settings, start)
        self.backbone = backbone
        # Own list: from 20 layers on, peft replaces that of its configuration by endings of names.
        self.names = layers(backbone, settings.lora_layers)
        turned = any(isinstance(backbone.get_submodule(name), Conv1D) for name in self.names)
        self.config = LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha,  # pyright: ignore[reportArgumentType] - a fraction does, too
            lora_dropout=settings.lora_dropout,
            target_modules=self.names,
            fan_in_fan_out=turned,
        )
        self.base = ""
        held: dict[str, Tensor] = {}
        if continues(settings):
            held = self._taken_out(start / ADAPTER)
        if settings.quantize == "nf4":
            nf4.quantize(backbone, layers(backbone, "linear"), half)
        inject_adapter_in_model(self.config, backbone)
        self._begin(held, seed)

    def _taken_out(self, folder: Path) -> dict[str, Tensor]:
        """The tensors of the adapter in ``folder``, taken out of the weights that they were merged into."""
        held = {n.removeprefix(PREFIX): tensor for n, tensor in load_file(folder / WEIGHTS).items()}
        names = {name.rpartition(".lora_")[0] for name in held}
        if names != set(self.names):
            raise XferError(
                f"The adapter in {folder} stands beside other layers than lora_layers says.",
                "Give the lora_layers that it was trained with, or use start_adapter=merge.",
            )
        self.base = json.loads((folder / BASE).read_text(encoding="utf-8"))["identity"]
        for name in names:
            layer = self.backbone.get_submodule(name)
            with torch.no_grad():
                layer.weight -= self._change(layer, held, name)
        return held

    @torch.no_grad()
    def _begin(self, held: dict[str, Tensor], seed: int) -> None:
        """Put the first weights in: those of ``held``, else random ones by ``seed``."""
        generator = stream(seed, "lora")
        for name, tensor in sorted(self.tensors().items()):
            if held:
                tensor.copy_(held[name])
            elif name.endswith("lora_B.weight"):
                tensor.zero_()
            else:
                nn.init.kaiming_uniform_(tensor, a=math.sqrt(5), generator=generator)

    def tensors(self) -> dict[str, Tensor]:
        """Its weights, by the names that peft gives them in files."""
        return {
            name.replace(f".{NAME}.", "."): parameter.detach()
            for name, parameter in self.backbone.named_parameters()
            if ".lora_" in name
        }

    def _change(self, layer: nn.Module, tensors: dict[str, Tensor], name: str) -> Tensor:
        """What ``tensors`` add to the weight of ``layer``, which is called ``name``."""
        found = change(tensors, name, self.config.lora_alpha / self.config.r)
        return found.T if isinstance(layer, Conv1D) else found

    def save(self, folder: Path, base: str) -> None:
        """Write it into ``folder`` as peft reads it; ``base`` is the identity of what it was trained on."""
        folder.mkdir(parents=True)
        about = self.config.to_dict() | {"target_modules": sorted(self.names)}
        write_json(folder / CONFIG, about)
        write_json(folder / BASE, {"identity": self.base or base})
        tensors = {PREFIX + name: tensor.cpu().contiguous() for name, tensor in self.tensors().items()}
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    @torch.no_grad()
    def merge(self) -> None:
        """Add it to the weights beside it and take it out of the backbone, which has plain layers then."""
        own = self.tensors()
        for name in self.names:
            layer = nf4.plain(self.backbone.get_submodule(name).get_base_layer())
            layer.weight += self._change(layer, own, name)
            self.backbone.set_submodule(name, layer)
        nf4.restore(self.backbone)
        if hasattr(self.backbone, "peft_config"):
            del self.backbone.peft_config


def change(tensors: Mapping[str, Tensor], layer: str, scale: float) -> Tensor:
    """What an adapter of these ``tensors`` adds to the weight of ``layer``."""
    down, up = tensors[f"{layer}.lora_A.weight"], tensors[f"{layer}.lora_B.weight"]
    return (up.float() @ down.float()) * scale


def layers(backbone: nn.Module, which: str) -> list[str]:
    """The linear layers of ``backbone``: all, or those of attention alone; a pooler belongs to the heads."""
    found = [
        name
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and not name.startswith(POOLER)
    ]
    if which == "attention":
        found = [name for name in found if "attn" in name.lower() or "attention" in name.lower()]
    if not found:
        raise XferError("trainable=lora: this architecture has no linear layers that could be adapted.")
    return found
