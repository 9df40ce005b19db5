"""What the trainings of ``training.py`` say together, and what a process and a GPU reach at most."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from training_experiments import Result

ARMS = ("example", "tuned", "frozen", "ours")


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Medians, ratios paired within seeds, and the loss difference in standard errors."""
    measured = [arm for arm in ARMS if any(r.arm == arm for r in results)]
    by = {arm: sorted((r for r in results if r.arm == arm), key=lambda r: r.seed) for arm in measured}
    found: dict[str, Any] = {"arms": {}, "ours_over": {}}
    for arm, rows in by.items():
        losses = [r.eval_loss for r in rows]
        found["arms"][arm] = {
            "tokens_per_s": round(statistics.median(r.tokens_per_s for r in rows)),
            "tokens_per_cpu_s": round(statistics.median(r.tokens_per_cpu_s for r in rows)),
            "eval_loss": round(statistics.mean(losses), 4),
            "eval_loss_se": round(error(losses), 4),
            "tflops": round(statistics.median(r.tflops for r in rows), 3),
            "peak_mb": round(statistics.median(r.peak_mb for r in rows)),
        }
    for arm in (arm for arm in measured if arm != "ours"):
        pairs_of = list(zip(by["ours"], by[arm], strict=True))
        gap = statistics.mean(o.eval_loss - t.eval_loss for o, t in pairs_of)
        se = error([o.eval_loss for o in by["ours"]] + [], by[arm])
        found["ours_over"][arm] = {
            "speed": round(statistics.median(o.tokens_per_s / t.tokens_per_s for o, t in pairs_of), 2),
            "speed_cpu_time": round(
                statistics.median(o.tokens_per_cpu_s / t.tokens_per_cpu_s for o, t in pairs_of), 2
            ),
            "speed_by_seed": [round(o.tokens_per_s / t.tokens_per_s, 2) for o, t in pairs_of],
            "eval_loss_difference": round(gap, 4),
            "standard_errors": round(gap / se, 2) if se else None,
            "memory": round(statistics.median(o.peak_mb / max(t.peak_mb, 1) for o, t in pairs_of), 2),
        }
    return found


def error(losses: Sequence[float], others: Sequence[Result] = ()) -> float:
    """Standard error of a mean, or of the difference to the mean of ``others``."""
    groups = [list(losses), *([[r.eval_loss for r in others]] if others else [])]
    return sum(statistics.variance(g) / len(g) for g in groups if len(g) > 1) ** 0.5


class Peak:
    """The most memory that the process held within this context beyond what it held at its beginning, in MB;
    0 where the kernel does not say."""

    def __enter__(self) -> Peak:
        import ctypes
        import gc

        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")  # the highest so far is now
        self.before = self._held("VmRSS")
        return self

    def __exit__(self, *error: object) -> None:
        self.mb = self._held("VmHWM") - self.before

    @staticmethod
    def _held(name: str) -> float:
        status = Path("/proc/self/status")
        lines = status.read_text().splitlines() if status.is_file() else []
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def matmul_tflops(n: int = 8192, repeats: int = 20) -> float:
    """What a bf16 product of two random matrices reaches on this GPU."""
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(repeats):
        a @ b
    torch.cuda.synchronize()
    return 2 * n**3 * repeats / (time.perf_counter() - begun) / 1e12
