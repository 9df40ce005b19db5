"""The schedule: pure in (seed, step), fair within an epoch, drawn at the declared rates."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from mlflow_xfer.data.mixing import (
    EpochBatches,
    count_steps,
    epoch_ends,
    evaluation_steps,
    key_of,
    rates,
    schedule,
    with_lm,
)
from mlflow_xfer.tasks.task import Mixture

SIZES = {"big": 90_000, "mid": 9_000, "small": 1_000}


def mixture(**kwargs):
    return Mixture(tuple(SIZES), **kwargs)


@pytest.mark.parametrize(
    ("mixing", "wanted"),
    [
        (mixture(), {"big": 0.9, "mid": 0.09, "small": 0.01}),
        (mixture(cap=9_000), {"big": 9 / 19, "mid": 9 / 19, "small": 1 / 19}),
        (mixture(mixing="uniform"), dict.fromkeys(SIZES, 1 / 3)),
        (
            mixture(mixing="temperature", temperature=2.0),
            {"big": 300 / 426.49, "mid": 94.868 / 426.49, "small": 31.623 / 426.49},
        ),
        (mixture(mixing="temperature", temperature=2.0, cap=1_000), dict.fromkeys(SIZES, 1 / 3)),
    ],
)
def test_rates(mixing, wanted):
    assert rates(SIZES, mixing) == pytest.approx(wanted, rel=1e-4)


def test_drawn_shares_are_the_declared_ones():
    shares = with_lm(rates(SIZES, mixture(cap=9_000)), 0.25)
    drawn = schedule(shares, 20_000, seed=3)
    for i, name in enumerate(drawn.tasks):
        p = shares[name]
        assert (drawn.choice == i).mean() == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 20_000))


def test_a_step_is_a_function_of_seed_and_step_alone():
    shares = with_lm(rates(SIZES, mixture()), 0.5)
    short, long = schedule(shares, 100, 0), schedule(shares, 5_000, 0)
    assert [short.at(t) for t in range(100)] == [long.at(t) for t in range(100)]
    assert [schedule(shares, 100, 1).at(t) for t in range(100)] != [short.at(t) for t in range(100)]


def test_no_task_goes_without_by_bad_luck():
    for seed in range(20):
        drawn = schedule({"a": 0.9, "b": 0.08, "c": 0.02}, 100, seed)
        assert [int((drawn.choice == i).sum()) for i in range(3)] == pytest.approx([90, 8, 2], abs=1)


@pytest.mark.parametrize(("n", "batch"), [(1, 4), (10, 4), (1000, 16), (7001, 16)])
def test_each_epoch_shows_every_row_once(n, batch):
    epochs = EpochBatches("t", np.random.default_rng(0).integers(5, 60, n), batch, seed=0)
    for epoch in range(2):
        seen = np.concatenate(
            [epochs.rows(epoch * epochs.batches_per_epoch + b) for b in range(epochs.batches_per_epoch)]
        )
        assert sorted(seen.tolist()) == list(range(n))


def test_epochs_tasks_and_seeds_have_orders_of_their_own():
    lengths = np.full(400, 9)
    orders = [
        EpochBatches(name, lengths, 8, seed).rows(at).tolist()
        for name, seed, at in (("a", 0, 0), ("b", 0, 0), ("a", 1, 0), ("a", 0, 50))
    ]
    assert len(set(map(tuple, orders))) == 4


def test_a_walk_can_be_entered_anywhere():
    lengths = np.arange(300) % 40 + 5
    there = EpochBatches("t", lengths, 8, 0)
    assert all((there.rows(k) == EpochBatches("t", lengths, 8, 0).rows(k)).all() for k in (0, 37, 38, 90, 5))


def test_batches_hold_rows_of_like_length():
    lengths = np.random.default_rng(1).integers(5, 120, 5_000)
    epochs = EpochBatches("t", lengths, 16, 0)
    batches = [lengths[epochs.rows(k)] for k in range(epochs.batches_per_epoch)]
    padding = sum(len(b) * b.max() for b in batches) / lengths.sum()
    assert padding < 1.05
    first = [b.mean() for b in batches[:100]]
    assert np.corrcoef(first, range(100))[0, 1] < 0.5  # but short and long batches alternate


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"mixture": mixture(), "batch": 32, "epochs": 2}, 2 * 2813 + 2 * 282 + 2 * 32),
        ({"mixture": mixture(cap=1_000), "batch": 32, "epochs": 2}, 3 * 2 * 32),
        ({"mixture": mixture(cap=1_000, mlm_share=0.5), "batch": 32, "epochs": 2}, 2 * 3 * 2 * 32),
        ({"mixture": mixture(), "batch": 32, "epochs": 2, "max_steps": 7}, 7),
    ],
)
def test_steps(arguments, wanted):
    assert count_steps(SIZES, **{"max_steps": 0, **arguments}) == wanted


def test_steps_of_a_language_model_alone():
    assert count_steps({}, Mixture(("lm",)), 8, 2.0, 0, lm_size=100) == 26


def test_a_task_called_lm_has_a_key_and_a_turn_of_its_own():
    assert [key_of(name) for name in (None, "lm", "nli")] == ["lm", "task lm", "nli"]
    found = schedule({key_of(None): 0.5, key_of("lm"): 0.5}, 40, 0)
    assert found.tasks == ("lm", "task lm") and found.choice.tolist() != [0, 1] * 20
    assert found.choice.sum() == 20


def test_when_dev_is_scored():
    assert evaluation_steps(100, 3, 10) == [33, 67, 100]
    assert evaluation_steps(100, 50, 4) == [25, 50, 75, 100]
    assert evaluation_steps(1, 3, 10) == [1]
    assert epoch_ends(100, 2.5) == [40, 80, 100] and epoch_ends(10, 0.5) == [10]


def test_another_process_draws_the_same():
    code = (
        "import numpy as np; from mlflow_xfer.data.mixing import EpochBatches, schedule;"
        "w = EpochBatches('t', np.arange(50), 4, 7);"
        "print([schedule({'a': .3, 'b': .7}, 20, 5).choice.tolist(), w.rows(3).tolist(), "
        "w.rows(20).tolist()])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    epochs = EpochBatches("t", np.arange(50), 4, 7)
    here = [
        schedule({"a": 0.3, "b": 0.7}, 20, 5).choice.tolist(),
        epochs.rows(3).tolist(),
        epochs.rows(20).tolist(),
    ]
    assert runs[0].strip() == runs[1].strip() == str(here)
