"""A batch in parts that are computed one after the other, where its activations do
not fit the memory at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def parts(batch: Mapping[str, Any], rows: int) -> list[dict[str, Any]]:
    """``batch`` cut into parts of at most ``rows`` rows (0: whole); what counts only as a whole
    stays so."""
    n = len(batch["inputs"]["input_ids"])
    if not rows or n <= rows or batch["whole"]:
        return [{"inputs": batch["inputs"], "targets": batch["targets"]}]
    width = batch["inputs"]["input_ids"].shape[1]
    cut = []
    for begin in range(0, n, rows):
        piece = slice(begin, begin + rows)
        inputs = {name: tensor[piece] for name, tensor in batch["inputs"].items()}
        if "positions" in batch["targets"]:  # of the flattened batch
            at = batch["targets"]["positions"]
            mine = (at >= begin * width) & (at < (begin + rows) * width)
            targets = {"positions": at[mine] - begin * width, "labels": batch["targets"]["labels"][mine]}
        else:
            targets = {name: tensor[piece] for name, tensor in batch["targets"].items()}
        cut.append({"inputs": inputs, "targets": targets})
    return cut
