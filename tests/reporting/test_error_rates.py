"""What reports say about tables whose truth is known:
1,000 of each sort. The rates are in the test's output (``pytest -rP``).
"""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from mlflow_xfer.reporting import report
from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, UNDECIDED, WORSE, verdicts
from mlflow_xfer.stats.blocks import Cells, cells, unit_weights
from mlflow_xfer.stats.estimate import LIKE_THESE
from mlflow_xfer.stats.frame import check
from tests.stats.score_tables import table

TABLES = 1000
UNITS = tuple((task, code) for task in ("xnli", "udpos") for code in ("ar", "de", "en", "hi", "sw", "zh"))


def blocks(rng, effect: float, seeds: int, seed_sd: float, arms: int, language_sd: float = 0.0):
    """A baseline and ``arms`` conditions; the first has the effect."""
    level = rng.normal(65, 5, len(UNITS))
    found = []
    for arm in range(arms + 1):
        values = level + rng.normal(0, seed_sd, (1, seeds, 1)) + rng.normal(0, 1, (1, seeds, len(UNITS)))
        values = values + (effect if arm == 1 else 0) + rng.normal(0, language_sd, len(UNITS))
        found.append(Cells(f"c{arm}", values, unit_weights(UNITS), UNITS, (0,), tuple(range(seeds))))
    return found


def rates(
    effect: float, seeds: int, seed_sd: float = 1.0, arms: int = 1, margin: float = 1.0, **more
) -> Counter:
    """Verdicts on the first condition, in %,
    and on how many tables some condition without effect was called better or worse.
    """
    rng = np.random.default_rng(0)
    population = more.pop("population", "these languages")
    counted: Counter = Counter()
    for _ in range(TABLES):
        base, *others = blocks(rng, effect, seeds, seed_sd, arms, **more)
        found = verdicts(others, base, margin=margin, population=population)
        counted[found[0].verdict] += 1
        counted["false"] += any(c.verdict in (BETTER, WORSE) for c in (found if effect == 0 else found[1:]))
    print(
        f"effect {effect}, {seeds} seeds, seed sd {seed_sd}, {arms} conditions: {dict(counted)} of {TABLES}"
    )
    return counted


AT_MOST = stats.binom.ppf(0.999, TABLES, 0.05)  # 5 % and chance


def test_a_known_effect_is_found():
    found = rates(effect=4, seeds=10)
    assert found[BETTER] >= 0.95 * TABLES and found[WORSE] == 0


@pytest.mark.slow
def test_a_null_table_is_undecided_or_equivalent():
    for seeds in (3, 5, 10):
        found = rates(effect=0, seeds=seeds)
        assert found["false"] <= AT_MOST
        assert found[BETTER] + found[WORSE] + found[EQUIVALENT] + found[UNDECIDED] == TABLES
    assert rates(effect=0, seeds=20, seed_sd=0.5)[EQUIVALENT] >= 0.9 * TABLES


@pytest.mark.slow
def test_an_underpowered_table_says_so():
    found = rates(effect=1, seeds=3, seed_sd=3)
    assert found[UNDECIDED] >= 0.9 * TABLES and found[WORSE] <= AT_MOST and found[EQUIVALENT] <= AT_MOST


def test_equivalence_is_not_claimed_at_the_margin():
    assert rates(effect=1, seeds=8, seed_sd=0.7)[EQUIVALENT] <= AT_MOST


@pytest.mark.slow
def test_many_conditions_are_wrong_together_as_often_as_one():
    assert rates(effect=0, seeds=5, arms=6)["false"] <= AT_MOST


@pytest.mark.slow
def test_languages_like_these():
    found = rates(effect=0, seeds=5, language_sd=1.0, population=LIKE_THESE)
    assert found["false"] <= AT_MOST


@pytest.mark.parametrize(
    ("effect", "seeds", "said"), [(6, 8, "better"), (-6, 8, "worse"), (0.5, 3, "not enough power")]
)
def test_the_whole_report_says_what_the_verdict_says(effect, seeds, said):
    """The simulated blocks above skip the frame and the page: here both give the same."""
    agreed = 0
    for random in range(4):
        frame = table({"none": 0, "mnli": effect}, seeds=seeds, random=random, tasks=("xnli",), seed_sd=1.5)
        made = report(frame)
        checked = check(frame)
        direct = verdicts([cells(checked, "mnli")], cells(checked, "none"))[0]
        assert made.verdict["contrasts"][0]["p"] == pytest.approx(direct.p)
        assert made.verdict["contrasts"][0]["verdict"] == direct.verdict
        agreed += direct.verdict == said and said in made.verdict["answer"] and said in made.html
    assert agreed >= 3
