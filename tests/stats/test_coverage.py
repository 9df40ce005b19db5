"""The simulation harness of benchmarks/coverage.py at a small size;
the bounds are those of chance at this size.
"""

import numpy as np
import pytest
from scipy import stats

DRAWS = 600


@pytest.fixture(scope="module")
def harness(script):
    return script("benchmarks/coverage.py")


# Measured with 4,000 draws (benchmarks/coverage.md): the least true coverage of each method over all its
# cells.
LEAST = {
    "Difference, these languages": 94.0,
    "Difference, languages like these": 94.0,
    "Unpaired difference, these languages": 94.0,
    "Slope on a covariate, languages like these": 94.0,
    "Slope on a covariate, these languages": 94.0,
    "Difference by family": 94.0,
    "Difference over 3 base checkpoints, these languages": 94.0,
}


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("model", ["normal", "heavy tails, t(3)", "seed 1, language 1, mixed 2"])
def test_intervals_cover(harness, name, model):
    method = harness.METHODS[name][1]
    chosen = next(m for m in harness.MODELS if m.name == model)
    for seeds, languages in ((3, 40), (5, 10)):
        found = method(np.random.default_rng(7), chosen, DRAWS, seeds, languages)
        bound = stats.binom.ppf(0.001, DRAWS, LEAST[name] / 100) / DRAWS * 100
        assert found.coverage >= bound, (seeds, languages)
        assert found.false <= 100 - bound


def test_the_bootstrap_over_seeds_is_not_offered_for_a_reason(harness):
    """The trap that the intervals replace: at 3 seeds a percentile bootstrap covers about 80 %."""
    rng = np.random.default_rng(0)
    x, language = harness.MODELS[0].tables(rng, 400, 1, 3, 10)
    means = x[:, 0].mean(-1)
    drawn = means[:, rng.integers(0, 3, (500, 3))].mean(-1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    truth = language.mean((1, 2, 3))
    assert ((low <= truth) & (truth <= high)).mean() < 0.87


def test_ratio_of_tau(harness):
    found = harness.tau_ratio(np.random.default_rng(3), harness.MODELS[0], 200, 3, 10)
    assert found.coverage > 88 and found.false < 11


def test_page_says_how_it_was_made(harness, monkeypatch):
    monkeypatch.setattr(harness, "MODELS", harness.MODELS[:1])
    page = harness.markdown(50, only="Unpaired")
    assert "--draws 50" in page and page.count("\n## ") == 1 and "| normal |" in page
