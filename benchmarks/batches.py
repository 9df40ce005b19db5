"""What making a batch costs, beside the step that reads it: whether a thread that makes the next one ahead of
time would pay.

    python benchmarks/batches.py [--batches 200]

Rows are random tokens as long as those of MNLI's pairs; packed texts fill rows of 128. Milliseconds of
processor time a batch, the median.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.data.packing import Masking, Packer
from mlflow_xfer.phases.machines import LAUNCHING
from mlflow_xfer.training.batches import Reading, lm_batch, task_batch

LAYERS = 12
LENGTH = 128


def texts(rows: int, mean: float, seed: int = 0) -> Encoded:
    """Random tokens of a vocabulary of 250,000, in rows of about ``mean``."""
    draw = np.random.default_rng(seed)
    lengths = np.clip(draw.gamma(4, mean / 4, rows), 8, LENGTH).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    tokens = draw.integers(5, 250_000, starts[-1]).astype(np.int32)
    return Encoded(tokens, starts, {"label": draw.integers(0, 3, rows), "second": lengths // 2})


def milliseconds(make: Callable[[int], object], batches: int) -> float:
    spent = []
    for number in range(batches):
        begun = time.thread_time()
        make(number)
        spent.append(time.thread_time() - begun)
    return 1e3 * statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=200)
    batches = parser.parse_args().batches
    how = Reading(pad_id=1, first_position=2, cuda=True, vocabulary=250_002)
    pairs = texts(32 * batches, 40)
    packer = Packer({"en": texts(64 * batches, 30)}, LENGTH, 0.5, 0)
    masking = Masking(4, 250_002, (0, 1, 2, 3))
    least = 1e3 * LAUNCHING * LAYERS
    print(f"| batch | ms to make | of the shortest step of a GPU ({least:.0f} ms) |\n|---|---:|---:|")
    for name, make in (
        ("32 pairs", lambda n: task_batch("x", "classification", pairs, range(32 * n, 32 * n + 32), how)),
        (
            "32 packed rows, masked",
            lambda n: lm_batch(packer, range(32 * n, 32 * n + 32), how, masking, 0, n),
        ),
    ):
        found = milliseconds(make, batches)
        print(f"| {name} | {found:.2f} | {100 * found / least:.1f} % |")


if __name__ == "__main__":
    main()
