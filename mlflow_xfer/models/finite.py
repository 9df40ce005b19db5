"""Whether weights are finite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlflow_xfer.models import files


def not_finite(directory: Path) -> Iterator[str]:
    """The tensors in a directory's safetensors files that hold an infinite value or one that is no number."""
    import torch
    from safetensors import safe_open

    for file in (path for path in files.of(directory) if path.suffix == ".safetensors"):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                tensor = tensors.get_tensor(name)
                if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                    yield f"{name} in {file.name}"
