"""What a training has counted and kept so far, besides the weights it stands at: part of its resume state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mlflow_xfer.durable.files import write_json

STATE, MEAN = "xfer_state.json", "mean.safetensors"


@dataclass(frozen=True)
class Best:
    """The step whose weights are the best by dev (0: none was scored yet), its score, dev metrics, and
    whether it is collapsed."""

    step: int = 0
    score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    collapsed: bool = False


class Tally:
    """Losses since the last report, tokens since the start, the best step, and the average of the weights.

    Attributes:
        sums, counts: by the key of a task, of the batches since the last report: summed loss and number.
        tokens: read since the start, padding not counted.
        latest: the figures last reported.
        mean: by tensor, the mean of the ``averaged`` weights taken so far, float32 on the CPU.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor | float] = {}
        self.counts: dict[str, int] = {}
        self.tokens = 0
        self.best = Best()
        self.latest: dict[str, float] = {}
        self.mean: dict[str, Tensor] = {}
        self.averaged = 0

    def add(self, task: str, loss: Tensor, tokens: int) -> None:
        """Count a batch of ``task`` (its key); its loss stays where it is (fetching it
        would wait for the GPU)."""
        self.tokens += tokens
        self.sums[task] = self.sums.get(task, 0.0) + loss.float()
        self.counts[task] = self.counts.get(task, 0) + 1

    def take_losses(self) -> dict[str, float]:
        """The mean loss of all batches since the last call, and of each task where there are several."""
        losses = {task: float(total) / self.counts[task] for task, total in self.sums.items()}
        overall = sum(float(total) for total in self.sums.values()) / max(sum(self.counts.values()), 1)
        self.sums, self.counts = {}, {}
        metrics = {"train/loss": overall}
        if len(losses) > 1:
            metrics |= {f"train/{task}/loss": loss for task, loss in losses.items()}
        return metrics

    def average(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights ``tensors`` into their running mean."""
        self.averaged += 1
        for name, tensor in tensors.items():
            value = tensor.float().cpu()
            held = self.mean.get(name)
            self.mean[name] = (
                value.clone() if held is None else held.add_(value - held, alpha=1.0 / self.averaged)
            )

    # -- resume state ---------------------------------------------------------------------------------------
    def write(self, folder: Path) -> None:
        """Write all of it into ``folder``; floats keep every bit."""
        if self.mean:
            save_file(self.mean, folder / MEAN)
        own = {
            "tokens": self.tokens,
            "best": asdict(self.best),
            "latest": self.latest,
            "averaged": self.averaged,
            "sums": {task: float(total) for task, total in self.sums.items()},
            "counts": self.counts,
        }
        write_json(folder / STATE, own)

    def read(self, folder: Path, device: torch.device) -> None:
        """Become what :meth:`write` left in ``folder``; sums lie on ``device`` from here on."""
        own = json.loads((folder / STATE).read_text(encoding="utf-8"))
        self.tokens, self.latest, self.averaged = own["tokens"], own["latest"], own["averaged"]
        self.best = best_in(folder)
        # Sums were float32 tensors: as such they go on, to the bit.
        self.sums = {
            task: torch.tensor(total, dtype=torch.float32, device=device)
            for task, total in own["sums"].items()
        }
        self.counts = own["counts"]
        if (folder / MEAN).is_file():
            self.mean = load_file(folder / MEAN)


def best_in(folder: Path) -> Best:
    """The best step that the state in ``folder`` names."""
    return Best(**json.loads((folder / STATE).read_text(encoding="utf-8"))["best"])
