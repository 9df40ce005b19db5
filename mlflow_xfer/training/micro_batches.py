"""A batch in parts: those of several processes, and those that are computed one after the other, where its
activations do not fit the memory at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def parts(batch: Mapping[str, Any], rows: int, rank: int = 0, world: int = 1) -> list[dict[str, Any]]:
    """What one of ``world`` ranks computes of ``batch``, in parts of at most ``rows`` rows (0: at once).

    A rank takes every ``world``-th row. All ranks have equally many parts, since they wait for one another in
    each: one that has no row left takes the first, which counts nothing (``share`` 0). What counts only as a
    whole is never computed in parts; of several ranks each finds the loss of all of it, and counts its share.
    """
    n = len(batch["inputs"]["input_ids"])
    if world == 1 and (not rows or n <= rows or batch["whole"]):
        return [{"inputs": batch["inputs"], "targets": batch["targets"], "share": 1.0}]
    most = -(-n // world)
    if batch["whole"]:
        piece = _some(batch, slice(rank, n, world) if rank < n else slice(0, 1))
        return [piece | {"targets": batch["targets"], "share": 1.0 / world}]
    size, found = rows or most, []
    for begin in range(0, most, size):
        piece = slice(rank + begin * world, min(n, (begin + size) * world), world)
        empty = piece.start >= piece.stop
        found.append(_some(batch, slice(0, 1) if empty else piece) | {"share": 0.0 if empty else 1.0})
    return found


def _some(batch: Mapping[str, Any], piece: slice) -> dict[str, Any]:
    """The rows ``piece`` of ``batch``."""
    width = batch["inputs"]["input_ids"].shape[1]
    inputs = {name: tensor[piece].contiguous() for name, tensor in batch["inputs"].items()}
    if "positions" not in batch["targets"]:
        return {
            "inputs": inputs,
            "targets": {name: tensor[piece] for name, tensor in batch["targets"].items()},
        }
    step, at = piece.step or 1, batch["targets"]["positions"]  # of the flattened batch
    row = at // width
    mine = (row >= piece.start) & (row < piece.stop) & ((row - piece.start) % step == 0)
    positions = (row - piece.start) // step * width + at % width
    return {
        "inputs": inputs,
        "targets": {"positions": positions[mine], "labels": batch["targets"]["labels"][mine]},
    }
