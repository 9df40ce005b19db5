"""One training on several processes, each of which is a rank: what they exchange, and how a model is spread.

Every rank makes the same batches and takes its rows of each. With ``ddp`` each holds the whole model and
gradients are averaged; with ``fsdp`` (FSDP2: torch's ``fully_shard``) each holds a part of every weight, its
gradient and its moments, and a layer is put together when it is computed. Trainer and accelerate know nothing
of it: they would shard nothing on a CPU without a word, and step the schedule once a rank. What ranks decide
they decide together, between steps; what they exchange beside gradients goes through gloo, so that no GPU is
waited for.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mlflow_xfer.errors import XferError
from mlflow_xfer.training.devices import layers_of

T = TypeVar("T")
PREPARED = "prepared"
LONG = timedelta(days=30)


@dataclass(frozen=True)
class Ranks:
    """The ranks of a training as one of them sees them; a training in one process is one rank.

    Attributes:
        rank, world: which one this is, of how many. Rank 0 writes and reports.
        parallel: ``ddp`` or ``fsdp``.
        store: through which ranks find each other.
    """

    rank: int = 0
    world: int = 1
    parallel: Literal["ddp", "fsdp"] = "ddp"
    store: Any = None

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def shards(self) -> bool:
        return self.world > 1 and self.parallel == "fsdp"

    # -- between steps --------------------------------------------------------------------------------------
    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Rank 0 first, then the others: they find what it has put into caches, however long that takes."""
        if self.world > 1 and not self.first:
            self.store.wait([PREPARED], LONG)
        yield
        if self.world > 1 and self.first:
            self.store.set(PREPARED, "1")

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.world > 1:
            dist.all_reduce(torch.zeros(1))

    def any(self, *wishes: bool) -> list[bool]:
        """For each of ``wishes``, whether a rank has it."""
        if self.world == 1:
            return list(wishes)
        found = torch.tensor(wishes, dtype=torch.int32)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return [bool(one) for one in found]

    def summed(self, values: Mapping[str, Tensor | float]) -> dict[str, Any]:
        """The sum of each of ``values`` over the ranks."""
        if self.world == 1 or not values:
            return dict(values)
        found = torch.tensor([float(value) for value in values.values()], dtype=torch.float64)
        dist.all_reduce(found)
        return dict(zip(values, found.tolist(), strict=True))

    def told(self, value: T) -> T:
        """What rank 0 says; anything that JSON can say, to the bit."""
        if self.world == 1:
            return value
        text = json.dumps(value).encode() if self.first else b""
        size = torch.tensor([len(text)])
        dist.broadcast(size, 0)
        said = torch.frombuffer(bytearray(text or bytes(int(size))), dtype=torch.uint8)
        dist.broadcast(said, 0)
        return json.loads(bytes(said.tolist()))

    # -- the model ------------------------------------------------------------------------------------------
    def shard(self, model: nn.Module, backbone: Any) -> None:
        """Leave of ``model`` only this rank's part of each weight: layer by layer, and of what lies around
        them together, since heads share it and decoders are tied to it."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

        layers = layers_of(backbone)
        if not layers:
            raise XferError(
                f"parallel=fsdp: {backbone.config.model_type} has no layers that could be sharded.",
                "Use parallel=ddp.",
            )
        mesh = init_device_mesh(next(model.parameters()).device.type, (self.world,))
        for layer in layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        cast("Any", model).within = lambda ask: ask()
        register_fsdp_forward_method(model, "within")

    def replicated(self, model: nn.Module) -> nn.Module:
        """``model`` with gradients that are averaged over the ranks. A batch is of one task: heads of others
        are unused in it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the option has another name in newer torch
            return nn.parallel.DistributedDataParallel(
                model, find_unused_parameters=True, broadcast_buffers=False
            )

    def within(self, model: Any, ask: Callable[[], T]) -> T:
        """What ``ask()`` answers, which computes with parts of ``model`` without gradients."""
        if not self.shards:
            return ask()
        with torch.no_grad():
            answer = model.within(ask)
        model.reshard()
        return answer

    def backward(self, model: Any, last: bool) -> AbstractContextManager[Any]:
        """The context of a backward pass; only in the ``last`` of a step are gradients exchanged."""
        return nullcontext() if last or self.world == 1 or self.shards else model.no_sync()

    def gathered(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``tensors``, whole: on rank 0; nothing on the others."""
        if not self.shards:
            return dict(tensors) if self.first else {}
        found = {}
        for name, tensor in tensors.items():
            whole = _whole(tensor)
            if self.first:
                found[name] = whole.cpu()
        return found

    def spread(self, given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors that rank 0 was ``given``, laid out as ``own`` are; the inverse of :meth:`gathered`."""
        if self.world == 1:
            return dict(given)
        if set(self.told(sorted(given))) != set(own):
            return dict(given)  # whoever loads them says so
        found = {}
        for name, tensor in own.items():
            empty = torch.empty(tensor.shape, dtype=tensor.dtype)
            whole = given[name].to("cpu", tensor.dtype).contiguous() if self.first else empty
            dist.broadcast(whole, 0)
            found[name] = _as(whole, tensor)
        return found

    # -- the optimiser --------------------------------------------------------------------------------------
    def gathered_state(self, state: dict[str, Any]) -> dict[str, Any]:
        """An optimiser's ``state_dict`` with whole tensors; on ranks but the first without them."""
        moments: dict[Any, dict[str, Any]] = {}
        for number, values in state["state"].items():
            found = self.gathered({name: one for name, one in values.items() if isinstance(one, Tensor)})
            moments[number] = {**values, **found} if self.first else {}
        return {**state, "state": moments}

    def spread_state(self, state: dict[str, Any], parameters: Sequence[Tensor]) -> dict[str, Any]:
        """An optimiser's whole ``state_dict``, each tensor laid out as its parameter is."""
        laid = {
            number: {
                name: _as(value, parameters[number]) if _alike(value, parameters[number]) else value
                for name, value in values.items()
            }
            for number, values in state["state"].items()
        }
        return {**state, "state": laid}

    # -- rows of one batch that are one another's negatives -------------------------------------------------
    def joined(self, vectors: Tensor, rows: int) -> Tensor:
        """The vectors of all ``rows`` of a batch, of which this rank has computed its own; gradients flow
        back to the rank that computed them."""
        most, own = -(-rows // self.world), len(range(self.rank, rows, self.world))
        filled = nn.functional.pad(vectors[:own], (0, 0, 0, most - own))
        return _Gathered.apply(filled, self).transpose(0, 1).flatten(0, 1)[:rows]


class _Gathered(torch.autograd.Function):
    """The tensors of all ranks, stacked."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: Ranks) -> Tensor:
        ctx.rank = ranks.rank
        parts = [torch.empty_like(own) for _ in range(ranks.world)]
        dist.all_gather(parts, own.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = gradient.contiguous()
        dist.all_reduce(total)
        return total[ctx.rank], None


ALONE = Ranks()


@contextmanager
def together(
    rank: int,
    world: int,
    parallel: Literal["ddp", "fsdp"],
    meeting: str,
    device: torch.device,
    patience: float,
) -> Iterator[Ranks]:
    """The ranks of a training, for as long as it lasts.

    Args:
        meeting: a file that is not there yet, by which they find each other.
        device: what they compute on.
        patience: seconds for which a rank waits for others; then it fails.
    """
    store = dist.FileStore(meeting, world)  # pyright: ignore[reportPrivateImportUsage] - documented
    backend = "cuda:nccl,cpu:gloo" if device.type == "cuda" else "gloo"
    dist.init_process_group(
        backend, store=store, rank=rank, world_size=world, timeout=timedelta(seconds=patience)
    )
    yield Ranks(rank, world, parallel, store)
    dist.destroy_process_group()


def lost_others(error: BaseException) -> bool:
    """Whether ``error`` says that another rank is gone, or did not come in time."""
    said = str(error)
    return isinstance(error, dist.DistError) or "gloo" in said or "NCCL" in said


def _whole(tensor: Tensor) -> Tensor:
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _as(whole: Tensor, own: Tensor) -> Tensor:
    """``whole``, or this rank's part of it where ``own`` is one."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(own, DTensor):
        return whole
    return distribute_tensor(whole.to(own.device), own.device_mesh, own.placements, src_data_rank=None)


def _alike(value: Any, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape
