from itertools import permutations

import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats.contribution import shapley

TASKS = ("mnli", "squad", "qqp", "cola")


def truth(subset: str) -> float:
    own = set(subset.split("+"))
    return (
        60 + 4 * ("mnli" in own) + 2 * ("squad" in own) - 1 * ("cola" in own) + 3 * ({"mnli", "squad"} <= own)
    )


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
