"""Whether weights are finite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlflow_xfer.models import files

PART = 1 << 20
"""Values that are looked at at once."""


def not_finite(directory: Path) -> Iterator[str]:
    """The tensors in a directory's safetensors files that hold an infinite value or one that is no number."""
    import torch
    from safetensors import safe_open

    for file in (path for path in files.of(directory) if path.suffix == ".safetensors"):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                tensor = tensors.get_tensor(name)
                # In parts: what is made of them on the way is larger than an embedding as a whole.
                parts = tensor.flatten().split(PART) if tensor.is_floating_point() else ()
                if not all(torch.isfinite(part).all() for part in parts):
                    yield f"{name} in {file.name}"
