import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlflow_xfer.stats.blocks import Cells, unit_weights
from mlflow_xfer.stats.by_language import effects_by_language, half_width


def block(values: np.ndarray) -> Cells:
    """One task: [seed, language]."""
    units = tuple(("xnli", f"l{n}") for n in range(values.shape[1]))
    return Cells("a", values[None], unit_weights(units), units, (0,), tuple(range(len(values))))


@pytest.mark.parametrize(("seeds", "languages"), [(3, 4), (3, 40), (10, 10)])
@pytest.mark.parametrize(("seed_sd", "sd"), [(2, 2), (0.2, 3), (3, 0.5)])
def test_all_intervals_hold_together(seeds, languages, seed_sd, sd):
    rng, held, repeats = np.random.default_rng(1), 0, 150
    for _ in range(repeats):
        x = rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, sd, (seeds, languages))
        x[:, 0] += 20  # the one language that differs
        table = effects_by_language(block(x))[0].table.set_index("language")
        truth = pd.Series(0.0, table.index)
        truth["l0"] = 20.0
        held += bool(((table["low"] <= truth) & (truth <= table["high"])).all())
        assert ((table["low"] <= table["estimate"]) & (table["estimate"] <= table["high"])).all()
    assert held / repeats >= 0.89, held / repeats


def test_estimates_lie_between_the_raw_ones_and_their_mean_and_are_nearer_to_the_truth():
    rng, errors = np.random.default_rng(0), []
    for _ in range(100):
        truth = 5 + rng.normal(0, 1, 10)
        found = effects_by_language(block(truth + rng.normal(0, 2, (3, 10))))[0]
        table = found.table.set_index("language").loc[[f"l{n}" for n in range(10)]]
        inside = (table["raw"] - table["estimate"]) * (table["estimate"] - found.mean)
        assert (inside > -1e-9).all() and 0 <= found.shrinkage <= 1
        errors.append([((table[c] - truth) ** 2).mean() for c in ("raw", "estimate")])
    raw, estimate = np.mean(errors, 0)
    assert estimate < 0.8 * raw


def test_one_language_is_students_t_and_one_seed_has_no_interval():
    values = np.array([[1.0], [2.5], [3.0]])
    row = effects_by_language(block(values))[0].table.iloc[0]
    assert (row["low"], row["high"]) == pytest.approx(
        stats.t.interval(0.95, 2, loc=values.mean(), scale=values.std(ddof=1) / 3**0.5)
    )
    alone = effects_by_language(block(np.array([[1.0, 2.0, 3.0, 9.0]])))[0]
    assert alone.table["low"].isna().all() and (alone.gain, alone.lose) == (0, 0)
    assert list(alone.table["estimate"]) == [9.0, 3.0, 2.0, 1.0]


def test_gains_and_losses_are_counted_and_tasks_stand_apart():
    rng = np.random.default_rng(0)
    up, down = (shift + rng.normal(0, 0.5, (5, 4)) for shift in (10, -10))
    units = tuple((task, language) for task in ("a", "b") for language in "wxyz")
    values = np.concatenate([up, down], 1)[None]
    first, second = effects_by_language(Cells("c", values, unit_weights(units), units, (0,), tuple(range(5))))
    assert (first.task, first.gain, first.lose, first.languages) == ("a", 4, 0, 4)
    assert (second.task, second.gain, second.lose) == ("b", 0, 4)


def test_where_nothing_varies_there_is_no_interval():
    assert np.isnan(half_width(0.0, 0.0, 3, 10))
    table = effects_by_language(block(np.ones((3, 5))))[0].table
    assert table["low"].isna().all() and (table["estimate"] == 1).all()


@pytest.mark.parametrize("seeds", [2, 3, 5, 6, 10])
def test_seeds_that_score_the_same_show_no_gain(seeds):
    rng = np.random.default_rng(seeds)
    for _ in range(50):
        after, before = (np.tile(rng.integers(80, 240, 5) / 3, (seeds, 1)) for _ in range(2))
        found = effects_by_language(block(after - before + rng.integers(0, 9)))[0]
        assert (found.gain, found.lose) == (0, 0) and found.table["low"].isna().all()
    equal = np.full((seeds, 5), 0.1) + 0.2
    equal[:, 0] = 0.3
    assert effects_by_language(block(equal))[0].shrinkage == 0
