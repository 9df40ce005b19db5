"""What arms are trained on, measured on mini's texts, and what distance goes with where that is planted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.studies import page, training_data
from mlflow_xfer.studies.found import study

ARMS = {"general": "attribute", "biomedical": "bio_attribute", "legal": "legal_attribute"}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    asked = {"target": "choice,bio_choice,legal_choice,retrieval", "seeds": "0,1"}
    references = References(lambda: None)
    return training_data.described(
        {
            name: make_plan("transfer", read(Transfer, {**asked, "intermediate": task}), references)
            for name, task in {"none": "none", **ARMS}.items()
        }
    )


def test_arms_are_matched_and_closest_to_their_own_target(data):
    assert list(data["condition"]) == list(ARMS), "none is trained on nothing"
    assert set(data["rows"]) == {1200} and data["words"].between(5_000, 20_000).all()
    assert data["label entropy"].to_list() == pytest.approx([1.0] * 3)
    far = data.set_index("condition").filter(like=training_data.FAR)
    assert list(far) == [f"{training_data.FAR}{task}" for task in ("choice", "bio_choice", "legal_choice")]
    assert list(far.idxmin()) == list(ARMS) and far.gt(0).all(axis=None) and far.lt(1).all(axis=None)


def planted(data: pd.DataFrame, per_tenth: float) -> pd.DataFrame:
    """Gains that fall with distance, beside effects of arm, target, seed and language."""
    rng = np.random.default_rng(0)
    rows = []
    for place, arm in enumerate(["none", *ARMS]):
        for task in ("choice", "bio_choice", "legal_choice"):
            gain = 0.0
            if arm != "none":
                far = float(data.set_index("condition").loc[arm, f"{training_data.FAR}{task}"])
                gain = 3.0 * place + per_tenth * far / training_data.STEP
            rows += [
                (arm, task, code, 0, seed, 50 + gain + seed + rng.normal(0, 0.2), 300)
                for code in ("en", "de", "tr", "sw")
                for seed in range(5)
            ]
    return pd.DataFrame(rows, columns=["condition", "task", "language", "base_seed", "seed", "score", "n"])


def test_what_distance_goes_with_is_found_beyond_arms_and_targets(data):
    found = training_data.slope(planted(data, -2.0), data, "none")
    assert found.low < -2.0 < found.high and found.high < -1
    nothing = training_data.slope(planted(data, 0.0), data, "none")
    assert nothing.low < 0 < nothing.high
    few = training_data.slope(planted(data, -2.0), data[:2], "none")
    assert np.isnan(few.estimate) and "too few arms" in few.notes[0]
    assert training_data.headroom(planted(data, 0.0), "none")["choice"] == pytest.approx(48, abs=0.5)


def test_a_divergence_lies_between_nothing_and_one():
    same, other = Counter("aab"), Counter("cd")
    assert training_data.divergence(same, same) == 0.0
    assert training_data.divergence(same, other) == pytest.approx(1.0)
    assert training_data.entropy(Counter("abcd")) == pytest.approx(2.0)


def test_the_page_says_so(data):
    shown = str(page._data(planted(data, -2.0), data, "none"))
    assert "What the arms are trained on" in shown and "about these sets" in shown
    assert study("domain").sections == ("domains",), "the section that asks for it"
