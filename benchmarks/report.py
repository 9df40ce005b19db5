"""How long a report on 200,000 scores takes: rows -> tidy frame -> checks, statistics, page and files.

    python benchmarks/report.py [--rows 200000]

Prints seconds per step and peak memory; the claim is under 30 s on two cores.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.reporting import report


def rows(total: int) -> list[tuple]:
    """Conditions x 10 seeds x 10 tasks x 40 languages, as a results reader would deliver them."""
    rng = np.random.default_rng(0)
    codes = [code for code, one in languages.table().items() if "xtreme-r" in one.benchmarks][:40]
    tasks, seeds = [f"task{t}" for t in range(10)], range(10)
    conditions = ["none", *(f"condition{c:03d}" for c in range(1, max(2, total // 4000)))]
    level = rng.normal(65, 8, (len(tasks), len(codes)))
    found = []
    for condition in conditions:
        effect = rng.normal(0, 2)
        for seed in seeds:
            score = np.clip(level + effect + rng.normal(0, 1) + rng.normal(0, 1, level.shape), 0, 100)
            for t, task in enumerate(tasks):
                for c, code in enumerate(codes):
                    found.append(
                        (
                            condition,
                            task,
                            code,
                            0,
                            seed,
                            float(score[t, c]),
                            1000,
                            "accuracy",
                            "bench",
                            "select_by=english_dev",
                        )
                    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    made = rows(parser.parse_args().rows)
    columns = [
        "condition",
        "task",
        "language",
        "base_seed",
        "seed",
        "score",
        "n",
        "metric",
        "suite",
        "protocol",
    ]
    start = time.perf_counter()
    frame = pd.DataFrame(made, columns=columns)
    framed = time.perf_counter()
    page = report(frame, question="Which of these helps?")
    reported = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        page.save(Path(folder))
        size = (Path(folder) / "report.html").stat().st_size
    saved = time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(frame):,} rows: frame {framed - start:.1f} s, report {reported - framed:.1f} s, files "
        f"{saved - reported:.1f} s; "
        f"together {saved - start:.1f} s; report.html {size / 1e6:.2f} MB; peak memory {memory:.0f} MiB"
    )


if __name__ == "__main__":
    main()
