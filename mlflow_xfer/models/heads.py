"""Several heads on one backbone, each head a transformers class where there is one.

``AutoModelFor…`` models are built empty and pointed at the shared backbone, so that what is published is what
transformers itself would save, and loads everywhere. Where transformers has no class for an architecture
(multiple choice on decoders, dual encoders) a small generic head fills in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models import directions
from mlflow_xfer.models.attention import Packing, masked_inputs
from mlflow_xfer.models.layer_mix import read_layers
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import has_lm_head, lm_class, load_backbone, load_lm, quiet
from mlflow_xfer.tasks.task import Task

HEAD_STD = 0.02
"""Standard deviation of a fresh head's weights (Devlin et al. 2019), whatever the backbone began with."""

LM_HEAD = "lm_head"
"""Folder of a published checkpoint that carries an LM head its root class has no place for."""


class OwnHead(nn.Module):
    """A head of this package: published as tensors and configuration beside the backbone."""

    config: Any


class MultiTaskModel(nn.Module):
    """Heads that share one backbone.

    Args:
        backbone: the shared encoder or decoder.
        heads: by task name, complete models whose backbone is ``backbone``.
        kinds: by task name, what the head is for.
        lm: a language model on the same backbone, or None.
        trains_lm: whether ``lm``'s head is trained here; one that is only carried along keeps its weights.

    Attributes:
        packing: what the language model is given of packed rows.
        trained: names of the weights that a training may change; None: all.
    """

    backbone: Any
    config: Any
    lm: Any

    def __init__(
        self,
        backbone: Any,
        heads: Mapping[str, nn.Module],
        kinds: Mapping[str, str],
        lm: nn.Module | None,
        trains_lm: bool,
    ):
        super().__init__()
        self.backbone = backbone
        self.names = {name: f"task{i}" for i, name in enumerate(sorted(heads))}  # a task's name may hold dots
        self.heads = nn.ModuleDict({self.names[name]: head for name, head in heads.items()})
        self.kinds, self.lm, self.trains_lm = dict(kinds), lm, trains_lm
        self.packing: Packing = "mask"
        self.trained: frozenset[str] | None = None
        self.config = backbone.config
        self.decoder = is_decoder(backbone.config)
        if lm is not None and not trains_lm:
            shared = {id(p) for p in backbone.parameters()}
            for parameter in lm.parameters():
                if id(parameter) not in shared:
                    parameter.requires_grad_(False)

    def head(self, task: str) -> Any:
        return self.heads[self.names[task]]

    def forward(
        self, task: str | None, targets: Mapping[str, Tensor], count: float, **inputs: Tensor
    ) -> Tensor:
        """The loss of one homogeneous batch: summed over its targets and divided by ``count``.

        Args:
            task: name of the task; None: the language model.
            targets: what the kind of the task needs; of the language model ``positions`` and ``labels`` [n].
            count: number of targets of the whole batch, of which this may be a part.
            inputs: ``input_ids``, ``attention_mask`` …
        """
        if task is None:
            return (
                lm_loss_sum(
                    self.lm, self.backbone, targets["positions"], targets["labels"], inputs, self.packing
                )
                / count
            )
        output = run(self.head(task), inputs, self.decoder)
        return kind.model(self.kinds[task]).loss_sum(output, targets) / count

    def tensors(self) -> dict[str, Tensor]:
        """All weights and persistent buffers, each once (heads share the backbone, decoders are tied); of a
        model that is trained in part that part alone."""
        seen: dict[int, str] = {}
        kept: dict[str, Tensor] = {}
        for name, tensor in self.state_dict(keep_vars=True).items():
            if id(tensor) not in seen and (self.trained is None or name in self.trained):
                seen[id(tensor)] = name
                kept[name] = tensor.detach()
        return kept

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of :meth:`tensors`; raises ``ValueError`` where names differ."""
        own = self.tensors()
        if set(own) != set(tensors):
            raise ValueError(f"other weights: {sorted(set(own) ^ set(tensors))[:4]}")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(tensors[name])


def run(head: nn.Module, inputs: Mapping[str, Any], decoder: bool) -> Any:
    """The head's output; decoders keep no cache of keys and values, which training does not read."""
    return head(**inputs, use_cache=False) if decoder and not isinstance(head, OwnHead) else head(**inputs)


def label_loss_sum(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy summed over all ``labels``, in float32; -100 counts for nothing."""
    return cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.float(), labels, ignore_index=-100, reduction="sum")


def lm_loss_sum(
    lm: Any,
    backbone: Any,
    positions: Tensor,
    labels: Tensor,
    inputs: Mapping[str, Tensor],
    packing: Packing = "mask",
) -> Tensor:
    """Cross-entropy at ``positions`` [n] of the flattened batch alone: elsewhere the
    vocabulary is never touched."""
    decoder = is_decoder(backbone.config)
    head = _only_head(lm)
    cache = {"use_cache": False} if decoder else {}
    inputs = masked_inputs(inputs, backbone, packing)
    if head is None:  # an architecture whose head has several parts: all positions, then the wanted ones
        logits = lm(**inputs, **cache).logits.flatten(0, 1)[positions]
    else:
        logits = head(backbone(**inputs, **cache).last_hidden_state.flatten(0, 1)[positions])
        logits = scaled(lm.config, logits)
    return cross_entropy(logits, labels)


def _only_head(lm: Any) -> Any:
    """The part of ``lm`` that makes logits of states; None where several do, one after the other."""
    head = next((getattr(lm, name) for name in ("lm_head", "cls") if hasattr(lm, name)), None)
    output = lm.get_output_embeddings()
    if head is not None and output is not None and not any(part is output for part in head.modules()):
        return None
    return head


def scaled(config: Any, logits: Tensor) -> Tensor:
    """What an LM head gives as the logits of its architecture: some scale or cap them."""
    for name in ("logit_scale", "lm_head_multiplier"):  # Cohere, Falcon-H1
        if getattr(config, name, None):
            logits = logits * getattr(config, name)
    if getattr(config, "logits_scaling", None):  # Granite; HyperCLOVA X calls its factor so
        by = config.logits_scaling
        logits = logits * by if config.model_type == "hyperclovax" else logits / by
    for name in ("final_logit_softcapping", "logits_soft_cap"):  # Gemma 2, RecurrentGemma
        if cap := getattr(config, name, None):
            logits = torch.tanh(logits / cap) * cap
    return logits


def build(
    backbone_dir: Path | str,
    tasks: Sequence[Task],
    lm: bool,
    seed: int,
    head_reads: str = "last",
    attention: str | None = None,
) -> MultiTaskModel:
    """A model of ``tasks`` on the backbone at ``backbone_dir``: fresh task heads, the LM head carried along.

    A head's first weights depend on ``seed`` and its task's name, not on the tasks beside it, so that arms of
    a comparison differ in nothing else. An LM head is loaded where the checkpoint has one; with ``lm`` a
    missing one is made fresh. ``head_reads=layers``: task heads read all layers. ``attention``: ``causal`` or
    ``bidirectional``; None: as the checkpoint has it.
    """
    backbone_dir = Path(backbone_dir)
    model: Any = load_lm(backbone_dir)
    backbone: Any = _backbone_of(model) if model is not None else load_backbone(backbone_dir)
    if model is None and (lm or (backbone_dir / LM_HEAD).is_dir()):
        model = attach(lm_class(backbone.config), backbone.config, backbone, stream(seed, "lm"))
        model.tie_weights()
        _load_carried(model, backbone, backbone_dir / LM_HEAD)
    if attention is not None:
        directions.read(backbone, attention == "bidirectional")
    heads = {task.name: kind.model(task.kind).head(task, backbone, seed, model) for task in tasks}
    if getattr(backbone, "pooler", None) is not None and not any(
        _wants_pooler(head) for head in heads.values()
    ):
        backbone.pooler = None
    elif any(_wants_pooler(head) for head in heads.values()) and getattr(backbone, "pooler", None) is None:
        whole: Any = load_backbone(backbone_dir)
        backbone.pooler = whole.pooler
        if hasattr(whole, "pooler_activation"):  # ALBERT's stands beside it
            backbone.pooler_activation = whole.pooler_activation
    for head in heads.values() if head_reads == "layers" else ():
        read_layers(head, backbone)
    return MultiTaskModel(backbone, heads, {task.name: task.kind for task in tasks}, model, trains_lm=lm)


def _wants_pooler(head: nn.Module) -> bool:
    return getattr(head, "wants_pooler", False)


def _backbone_of(model: Any) -> nn.Module:
    return getattr(model, model.base_model_prefix)


def stream(seed: int, key: str) -> torch.Generator:
    """The random numbers of one head."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def attach(cls: Any, config: Any, backbone: nn.Module, generator: torch.Generator) -> nn.Module:
    """A model of class ``cls`` on ``backbone``; only the part beyond the backbone takes
    memory and is initialised."""
    with quiet(), torch.device("meta"):
        model = cls.from_config(config, dtype=torch.float32)
    own = next(name for name, child in model.named_children() if type(child) is type(backbone))
    model.wants_pooler = getattr(getattr(model, own), "pooler", None) is not None
    setattr(model, own, backbone)
    for name, child in model.named_children():
        if name != own:
            initialise(child.to_empty(device="cpu"), generator)
    return model


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Weights normal with :data:`HEAD_STD`, biases zero, norms one: in the order of
    definition, from ``generator``."""
    with torch.no_grad():
        for part in module.modules():
            for name, parameter in part.named_parameters(recurse=False):
                if parameter.dim() > 1:
                    parameter.normal_(0.0, HEAD_STD, generator=generator)
                else:
                    parameter.fill_(1.0 if name == "weight" else 0.0)


def head_tensors(model: nn.Module, backbone: nn.Module) -> dict[str, Tensor]:
    """The weights of ``model`` beyond its backbone, each once; a decoder tied to the
    embeddings is left out."""
    shared = {id(t) for t in backbone.state_dict(keep_vars=True).values()}
    kept: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in shared:
            shared.add(id(tensor))
            kept[name] = tensor.detach().contiguous()
    return kept


def load_head_tensors(model: nn.Module, backbone: nn.Module, folder: Path) -> None:
    """Load what :func:`head_tensors` gave, from ``folder``; raises
    :class:`XferError` where it does not fit."""
    from safetensors.torch import load_file

    own, saved = head_tensors(model, backbone), load_file(folder / "model.safetensors")
    if {n: t.shape for n, t in own.items()} != {n: t.shape for n, t in saved.items()}:
        raise XferError(
            f"The head at {folder} does not fit this model.",
            "It belongs to a task with other labels or to another architecture.",
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(saved[name])


def _load_carried(model: nn.Module, backbone: nn.Module, folder: Path) -> None:
    if folder.is_dir():
        load_head_tensors(model, backbone, folder)


def carries_lm_head(path: Path | str) -> bool:
    """Whether a checkpoint has an LM head, at its root or carried along."""
    return has_lm_head(path) or (Path(path) / LM_HEAD).is_dir()
