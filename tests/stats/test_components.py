import numpy as np
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.components import closed_form, components, mixed_components
from tests.stats.score_tables import table


def test_closed_form_is_unbiased():
    rng = np.random.default_rng(0)
    true = {(0,): 9.0, (1,): 4.0, (2,): 1.0, (0, 1): 0.5, (0, 2): 0.0, (1, 2): 2.0, (0, 1, 2): 1.0}
    found = {axes: [] for axes in true}
    for _ in range(1500):
        x = np.zeros((4, 5, 3))
        for axes, variance in true.items():
            shape = [x.shape[a] if a in axes else 1 for a in range(3)]
            x = x + np.sqrt(variance) * rng.standard_normal(shape)
        for axes, (raw, _) in closed_form(x).items():
            found[axes].append(raw)
    for axes, variance in true.items():
        assert np.mean(found[axes]) == pytest.approx(variance, abs=4 * np.std(found[axes]) / np.sqrt(1500)), (
            axes
        )


def test_closed_form_agrees_with_reml_on_a_complete_table():
    frame = table({"none": 0}, tasks=("xnli",), seeds=6, seed_sd=3, cell_sd=1)
    closed = components(frame, "none").set_index("source")["component"]
    mixed = mixed_components(frame, "none").set_index("source")["component"]
    assert mixed["seed"] == pytest.approx(closed["seed"], rel=0.02)
    assert mixed["language"] == pytest.approx(closed["language"], rel=0.02)
    assert mixed["rest (with test noise)"] == pytest.approx(
        closed["seed x language (with test noise)"], rel=0.02
    )


def test_tables_with_holes_go_to_reml():
    frame = table({"none": 0}, seeds=4)
    found = components(frame.drop(frame.index[5]), "none")
    assert set(found["source"]) == {"seed", "language", "task", "rest (with test noise)"}
    assert found["share"].sum() == pytest.approx(1)


def test_tasks_with_different_languages_are_complete_as_pairs():
    frame = table({"none": 0}, seeds=4)
    uneven = frame[(frame["task"] == "udpos") | frame["language"].isin(["en", "de", "sw"])]
    found = components(uneven, "none").set_index("source")
    assert set(found.index) == {"seed", "task and language", "seed x task and language (with test noise)"}
    block = uneven.pivot(index="seed", columns=["task", "language"], values="score").to_numpy()
    square = block.mean(1).var(ddof=1) * block.shape[1]
    rest = ((block - block.mean(0) - block.mean(1, keepdims=True) + block.mean()) ** 2).sum() / (3 * 10)
    assert found.loc["seed", "raw"] == pytest.approx((square - rest) / 11)


def test_a_single_score_has_no_components():
    with pytest.raises(XferError, match="one score only"):
        components(table({"none": 0}, seeds=1, tasks=("xnli",), languages=("de",)), "none")


def test_no_variation_has_no_shares():
    found = components(table({"none": 0}).assign(score=50.0), "none")
    assert (found["component"] == 0).all() and found["share"].isna().all()
