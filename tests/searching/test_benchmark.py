"""The replay of searches finds planted truths, and reads the grid's table, finished or not."""

from __future__ import annotations

import csv

import numpy as np
import optuna
import pytest


@pytest.fixture(scope="module")
def benchmark(script):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return script("benchmarks/search.py")


def test_a_quiet_planted_truth_is_found(benchmark):
    rows = benchmark.repetition(benchmark.noisy(benchmark.planted(np.random.default_rng(7)), 0.3), "pairwise", 40, 7)
    assert {row["way"]: row["regret"] for row in rows} == pytest.approx({"denoised": 0, "raw": 0, "all": 0})
    assert all(row["tokens"] == pytest.approx(40 / 512) and abs(row["optimism"]) < 1.5 for row in rows)
    assert max(benchmark.noisy(benchmark.planted(np.random.default_rng(7)), 0.3).value.values()) == 68
    assert len(benchmark.FAMILIES) == 6 and all(len(benchmark.noisy(make(np.random.default_rng(1)), 1.0).value) == 512 for make in benchmark.FAMILIES.values())


def test_a_table_is_read_as_far_as_it_goes(benchmark, tmp_path):
    """Two targets, two seeds, three tasks; one subset lacks a target and one a seed."""
    table = tmp_path / "grid.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("subset", "seed", "target", "dev", "test", "steps_intermediate", "tokens_intermediate", "steps_target", "tokens_target"))
        for subset in ("none", "a", "b", "c", "a+b", "a+c", "b+c", "a+b+c"):
            for seed in (0, 1):
                for target in ("mood", "choice"):
                    if (subset, seed) == ("b+c", 1) or (subset, seed, target) == ("a+b+c", 1, "choice"):
                        continue
                    rows.writerow((subset, seed, target, 60 + seed, 50 + 2 * seed + 5 * ("a" in subset), 10, 100 if subset != "none" else 0, 10, 30))
    truth = benchmark.from_table(table)
    assert set(truth.value) == {(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c")} and truth.pool == ("a", "b", "c")
    assert truth.value[("a", "b")] == 56 and truth.tokens[("a",)] == 160 and truth.naive[("a",)] == 260 and truth.tokens[()] == 60
    rng = np.random.default_rng(0)
    assert {truth.dev(("a",), rng) for _ in range(20)} == {60, 61}
    assert truth.test(("a",), 400, rng).std() == pytest.approx(2**0.5, abs=0.1)
    assert benchmark.repetition(truth, "random", 8, 0)[0]["regret"] in (0.0, 5.0)
