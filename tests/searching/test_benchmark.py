"""The replay of searches finds planted truths, and reads the grid's table, finished or not."""

from __future__ import annotations

import csv
from importlib import import_module

import numpy as np
import optuna
import pytest


@pytest.fixture(scope="module")
def benchmark(script):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return script("benchmarks/search.py")


@pytest.fixture(scope="module")
def truths(benchmark):
    return import_module("search_truths")


def test_a_quiet_planted_truth_is_found(benchmark):
    rows = benchmark.repetition(
        benchmark.noisy(benchmark.planted(np.random.default_rng(7)), 0.3), "pairwise", 40, 7
    )
    assert {row["way"]: row["regret"] for row in rows} == pytest.approx({"denoised": 0, "raw": 0, "all": 0})
    assert all(row["tokens"] == pytest.approx(40 / 512) and abs(row["optimism"]) < 1.5 for row in rows)
    assert max(benchmark.noisy(benchmark.planted(np.random.default_rng(7)), 0.3).value.values()) == 68
    assert len(benchmark.FAMILIES) == 6 and all(
        len(benchmark.noisy(make(np.random.default_rng(1)), 1.0).value) == 512
        for make in benchmark.FAMILIES.values()
    )


def test_a_table_is_read_as_far_as_it_goes(benchmark, tmp_path):
    """Two targets, two seeds, three tasks; one subset lacks a target and one a seed."""
    table = tmp_path / "grid.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            (
                "subset",
                "seed",
                "target",
                "dev",
                "test",
                "steps_intermediate",
                "tokens_intermediate",
                "steps_target",
                "tokens_target",
            )
        )
        for subset in ("none", "a", "b", "c", "a+b", "a+c", "b+c", "a+b+c"):
            for seed in (0, 1):
                for target in ("mood", "choice"):
                    if (subset, seed) == ("b+c", 1) or (subset, seed, target) == ("a+b+c", 1, "choice"):
                        continue
                    rows.writerow(
                        (
                            subset,
                            seed,
                            target,
                            60 + seed,
                            50 + 2 * seed + 5 * ("a" in subset) + 3 * seed * ("b" in subset),
                            10,
                            100 if subset != "none" else 0,
                            10,
                            30,
                        )
                    )
    of_repetition = benchmark.from_table(table)
    truth = of_repetition(np.random.default_rng(0))
    assert set(truth.value) == {(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c")} and truth.pool == (
        "a",
        "b",
        "c",
    )
    assert (
        truth.value[("a", "b")] == 57.5
        and truth.value[("a",)] == 56
        and truth.tokens[("a",)] == 160
        and truth.naive[("a",)] == 260
        and truth.tokens[()] == 60
    )
    rng = np.random.default_rng(0)
    assert len({truth.dev(("a",), rng) for _ in range(20)}) == 1, "one seed for all looks of a search"
    assert {of_repetition(np.random.default_rng(n)).dev(("a",), rng) for n in range(20)} == {60, 61}
    # Seed 1 adds 3 to the two of six subsets that have b: 1 more than its mean, 2 less or more after it is
    # taken out.
    assert truth.test(("a",), 4000, rng).std() == pytest.approx(1.0, abs=0.05)
    both = benchmark.from_table(table, looks=2)(rng)
    assert (
        both.dev(("a",), rng) == 60.5
        and both.tokens[("a",)] == 320
        and both.exhaustive == truth.exhaustive == 2 * sum(truth.tokens.values())
    )
    assert benchmark.repetition(truth, "random", 8, 0)[0]["regret"] in (0.0, 1.5, 5.0, 6.5)


def test_noise_is_taken_out_of_a_complete_table_and_effects_stay(truths):
    rng = np.random.default_rng(0)
    known = {key: 50 + 4.0 * ("a" in key) - 3.0 * ({"b", "c"} <= {*key}) for key in truths.subsets()}
    scores = {key: value + rng.normal(0, 3, 3) for key, value in known.items()}
    found = truths.without_noise(scores)
    wrong = {
        name: max(abs(of[key] - known[key]) for key in known)
        for name, of in (("mean", {key: rows.mean() for key, rows in scores.items()}), ("shrunk", found))
    }
    assert wrong["shrunk"] < 1.5 and wrong["mean"] > 3 * wrong["shrunk"]
    quiet = truths.without_noise({key: np.array([value, value]) for key, value in known.items()})
    assert quiet == pytest.approx(known)
    del scores[("a",)]
    with pytest.raises(SystemExit, match="every subset"):
        truths.without_noise(scores)
