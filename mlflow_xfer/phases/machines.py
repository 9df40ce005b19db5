"""Machines that phases may run on: what they hold, and how fast they multiply."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mlflow_xfer.registry import unknown

GB = 1e9
MULTIPLYING = 0.4
"""Share of a GPU's arithmetic that trainings reach: 39 % on XLM-R base (benchmarks/training.md), 41 to 43 %
on 7B decoders (NVIDIA's figures for NeMo)."""

ON_CPU = 0.7
"""The same of processors, whose products of matrices are slow beside their memory (see there)."""

LAUNCHING = 2e-3
"""Seconds that a GPU's step needs for each layer however short its rows are (benchmarks/training.md)."""


@dataclass(frozen=True)
class Machine:
    """``memory`` in bytes; ``flops`` a second of matrix products, of a GPU in 16 bits, of processors in
    float32; ``bf16``: how many times as fast processors are in bfloat16."""

    name: str
    memory: float
    flops: float
    cuda: bool = True
    bf16: float = 1.0

    def reached(self, precision: str) -> float:
        """Operations a second that a training in this precision does."""
        return (
            self.flops * (MULTIPLYING if self.cuda else ON_CPU) * (self.bf16 if precision == "bf16" else 1.0)
        )


GPUS = {
    name: Machine(name, memory * GB, tflops * 1e12)
    for name, memory, tflops in (
        ("T4", 16, 65),
        ("V100-16", 16, 125),
        ("V100-32", 32, 125),
        ("L4", 24, 121),
        ("A10", 24, 125),
        ("RTX3090", 24, 71),
        ("RTX4090", 24, 165),
        ("RTX5090", 32, 210),
        ("A6000", 48, 155),
        ("L40S", 48, 362),
        ("A100-40", 40, 312),
        ("A100-80", 80, 312),
        ("H100", 80, 989),
        ("H200", 141, 989),
        ("B200", 180, 2250),
    )
}
"""By name, the makers' figures: dense bfloat16 (of T4 and V100 float16) with sums in float32."""


def named(name: str) -> Machine:
    """The GPU called ``name``; "here": this machine, its first GPU or else its processors.

    Raises:
        XferError: it is not known.
    """
    if name == "here":
        return here()
    found = {gpu.lower(): machine for gpu, machine in GPUS.items()}.get(name.lower())
    if found is None:
        raise unknown("GPU", name, ["here", *GPUS])
    return found


@cache
def here() -> Machine:
    if gpu := _gpu():
        return gpu
    from mlflow_xfer.training.devices import BF16, bf16_pays

    return Machine("this machine", _memory(), _multiplied(), cuda=False, bf16=BF16 if bf16_pays() else 1.0)


def visible_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The GPUs of this host that may be used, without importing torch."""
    if (named := environment.get("CUDA_VISIBLE_DEVICES")) is not None:
        return tuple(filter(None, named.split(",")))
    return tuple(str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*")))))


def _gpu() -> Machine | None:
    """The first GPU of this machine, as its driver describes it."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "" or not shutil.which("nvidia-smi"):
        return None
    asked = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    with suppress(OSError, subprocess.SubprocessError, ValueError, IndexError):
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
        name, memory = said.splitlines()[0].split(",")
        plain = name.replace(" ", "").upper()
        alike = [gpu for gpu in GPUS.values() if gpu.name.partition("-")[0] in plain]
        size = float(memory) * 2**20
        nearest = min(alike, key=lambda gpu: abs(gpu.memory - size), default=None)
        return Machine(name.strip(), size, nearest.flops if nearest else float("nan"))
    return None


def _memory() -> float:
    """Of this machine, or what this process's group may take of it."""
    found = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            found = min(found, float(Path(file).read_text()))
    return found


def _multiplied() -> float:
    """Floating-point operations a second of a matrix product here: the best of some."""
    import numpy as np

    side = 640  # so little that one of the repeats is not disturbed, on a busy machine too
    a, b = (np.random.default_rng(0).random((side, side), np.float32) for _ in range(2))
    best = float("inf")
    for _ in range(40):
        begun = time.thread_time()  # others on the machine do not count
        np.matmul(a, b)
        best = min(best, time.thread_time() - begun)
    return 2 * side**3 / best
