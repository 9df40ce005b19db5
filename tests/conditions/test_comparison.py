"""What the replicates of a condition say together, beside what its report says."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.commands import over_seeds
from mlflow_xfer.conditions.comparison import collapse, mean_interval, replicates_interval
from mlflow_xfer.reporting.analysing import analyse
from mlflow_xfer.studies.run import CONDITIONS
from mlflow_xfer.tracking.score_tables import TABLE

DIFFERENCES = [[4.0, 4.5, 5.0], [0.0, 0.5, 1.0], [2.0, 2.5, 3.0]]  # by base and seed
SEEDS = (3, 11, 20)  # as texts they stand in another order


def replicates(store, score, bases=(0, 1, 2), seeds=SEEDS):
    """Transfers of every base and seed, with the score of ``score(place of base, place of seed)``."""
    made = []
    for b, base in enumerate(bases):
        for s, seed in enumerate(seeds):
            tags = {"xfer.base_seed": base, "xfer.seed": seed}
            run = store.start("transfer", f"b{base} s{seed}", tags=tags)
            store.metrics(run, {"selected/avg": score(b, s), "selected/choice": score(b, s)})
            row = {"task": "choice", "language": "de", "score": score(b, s), "run_id": run}
            store.table(run, pd.DataFrame([row]), TABLE)
            store.finish(run, "FINISHED")
            made.append(run)
    return made


def collapsed(store, score, base, **grid):
    mine, theirs = replicates(store, score, **grid), replicates(store, base, **grid)
    tags = {"xfer.input_run_ids": ",".join(mine), "xfer.tasks": "nli"}
    run = store.start("condition", "nli", tags=tags)
    collapse(store, run, mine, theirs)
    store.finish(run, "FINISHED")
    return run


def ends(metrics, name):
    return metrics[f"{name}_low"], metrics[f"{name}_high"]


def test_several_bases_have_the_interval_of_the_report(store):
    run = store.get(collapsed(store, lambda b, s: 60 + DIFFERENCES[b][s], lambda b, s: 60.0))
    rows = [
        {"condition": name, "task": "choice", "language": "de", "base_seed": b, "seed": s, "score": 60 + gain}
        for b in range(3)
        for s in range(3)
        for name, gain in (("none", 0.0), ("nli", DIFFERENCES[b][s]))
    ]
    (contrast,) = analyse(pd.DataFrame(rows), detailed=False).contrasts
    assert contrast.low == pytest.approx(-2.1, abs=0.1) and contrast.high == pytest.approx(7.1, abs=0.1)
    assert ends(run.metrics, "selected/delta") == pytest.approx((contrast.low, contrast.high), rel=1e-3)
    mean = 60 + np.mean(DIFFERENCES)
    half = (contrast.high - contrast.low) / 2
    assert ends(run.metrics, "selected/avg") == pytest.approx((mean - half, mean + half), rel=1e-3)
    assert run.metrics["n"] == 9


def test_the_result_of_several_bases_is_over_bases_and_seeds(store):
    run = store.get(collapsed(store, lambda b, s: 60 + DIFFERENCES[b][s], lambda b, s: 60.0))
    shown = over_seeds.condition(store, run)
    (row,) = shown.tables[0].as_dicts()
    low, high = row[over_seeds.INTERVAL]
    assert high - low == pytest.approx(9.2, abs=0.1)
    assert shown.remarks[0] == (
        "Means over 3 bases with 3 seeds each; intervals over bases crossed with seeds."
    )
    assert any("3 seeds decide little" in remark for remark in shown.remarks)


def test_bases_of_a_study_are_not_taken_for_seeds(store):
    made = collapsed(store, lambda b, s: 60 + DIFFERENCES[b][s], lambda b, s: 60.0)
    run = store.start("study", "s", tags={"xfer.input_run_ids": made})
    row = {"condition": "nli", "compared with": "", "selected/avg": 60.0, "selected/choice": 60.0, "n": 9}
    row |= {"selected/delta": 1.0, "selected/delta_low": 0.0, "selected/delta_high": 2.0, "delta/choice": 1.0}
    store.table(run, pd.DataFrame([row]), CONDITIONS)
    store.finish(run, "FINISHED")
    shown = over_seeds.study(store, store.get(run))
    assert shown.tables[0].head[-1] == "bases with seeds"
    assert any("3 seeds decide little" in remark for remark in shown.remarks)


def test_one_base_has_students_t_over_seeds_to_the_bit(store):
    gains = [1.25, 2.5, 4.75]
    run = store.get(collapsed(store, lambda b, s: 60 + gains[s], lambda b, s: 60.0, bases=(7,)))
    assert ends(run.metrics, "selected/delta") == pytest.approx(mean_interval(gains), rel=1e-3)
    values = list(np.random.default_rng(0).normal(size=5))
    places = [("0", str(seed)) for seed in range(5)]
    assert replicates_interval(values, places) == mean_interval(values)
    shown = over_seeds.condition(store, run)
    assert shown.remarks[0] == "Means over 3 seeds; intervals over seeds (Student's t)."


def test_bases_with_one_seed_each_are_the_replicates():
    places = [(str(base), "0") for base in range(3)]
    assert replicates_interval([1.0, 2.0, 4.0], places) == pytest.approx(mean_interval([1.0, 2.0, 4.0]))


def test_a_base_that_lacks_a_seed_counts_as_one_value():
    places = [("0", "1"), ("0", "2"), ("1", "1")]
    assert replicates_interval([1.0, 3.0, 4.0], places) == pytest.approx(mean_interval([2.0, 4.0]))


def test_one_replicate_and_none_have_no_interval():
    for values, places in (([1.0], [("0", "1")]), ([], [])):
        assert all(map(math.isnan, replicates_interval(values, places)))


def test_replicates_that_are_all_alike_have_no_interval():
    places = [("0", str(seed)) for seed in range(3)]
    for values in ([31.0] * 3, [70.1 - 60.1, 71.1 - 61.1, 72.3 - 62.3]):
        assert all(map(math.isnan, replicates_interval(values, places)))


def compared(store, seeds, others, base=(0,)):
    """The metrics of replicates with these seeds that score 60 and the seed, against others of 50 and the
    seed."""
    mine = replicates(store, lambda b, s: 60.0 + seeds[s], bases=(0,), seeds=seeds)
    theirs = replicates(store, lambda b, s: 50.0 + others[s], bases=base, seeds=others)
    run = store.start("condition", "nli", tags={"xfer.tasks": "nli"})
    collapse(store, run, mine, theirs)
    store.finish(run, "FINISHED")
    return store.get(run).metrics


def test_replicates_are_paired_by_seed_whatever_their_order(store):
    found = compared(store, (1, 2, 30), (30, 1, 2))
    assert found["selected/delta"] == found["delta/choice"] == 10.0
    assert "selected/delta_low" not in found, "the difference is 10 with every seed"


def test_other_seeds_or_bases_are_never_paired(store):
    for others, base in (((4, 5, 6), (0,)), ((1, 2), (0,)), ((1, 2, 3, 4), (0,)), ((1, 2, 3), (7,))):
        found = compared(store, (1, 2, 3), others, base)
        assert not [name for name in found if "delta" in name] and found["n"] == 3


def test_what_has_no_interval_has_no_metrics_of_one(store):
    run = store.get(collapsed(store, lambda b, s: 60.0 + s, lambda b, s: 50.0 + s, bases=(7,)))
    assert run.metrics["selected/delta"] == 10.0 and "selected/delta_low" not in run.metrics
    assert run.metrics["selected/avg_low"] < 61 < run.metrics["selected/avg_high"]


def test_intervals_over_bases_and_seeds_hold_the_truth():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        values = rng.normal(0, 2, (3, 1)) + rng.normal(0, 1, (1, 5)) + rng.normal(0, 0.5, (3, 5))
        places = [(str(base), str(seed)) for base in range(3) for seed in range(5)]
        low, high = replicates_interval(list(values.ravel()), places)
        inside += low <= 0 <= high
    assert inside / 400 > 0.93
