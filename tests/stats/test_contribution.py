from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.contribution import ridge, shapley

TASKS = ("mnli", "squad", "qqp", "cola")
SUBSETS = ["+".join(s) or "none" for k in range(5) for s in combinations(TASKS, k)]


def truth(subset: str) -> float:
    own = set(subset.split("+"))
    return (
        60 + 4 * ("mnli" in own) + 2 * ("squad" in own) - 1 * ("cola" in own) + 3 * ({"mnli", "squad"} <= own)
    )


def runs(noise: float, seeds: int = 5, subsets=SUBSETS) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [(s, seed, truth(s) + noise * rng.normal()) for s in subsets for seed in range(seeds)],
        columns=["tasks", "seed", "score"],
    )


def test_planted_effects_and_pairs_are_found():
    found = ridge(runs(0.1))
    effects = found.effects.set_index("term")["effect"]
    assert found.verdict == "ranked" and found.fit > 0.95 and found.rank == found.terms == 10
    # averaged over the other tasks, mnli adds 4 + 3/2; the pair's own term is half of its bonus on each
    # diagonal
    assert effects["mnli"] == pytest.approx(5.5, abs=0.3) and effects["cola"] == pytest.approx(-1, abs=0.3)
    assert effects["mnli x squad"] == pytest.approx(1.5, abs=0.3)
    assert found.effects["term"].iloc[0] == "mnli"
    mnli = found.effects.set_index("term").loc["mnli"]
    assert mnli["low"] < mnli["effect"] < mnli["high"] and mnli["vif"] == pytest.approx(1)


def test_noise_alone_cannot_tell():
    rng = np.random.default_rng(1)
    verdicts = []
    for _ in range(60):
        frame = runs(0.0, seeds=2).assign(score=lambda f: 60 + rng.normal(0, 3, len(f)))  # noqa: B023
        verdicts.append(ridge(frame).verdict)
    assert verdicts.count("ranked") <= 8  # 5 % of 60, and chance (99 %)


def test_few_subsets_and_seeds_say_so():
    with pytest.raises(XferError, match="at least 4"):
        ridge(runs(1, subsets=["none", "mnli", "squad"]))
    with pytest.raises(XferError, match="lacks the columns score"):
        ridge(runs(1).drop(columns="score"))
    found = ridge(runs(1, seeds=1, subsets=["none", "mnli", "squad", "mnli+squad", "mnli+squad+qqp"]))
    assert found.effects["low"].isna().all() and any("no intervals" in note for note in found.notes)


def test_tasks_that_always_go_together_are_not_told_apart():
    found = ridge(
        runs(0.1, subsets=["none", "mnli+squad", "qqp", "qqp+mnli+squad", "cola", "cola+qqp"]), pairs=False
    )
    assert found.rank < found.terms and any("not told apart" in note for note in found.notes)
    assert np.isinf(found.effects.set_index("term").loc["mnli", "vif"])


def test_order_of_rows_and_names_does_not_matter():
    frame = runs(1)
    again = frame.sample(frac=1, random_state=0).assign(
        tasks=lambda f: f["tasks"].map(lambda t: ",".join(reversed(t.split("+"))))
    )
    pd.testing.assert_frame_equal(ridge(frame).effects, ridge(again).effects)


def test_shapley_of_all_orders_is_exact():
    rows = [(o, 0, "", truth("none")) for o, _ in enumerate(permutations(TASKS))]
    for o, order in enumerate(permutations(TASKS)):
        rows += [(o, i + 1, task, truth("+".join(order[: i + 1]))) for i, task in enumerate(order)]
    found = shapley(pd.DataFrame(rows, columns=["order", "position", "task", "score"])).set_index("task")
    assert found["value"].to_dict() == pytest.approx({"mnli": 5.5, "squad": 3.5, "qqp": 0, "cola": -1})
    assert found["value"].sum() == pytest.approx(truth("mnli+squad+qqp+cola") - truth("none"))
    assert (found["orders"] == 24).all()


def test_shapley_refuses_incomplete_orders():
    rows = pd.DataFrame(
        [(0, 0, "", 1.0), (0, 1, "mnli", 2.0), (1, 0, "", 1.0), (1, 1, "squad", 2.0)],
        columns=["order", "position", "task", "score"],
    )
    with pytest.raises(XferError, match="2 orders are not complete"):
        shapley(rows)
